"""A loopback server that speaks as much of the Hugging Face Hub's protocol as we need.

Repository information, the tree listing, and files with the headers by which the client names and
checks them, range requests included. For models also the making of a repository and the upload of a
commit, whose weights go through the LFS protocol. It counts what it is asked.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

Repositories = Mapping[str, Mapping[str, bytes]]
TOKEN = "hf_loopbackTokenThatNobodyMaySee"
"""The one that may write."""


class Hub:
    """Datasets and models by name, each a mapping from file names to contents.

    A model `owner/name@revision` is another revision of `owner/name`.
    """

    def __init__(self, data_sets: Repositories, models: Repositories | None = None) -> None:
        self.data_sets = {name: dict(files) for name, files in data_sets.items()}
        self.models = {name: dict(files) for name, files in (models or {}).items()}
        self.private: set[str] = set()
        self.commits: list[str] = []
        """Summaries of what was uploaded."""
        self.uploads: dict[str, bytes] = {}
        """Contents of large files by their SHA-256."""
        self.requests: list[str] = []
        self.endpoint = ""

    def commit(self, name: str) -> str:
        """A commit hash that follows from the contents."""
        digest = hashlib.sha1(name.encode())
        files = self.data_sets[name] if name in self.data_sets else self.models[name]
        for path, content in sorted(files.items()):
            digest.update(path.encode() + b"\0" + content)
        return digest.hexdigest()

    def at(self, name: str, revision: str | None) -> str | None:
        """The key of a model at a branch, tag or commit; None: it has no such revision."""
        for key in self.models:
            repository, _, tag = key.partition("@")
            if repository == name and revision in (tag or "main", self.commit(key)):
                return key
        return name if revision is None else None

    def downloads(self, path: str) -> int:
        """How often a file's contents were fetched."""
        return sum(line.startswith("GET") and line.endswith("/" + path) for line in self.requests)


@contextmanager
def serve_hub(data_sets: Repositories, models: Repositories | None = None) -> Iterator[Hub]:
    """Serve datasets and models on a free loopback port while the block runs."""
    hub = Hub(data_sets, models)

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
        body = self._body()
        path = unquote(urlsplit(self.path).path)
        if path.startswith("/api/datasets/"):
            self._answer()
            return
        self.hub.requests.append(f"POST {path}")
        if path == "/api/validate-yaml":
            self._send_json({"errors": [], "warnings": []})
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._send(401, b'{"error":"Invalid credentials"}')
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/main", path):
            self._send_json({"files": [_upload_mode(file) for file in json.loads(body)["files"]]})
        elif match := re.fullmatch(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            self._send_json({"objects": [self._lfs(file) for file in json.loads(body)["objects"]]})
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path):
            self._commit(match[1], [json.loads(line) for line in body.splitlines()])
        else:
            self._missing("EntryNotFound")

    def do_PUT(self) -> None:
        content = self._body()
        self.hub.uploads[hashlib.sha256(content).hexdigest()] = content
        self._send(200, b"")

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _create(self, wanted: dict[str, str]) -> None:
        name = f"{wanted['organization']}/{wanted['name']}"
        url = json.dumps({"url": f"{self.hub.endpoint}/{name}"}).encode()
        if name in self.hub.models:
            self._send(409, url)
            return
        self.hub.models[name] = {}
        if wanted.get("visibility") == "private":
            self.hub.private.add(name)
        self._send(200, url, {"Content-Type": "application/json"})

    def _lfs(self, file: dict[str, object]) -> dict[str, object]:
        upload = {"href": f"{self.hub.endpoint}/upload/{file['oid']}"}
        return {**file, "actions": {"upload": upload}}

    def _commit(self, name: str, lines: list[dict[str, dict[str, str]]]) -> None:
        for line in lines:
            value = line["value"]
            if "summary" in value:
                self.hub.commits.append(value["summary"])
            elif "content" in value:
                self.hub.models[name][value["path"]] = base64.b64decode(value["content"])
            else:
                self.hub.models[name][value["path"]] = self.hub.uploads[value["oid"]]
        commit = self.hub.commit(name)
        url = f"{self.hub.endpoint}/{name}/commit/{commit}"
        self._send_json({"success": True, "commitOid": commit, "commitUrl": url})

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        if path == "/":
            self._send(200, b"hub")
        elif match := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)(?:/revision/([^/]+))?", path):
            self._information(self.hub.data_sets, match[1])
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?", path):
            if (key := self._model(match[1], match[2])) is not None:
                self._information(self.hub.models, key)
        elif match := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/tree/([^/]+)(?:/(.*))?", path):
            self._tree(match[1], match[3] or "")
        elif match := re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._file(self.hub.data_sets, match[1], match[3])
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            if (key := self._model(match[1], match[2])) is not None:
                self._file(self.hub.models, key, match[3])
        else:
            self._missing("EntryNotFound")

    def _model(self, name: str, revision: str | None) -> str | None:
        """The key of a model at a revision; where it lacks it, that is the answer."""
        key = self.hub.at(name, revision) if name in self.hub.models else name
        if key is None:
            self._missing("RevisionNotFound")
        return key

    def _information(self, repositories: Repositories, name: str) -> None:
        if name not in repositories:
            self._missing("RepoNotFound")
            return
        files = repositories[name]
        self._send_json(
            {
                "id": name.partition("@")[0],
                "sha": self.hub.commit(name),
                "private": False,
                "gated": False,
                "disabled": False,
                "tags": [],
                "downloads": 0,
                "likes": 0,
                "siblings": [
                    {"rfilename": path, "size": len(content), "blobId": _oid(content)}
                    for path, content in files.items()
                ],
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

    def _file(self, repositories: Repositories, name: str, path: str) -> None:
        if name not in repositories:
            self._missing("RepoNotFound")
            return
        commit = self.hub.commit(name)
        content = repositories[name].get(path)
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


def _upload_mode(file: Mapping[str, str]) -> dict[str, object]:
    mode = "lfs" if file["path"].endswith(".safetensors") else "regular"
    return {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}


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


_taken: list[socket.socket] = []
"""Ports at which nothing listens; nobody else gets them as long as this process runs."""


def closed_endpoint() -> str:
    """An endpoint at which nothing listens."""
    _taken.append(socket.socket())
    _taken[-1].bind(("127.0.0.1", 0))
    return f"http://127.0.0.1:{_taken[-1].getsockname()[1]}"
