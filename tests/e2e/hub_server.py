"""A loopback server that speaks as much of the Hugging Face hub's protocol as a data set needs.

Repository information, the tree listing, and files with the headers by which the client names and
checks them, range requests included. It counts what it is asked.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Hub:
    """Data sets by name, each a mapping from file names to contents."""

    def __init__(self, data_sets: Mapping[str, Mapping[str, bytes]]) -> None:
        self.data_sets = {name: dict(files) for name, files in data_sets.items()}
        self.requests: list[str] = []
        self.endpoint = ""

    def commit(self, name: str) -> str:
        """A commit hash that follows from the contents."""
        digest = hashlib.sha1(name.encode())
        for path, content in sorted(self.data_sets[name].items()):
            digest.update(path.encode() + b"\0" + content)
        return digest.hexdigest()

    def downloads(self, path: str) -> int:
        """How often a file's contents were fetched."""
        return sum(line.startswith("GET") and line.endswith("/" + path) for line in self.requests)


@contextmanager
def serve_hub(data_sets: Mapping[str, Mapping[str, bytes]]) -> Iterator[Hub]:
    """Serve data sets on a free loopback port while the block runs."""
    hub = Hub(data_sets)

    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        if path == "/":
            self._send(200, b"hub")
        elif match := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)(?:/revision/([^/]+))?", path):
            self._information(match[1])
        elif match := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/tree/([^/]+)(?:/(.*))?", path):
            self._tree(match[1], match[3] or "")
        elif match := re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._file(match[1], match[3])
        else:
            self._missing("EntryNotFound")

    def _information(self, name: str) -> None:
        if name not in self.hub.data_sets:
            self._missing("RepoNotFound")
            return
        files = self.hub.data_sets[name]
        self._send_json(
            {
                "id": name,
                "sha": self.hub.commit(name),
                "private": False,
                "gated": False,
                "disabled": False,
                "tags": [],
                "downloads": 0,
                "likes": 0,
                "siblings": [{"rfilename": path} for path in files],
            }
        )

    def _tree(self, name: str, folder: str) -> None:
        if name not in self.hub.data_sets:
            self._missing("RepoNotFound")
            return
        recursive = "recursive=true" in self.path.lower()
        entries: dict[str, dict[str, object]] = {}
        prefix = f"{folder}/" if folder else ""
        for path, content in self.hub.data_sets[name].items():
            if not path.startswith(prefix):
                continue
            inside = path[len(prefix) :]
            parts = inside.split("/")
            for depth in range(1, len(parts)):
                if depth == 1 or recursive:
                    directory = prefix + "/".join(parts[:depth])
                    entries[directory] = {
                        "type": "directory",
                        "path": directory,
                        "oid": _oid(directory.encode()),
                        "size": 0,
                    }
            if len(parts) == 1 or recursive:
                entries[path] = {
                    "type": "file",
                    "path": path,
                    "oid": _oid(content),
                    "size": len(content),
                }
        if folder and not entries:
            self._missing("EntryNotFound")
            return
        self._send_json(list(entries.values()))

    def _file(self, name: str, path: str) -> None:
        if name not in self.hub.data_sets:
            self._missing("RepoNotFound")
            return
        commit = self.hub.commit(name)
        content = self.hub.data_sets[name].get(path)
        if content is None:
            self._missing("EntryNotFound", {"X-Repo-Commit": commit})
            return
        headers = {
            "X-Repo-Commit": commit,
            "ETag": f'"{_oid(content)}"',
            "Accept-Ranges": "bytes",
        }
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted:
            start = int(wanted[1])
            end = min(int(wanted[2]) if wanted[2] else len(content) - 1, len(content) - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            self._send(206, content[start : end + 1], headers)
        else:
            self._send(200, content, headers)

    def _missing(self, code: str, headers: Mapping[str, str] | None = None) -> None:
        self._send(404, b'{"error":"not found"}', {"X-Error-Code": code, **(headers or {})})

    def _send_json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@contextmanager
def silent_server() -> Iterator[tuple[str, list[str]]]:
    """An endpoint that accepts connections and never answers; yields it and its visitors."""
    visitors: list[str] = []
    held: list[socket.socket] = []
    stopping = threading.Event()

    def accept(listener: socket.socket) -> None:
        while not stopping.is_set():
            connection, address = listener.accept()
            held.append(connection)
            visitors.append(str(address))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, args=(listener,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", visitors
        finally:
            stopping.set()
            with socket.create_connection(listener.getsockname()):
                thread.join()  # the last visitor is us, to wake it
            for connection in held:
                connection.close()


def closed_endpoint() -> str:
    """An endpoint at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"
