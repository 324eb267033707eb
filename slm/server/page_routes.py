"""Serves the web page: a fixed set of files, read once; no path from a request is opened."""

from __future__ import annotations

import hashlib
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

INDEX = "index.html"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
"""What the page may load and run: its own files only, so text cannot inject scripts."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",  # revalidate; an unchanged file is answered with 304
}


class _File:
    """A file of the page, served from memory."""

    def __init__(self, content: bytes, media_type: str) -> None:
        self.content = content
        self.headers = {
            **HEADERS,
            "Content-Type": media_type,
            "ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"',
        }

    async def answer(self, request: Request) -> Response:
        known_tags = request.headers.get("if-none-match", "")
        if self.headers["ETag"] in known_tags:
            return Response(status_code=304, headers=self.headers)
        return Response(self.content, headers=self.headers)


def page_routes() -> list[Route]:
    """Routes for `/` and `/page/NAME`, one per file; no other path under `/page/` exists."""
    routes = []
    for name, content in sorted(page_files().items()):
        suffix = name[name.rindex(".") :]
        path = "/" if name == INDEX else f"/page/{name}"
        routes.append(Route(path, _File(content, MEDIA_TYPES[suffix]).answer, name=f"page {name}"))
    return routes


def page_files() -> dict[str, bytes]:
    """The name and content of every installed file of the page."""
    folder = resources.files("slm.server").joinpath("page")
    return {
        entry.name: entry.read_bytes()
        for entry in folder.iterdir()
        if entry.is_file() and entry.name.endswith(tuple(MEDIA_TYPES))
    }
