"""Who may ask: the right host, no other site's pages, and the key where there is one.

A server on loopback is within reach of every web page that its user looks at. Three things keep
those out. A page may not read our answers, as no CORS header allows it. Its requests name their
origin, and are refused. And a name of the attacker's own that suddenly resolves to 127.0.0.1 (DNS
rebinding) is in the `Host` header, where only addresses and known names are taken. Pages of chosen
origins can be let in: they then get the CORS headers of the Fetch standard.
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
from slm.server.http_errors import HttpError

LOOPBACK_NAME = "localhost"

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:\[\]@/?#]+)(:[0-9]{1,5})?")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
_DEFAULT_PORTS = {"http": 80, "https": 443}
PREFLIGHT_SECONDS = 600
"""How long a browser may remember what an origin is allowed."""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""Sent with every answer that does not set them itself."""


class Guard:
    """ASGI middleware: refuses who may not ask, and adds `HEADERS`.

    Args:
        app: what answers the others.
        names: host names that are ours, besides `localhost` and all addresses.
        origins: those whose pages may ask, besides our own; see `checked_origin`.
        api_key: what `Authorization: Bearer` must hold; None: nothing.
        open_paths: what is answered without the key.
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

        asked = Headers(scope=scope)
        origin = asked.get("origin", "").lower()
        is_allowed = origin in self._origins

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if is_allowed:
                    headers["Access-Control-Allow-Origin"] = asked["origin"]
                    headers["Access-Control-Expose-Headers"] = "Retry-After"
                if self._origins:
                    headers.add_vary_header("Origin")
            await send(message)

        answer = self._app
        try:
            self._check_host(asked)
            if not is_allowed:
                check_origin(asked)
            if is_allowed and is_preflight(scope["method"], asked):  # which has no key
                answer = preflight_response(asked)
            elif scope["path"] not in self._open_paths:
                self._check_key(asked)
        except HttpError as problem:
            answer = problem.response()
        await answer(scope, receive, guarded_send)

    def _check_host(self, headers: Headers) -> None:
        host = headers.get("host", "")
        if not is_known_host(host, self._names):
            raise HttpError(
                421,
                f"the Host header holds {shown(host)}, neither an address nor a known name of this "
                "server; its option --allow-host NAME makes a name known",
                param="Host",
                code="unknown_host",
            )

    def _check_key(self, headers: Headers) -> None:
        if self._key_digest is not None:
            check_key(headers, self._key_digest)


def is_known_host(host: str, names: Iterable[str]) -> bool:
    """Whether a `Host` header holds an address, or one of the names, with any port.

    An address is never the result of a foreign name server, so it cannot be rebound.
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
    """Let pass what comes from no page, or from our own.

    Raises:
        HttpError: a page of another origin asks.
    """
    origin, host = headers.get("origin"), headers.get("host", "")
    if origin is not None and origin.lower() not in {
        f"{scheme}://{host.lower()}" for scheme in ("http", "https")
    }:
        raise HttpError(
            403,
            f"pages of the origin {shown(origin)} may not use this server; "
            "its option --allow-origin ORIGIN lets those of an origin in",
            param="Origin",
            code="origin",
        )
    # Pictures and scripts are fetched without an origin, but browsers say where from.
    site, mode = headers.get("sec-fetch-site"), headers.get("sec-fetch-mode")
    if site in ("cross-site", "same-site") and mode != "navigate":
        raise HttpError(
            403,
            "pages of other sites may not use this server; its option --allow-origin ORIGIN lets "
            "those of an origin in, for requests that name it (CORS)",
            param="Sec-Fetch-Site",
            code="origin",
        )


def checked_origin(text: str) -> str:
    """An origin as browsers send it, from what a user has typed.

    Raises:
        UsageError: it is none, or stands for all.
    """
    if text in ("*", "null"):
        raise UsageError(
            f"the origin {text!r} would let in pages of every site",
            hint="name each origin, such as --allow-origin https://example.com",
        )
    origin = text.strip().rstrip("/").lower()
    try:
        port = urlsplit(origin).port
    except ValueError:
        origin, port = "", None
    if not _ORIGIN.fullmatch(origin):
        raise UsageError(
            f"{shown(text)} is not an origin as browsers send it",
            hint="an origin is a scheme, a host in ASCII (xn--...), and maybe a port: "
            "--allow-origin https://example.com",
        )
    scheme = origin.partition(":")[0]
    return origin.removesuffix(f":{port}") if port == _DEFAULT_PORTS.get(scheme) else origin


def checked_name(text: str) -> str:
    """A host name as `is_known_host` compares it, from what a user has typed.

    Raises:
        UsageError: it is none.
    """
    match = _HOST.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{shown(text)} is not a host name", hint="a name such as --allow-host my-laptop.local"
        )
    return match[1].lower().rstrip(".")


def is_preflight(method: str, headers: Headers) -> bool:
    """Whether a browser asks what a page of another origin may do."""
    return method == "OPTIONS" and "access-control-request-method" in headers


def preflight_response(headers: Headers) -> Response:
    """What a page of an allowed origin may do: all that others may."""
    allowed = {
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }
    if wanted := headers.get("access-control-request-headers"):
        allowed["Access-Control-Allow-Headers"] = wanted
    if headers.get("access-control-request-private-network") == "true":
        allowed["Access-Control-Allow-Private-Network"] = "true"
    return Response(status_code=204, headers=allowed)


def check_key(headers: Headers, digest: bytes) -> None:
    """Compare the key of a request, in a time that tells nothing.

    Raises:
        HttpError: it is missing or wrong.
    """
    scheme, _, key = headers.get("authorization", "").partition(" ")
    given = _digest(key.strip().encode("latin-1"))  # the bytes that were sent
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
