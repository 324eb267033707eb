"""Who may ask: the right host, no other site's pages, and the key where there is one.

A server on loopback is within reach of every web page that its user looks at. Three things keep
those out. A page may not read our answers, as no CORS header allows it. Its requests name their
origin, and are refused. And a name of the attacker's own that suddenly resolves to 127.0.0.1 (DNS
rebinding) stands in the `Host` header, where only addresses and known names are taken.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from slm.server.problems import ProblemError

LOOPBACK_NAME = "localhost"

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:\[\]@/?#]+)(:[0-9]{1,5})?")

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
        api_key: what `Authorization: Bearer` must hold; None: nothing.
        open_paths: what is answered without the key.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        names: Iterable[str] = (),
        api_key: str | None = None,
        open_paths: Iterable[str] = (),
    ) -> None:
        self._app = app
        self._names = {LOOPBACK_NAME, *(name.lower() for name in names)}
        self._key_digest = None if api_key is None else _digest(api_key.encode("utf-8"))
        self._open_paths = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            self._check(Headers(scope=scope), scope["path"])
        except ProblemError as problem:
            await problem.response()(scope, receive, guarded_send)
            return
        await self._app(scope, receive, guarded_send)

    def _check(self, headers: Headers, path: str) -> None:
        host = headers.get("host", "")
        if not is_known_host(host, self._names):
            raise ProblemError(
                421,
                "the Host header names neither an address nor a known name of this server",
                param="Host",
                code="unknown_host",
            )
        check_origin(headers, host)
        if self._key_digest is not None and path not in self._open_paths:
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


def check_origin(headers: Headers, host: str) -> None:
    """Let pass what comes from no page, or from our own.

    Raises:
        ProblemError: a page of another origin asks.
    """
    origin = headers.get("origin")
    if origin is not None and origin.lower() not in {
        f"{scheme}://{host.lower()}" for scheme in ("http", "https")
    }:
        raise ProblemError(
            403, "pages of other origins may not use this server", param="Origin", code="origin"
        )
    # Pictures and scripts are fetched without an origin, but browsers say where from.
    site, mode = headers.get("sec-fetch-site"), headers.get("sec-fetch-mode")
    if site in ("cross-site", "same-site") and mode != "navigate":
        raise ProblemError(
            403,
            "pages of other sites may not use this server",
            param="Sec-Fetch-Site",
            code="origin",
        )


def check_key(headers: Headers, digest: bytes) -> None:
    """Compare the key of a request, in a time that tells nothing.

    Raises:
        ProblemError: it is missing or wrong.
    """
    scheme, _, key = headers.get("authorization", "").partition(" ")
    given = _digest(key.strip().encode("latin-1"))  # the bytes that were sent
    if scheme.lower() != "bearer" or not hmac.compare_digest(given, digest):
        raise ProblemError(
            401,
            "the API key is missing or wrong; send it as Authorization: Bearer KEY",
            param="Authorization",
            code="invalid_api_key",
            headers={"WWW-Authenticate": "Bearer"},
        )


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
