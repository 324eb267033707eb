"""A server on loopback whose answers a test writes."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """An answer: JSON data, or bytes as they are."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    claimed_bytes: int | None = None
    """The length in the head, if it is not that of the body."""


@dataclass
class Asked:
    """A request."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


MODELS = {"data": [{"id": "scripted"}]}

Script = Callable[[Asked], Any]
"""The answer to a request: JSON data or a `Reply`."""


@dataclass
class ScriptedServer:
    """A running server, and what it was asked."""

    address: str
    asked: list[Asked]

    def bodies(self, path: str) -> list[Any]:
        """Of the requests for a path."""
        return [each.body for each in self.asked if each.path == path]


class QuietServer(ThreadingHTTPServer):
    """Prints nothing where a client has left in the middle of a request."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError | json.JSONDecodeError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def scripted(script: Script) -> Iterator[ScriptedServer]:
    """Answer with a script while the block runs. `/v1/models` lists one model."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: Any) -> None:
            request = Asked(self.command, self.path, dict(self.headers), body)
            asked.append(request)
            found = MODELS if self.path == "/v1/models" else script(request)
            reply = found if isinstance(found, Reply) else Reply(found)
            content = reply.body
            if not isinstance(content, bytes):
                content = json.dumps(content).encode()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            length = len(content) if reply.claimed_bytes is None else reply.claimed_bytes
            self.send_header("Content-Length", str(length))
            if reply.claimed_bytes is not None:
                self.close_connection = True
            self.end_headers()
            with contextlib.suppress(OSError):  # the client may have gone
                self.wfile.write(content)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = QuietServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield ScriptedServer(f"http://127.0.0.1:{server.server_address[1]}", asked)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
