from __future__ import annotations

import re
from pathlib import Path

import pytest

from slm.server.page_routes import page_files, page_routes

ROOT = Path(__file__).parents[3]


@pytest.fixture
def client(client_of):
    return client_of(page_routes())


def test_the_page_and_all_that_it_asks_for(client):
    seen, waiting = set(), ["/"]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        response = client.get(path)
        assert response.status_code == 200, path
        text = response.text
        waiting += re.findall(r'(?:href|src)="(/[^"#]+)"', text)
        waiting += [f"/page/{name}" for name in re.findall(r'from "\./([\w.]+)"', text)]
    names = {path.removeprefix("/page/") for path in seen} - {"/"}
    assert names == page_files().keys() - {"index.html"}  # and no file is there for nothing


def test_nothing_comes_from_elsewhere():
    known = {"http://www.w3.org/2000/svg"}  # a name, not an address
    for name, content in page_files().items():
        text = content.decode("utf-8")
        assert set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*", text)) <= known, name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)


def test_headers(client):
    for path in ("/", "/page/main.js", "/page/base.css", "/page/icon.svg"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
    assert client.get("/").headers["content-type"] == "text/html; charset=utf-8"
    assert client.get("/page/main.js").headers["content-type"].startswith("text/javascript")


def test_what_is_known_is_not_sent_again(client):
    tag = client.get("/page/main.js").headers["etag"]

    response = client.get("/page/main.js", headers={"If-None-Match": tag})
    assert response.status_code == 304
    assert response.content == b""
    assert client.get("/page/main.js", headers={"If-None-Match": '"x"'}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/page/", "/page/index.html", "/page/../page_routes.py", "/page/%2e%2e/__init__.py"]
)
def test_nothing_else_is_there(client, path):
    assert client.get(path).status_code == 404
    assert client.post("/").status_code == 405


def test_the_files_are_packaged():
    """Every file of the folder matches what pyproject.toml packs."""
    import tomllib

    packed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = packed["package-data"]["slm"]
    folder = ROOT / "slm" / "server" / "page"
    found = {path for pattern in patterns for path in (ROOT / "slm").glob(pattern)}
    assert set(folder.iterdir()) <= found
