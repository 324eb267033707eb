"""Runs the server: listening socket, signals, uvicorn."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import sys
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from slm.errors import UsageError
from slm.server.http_protocol import protocol_with
from slm.server.limits import Limits
from slm.terminal.signals import SignalWatch

SPARE_FILES = 64
"""Open files in addition to the connections."""
SPARE_SECONDS = 5.0
"""Added to the time to drain, so that slow clients can read the last responses."""


class Server(uvicorn.Server):
    """uvicorn's server; the first signal drains it, the second one exits.

    Args:
        config: uvicorn's.
        on_drain: is called when no new connections are accepted and the existing ones are to end.
    """

    def __init__(self, config: uvicorn.Config, on_drain: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_drain = on_drain

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn when it has to end."""
        self._on_drain()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Called by uvicorn around its main loop."""
        with _DrainOnSignal(self):
            yield


class _DrainOnSignal(SignalWatch):
    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server

    def first(self, number: int, frame: FrameType | None) -> None:
        self._server.should_exit = True


def build_server(app: ASGIApp, limits: Limits, *, on_drain: Callable[[], None]) -> Server:
    """A server for the application, not yet started; see `Server`."""
    return Server(
        uvicorn.Config(
            app,
            http=protocol_with(limits),
            ws="none",
            loop="asyncio",
            lifespan="on",
            interface="asgi3",
            log_config=None,
            log_level="error",  # mistakes of clients are reported to the clients
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=limits.keep_alive_seconds,  # type: ignore[arg-type]
            timeout_graceful_shutdown=limits.drain_seconds + SPARE_SECONDS,  # type: ignore[arg-type]
        ),
        on_drain,
    )


def run(server: Server, listener: socket.socket, *, on_ready: Callable[[str], None]) -> None:
    """Serve until a signal arrives.

    Args:
        server: see `build_server`.
        listener: see `listen`.
        on_ready: is called with the URL when clients can connect.
    """
    on_ready(address_of(listener))
    server.run(sockets=[listener])


def listen(host: str, port: int, *, with_key: bool) -> socket.socket:
    """A socket to which clients can connect.

    Raises:
        UsageError: the address is not available, or reachable by others without a key.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"the port must be between 0 and 65535, found {port}")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, ValueError) as error:  # ValueError: a character that no name can contain
        raise UsageError(f"unknown host {host!r}: {error}", hint="try --host 127.0.0.1") from None
    family, kind, protocol, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
    if not with_key and not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback:
        raise UsageError(
            f"the server on {host} would be open to others without an API key",
            hint="add --api-key, or set SLM_API_KEY; or leave out --host",
        )
    # If the protocol is given, asyncio recognizes TCP and sends each token at once (TCP_NODELAY).
    listener = socket.socket(family, kind, protocol)
    try:
        if sys.platform != "win32":  # there, the option would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}",
            hint="another program may use it; try another --port, or --port 0 for a free one",
        ) from None
    listener.setblocking(False)
    return listener


def address_of(listener: socket.socket) -> str:
    """The URL of the server."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def allow_open_files(limits: Limits) -> Limits:
    """Raise the process's limit of open files to fit the maximum number of connections.

    Returns:
        The limits, with fewer connections if the system allows fewer files.
    """
    if sys.platform == "win32":
        return limits
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * limits.connections + SPARE_FILES
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return limits
    granted = needed if hard == resource.RLIM_INFINITY else min(hard, needed)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, granted), hard))
        soft = max(soft, granted)
    connections = max(1, min(limits.connections, (soft - SPARE_FILES) // 2))
    return limits.changed(connections=connections)
