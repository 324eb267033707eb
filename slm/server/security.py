"""Access control: the `Host` header, the origin of pages, and the API key.

A server on loopback can be reached by every web page that its user opens. Three measures keep those
pages out. No CORS header lets them read responses. Their requests carry an origin and are refused.
And a name of the attacker's own that suddenly resolves to 127.0.0.1 (DNS rebinding) shows up in the
`Host` header, which must contain an address or a known name. Chosen origins can be allowed: their
pages get the CORS headers of the Fetch standard.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from slm.errors import UsageError, shown
from slm.server.http_errors import HttpError, internal_error

LOOPBACK_NAME = "localhost"

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:\[\]@/?#]+)(:[0-9]{1,5})?")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
_DEFAULT_PORTS = {"http": 80, "https": 443}
PREFLIGHT_SECONDS = 600
"""How long a browser may cache the response to a preflight request."""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""Headers of every response that does not set them itself."""


class Guard:
    """ASGI middleware: refuses requests without access, and adds `HEADERS`.

    Args:
        app: the wrapped application.
        names: this server's host names, in addition to `localhost` and all addresses.
        origins: origins with access, in addition to our own; see `checked_origin`.
        api_key: the key that `Authorization: Bearer` must contain; None: no key is required.
        open_paths: paths that need no key.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        names: Iterable[str] = (),
        origins: Iterable[str] = (),
        api_key: str | None = None,
        open_paths: Iterable[str] = (),
    ) -> None:
        self._app = app
        self._names = {LOOPBACK_NAME, *(name.lower() for name in names)}
        self._origins = frozenset(origins)
        self._key_digest = None if api_key is None else _digest(api_key.encode("utf-8"))
        self._open_paths = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        headers = Headers(scope=scope)
        origin = headers.get("origin", "").lower()
        is_allowed = origin in self._origins
        has_begun = False

        async def guarded_send(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                sent = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    sent.setdefault(name, value)
                if is_allowed:
                    sent["Access-Control-Allow-Origin"] = headers["origin"]
                    sent["Access-Control-Expose-Headers"] = "Retry-After"
                if self._origins:
                    sent.add_vary_header("Origin")
            await send(message)

        answer = self._app
        try:
            self._check_host(headers)
            if not is_allowed:
                check_origin(headers)
            if is_allowed and is_preflight(scope["method"], headers):  # preflights have no key
                answer = preflight_response(headers)
            elif scope["path"] not in self._open_paths:
                self._check_key(headers)
        except HttpError as error:
            answer = error.response()
        try:
            await answer(scope, receive, guarded_send)
        except Exception:
            if not has_begun:  # Starlette's own answer would lack the headers
                await internal_error()(scope, receive, guarded_send)
            raise

    def _check_host(self, headers: Headers) -> None:
        host = headers.get("host", "")
        if not is_known_host(host, self._names):
            raise HttpError(
                421,
                f"the Host header is {shown(host)}, which is neither an address nor a known name "
                "of this server; start the server with --allow-host NAME to add a name",
                param="Host",
                code="unknown_host",
            )

    def _check_key(self, headers: Headers) -> None:
        if self._key_digest is not None:
            check_key(headers, self._key_digest)


def is_known_host(host: str, names: Iterable[str]) -> bool:
    """Whether a `Host` header contains an address or one of the names, with any port.

    An address does not come from a name server, so it cannot be rebound.
    """
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = match[1].lower()
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return name.rstrip(".") in names
    return True


def check_origin(headers: Headers) -> None:
    """Accept requests that come from no page, or from a page of this server.

    Raises:
        HttpError: the request comes from a page of another origin.
    """
    origin, host = headers.get("origin"), headers.get("host", "")
    if origin is not None and origin.lower() not in {
        f"{scheme}://{host.lower()}" for scheme in ("http", "https")
    }:
        raise HttpError(
            403,
            f"pages of the origin {shown(origin)} may not use this server; "
            "start the server with --allow-origin ORIGIN to allow an origin",
            param="Origin",
            code="origin",
        )
    # Images and scripts are fetched without an origin, but with Sec-Fetch-Site.
    site, mode = headers.get("sec-fetch-site"), headers.get("sec-fetch-mode")
    if site in ("cross-site", "same-site") and mode != "navigate":
        raise HttpError(
            403,
            "pages of other sites may not use this server; start the server with --allow-origin "
            "ORIGIN to allow CORS requests of an origin",
            param="Sec-Fetch-Site",
            code="origin",
        )


def checked_origin(text: str) -> str:
    """Normalize an origin that a user has typed to the form that browsers send.

    Raises:
        UsageError: it is not an origin, or means every origin.
    """
    if text in ("*", "null"):
        raise UsageError(
            f"the origin {text!r} would allow pages of every site",
            hint="name each origin, such as --allow-origin https://example.com",
        )
    origin = text.strip().rstrip("/").lower()
    try:
        port = urlsplit(origin).port
    except ValueError:
        origin, port = "", None
    if not _ORIGIN.fullmatch(origin):
        raise UsageError(
            f"{shown(text)} is not a valid origin",
            hint="an origin is a scheme, a host in ASCII (xn--...), and an optional port: "
            "--allow-origin https://example.com",
        )
    scheme = origin.partition(":")[0]
    return origin.removesuffix(f":{port}") if port == _DEFAULT_PORTS.get(scheme) else origin


def checked_name(text: str) -> str:
    """Normalize a host name that a user has typed for `is_known_host`.

    Raises:
        UsageError: it is not a host name.
    """
    match = _HOST.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{shown(text)} is not a host name",
            hint="give a name, for example --allow-host my-laptop.local",
        )
    return match[1].lower().rstrip(".")


def is_preflight(method: str, headers: Headers) -> bool:
    """Whether a request is a CORS preflight."""
    return method == "OPTIONS" and "access-control-request-method" in headers


def preflight_response(headers: Headers) -> Response:
    """The response to a preflight of an allowed origin: all methods and headers."""
    allowed = {
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }
    if requested := headers.get("access-control-request-headers"):
        allowed["Access-Control-Allow-Headers"] = requested
    if headers.get("access-control-request-private-network") == "true":
        allowed["Access-Control-Allow-Private-Network"] = "true"
    return Response(status_code=204, headers=allowed)


def check_key(headers: Headers, digest: bytes) -> None:
    """Compare the key of a request in constant time.

    Raises:
        HttpError: it is missing or wrong.
    """
    scheme, _, key = headers.get("authorization", "").partition(" ")
    # The bytes that were sent; in UTF-8, the last one may look like white space.
    given = _digest(key.strip(" \t").encode("latin-1"))
    if scheme.lower() != "bearer" or not hmac.compare_digest(given, digest):
        raise HttpError(
            401,
            "the API key is missing or wrong; send it as Authorization: Bearer KEY",
            param="Authorization",
            code="invalid_api_key",
            headers={"WWW-Authenticate": "Bearer"},
        )


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
