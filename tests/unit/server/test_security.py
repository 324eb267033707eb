"""Hosts, origins and keys: who is let through, and who is not."""

from __future__ import annotations

import asyncio

import pytest

from slm.errors import UsageError
from slm.server.security import HEADERS, Guard, checked_name, checked_origin, is_known_host

NAMES = {"localhost", "story.local"}


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8000", "localhost.", "127.0.0.1", "127.0.0.1:80", "[::1]:8000"]
    + ["192.168.1.5:8000", "story.local", "story.local:1"],
)
def test_addresses_and_known_names_are_let_through(host):
    assert is_known_host(host, NAMES)


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example"]
    + ["localhost:x", "localhost:123456", "user@localhost", "::1", "[::1", "[evil]", " localhost"]
    + ["localhost/", "localhost:80:80", "2130706433", "0x7f.1", "127.1", "[127.0.0.1]x"],
)
def test_other_hosts_are_not(host):
    assert not is_known_host(host, NAMES)


def ask(headers, *, path="/v1/models", key=None, open_paths=()):
    """The status that a guarded application answers, and its headers."""
    sent = []

    async def app(scope, receive, send):
        start = {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"cache-control", b"x")],
        }
        await send(start)
        await send({"type": "http.response.body", "body": b""})

    async def send(message):
        sent.append(message)

    guard = Guard(app, names=["story.local"], api_key=key, open_paths=open_paths)
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(guard(scope, None, send))
    answered = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered


@pytest.mark.parametrize(
    ("typed", "origin"),
    [
        ("https://example.com", "https://example.com"),
        ("HTTPS://Example.COM/", "https://example.com"),
        ("https://example.com:443", "https://example.com"),
        ("http://example.com:80", "http://example.com"),
        ("http://example.com:443", "http://example.com:443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("https://xn--gre-6ka8i.example", "https://xn--gre-6ka8i.example"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ("app://obsidian.md", "app://obsidian.md"),
    ],
)
def test_origins_are_taken_as_browsers_send_them(typed, origin):
    assert checked_origin(typed) == origin


@pytest.mark.parametrize(
    "typed",
    ["*", "null", "", "example.com", "https://", "https://*.example.com", "file://"]
    + ["https://example.com/app", "https://me@example.com", "https://example.com:x", "https://a b"]
    + ["https://example.com:99999", "https://größe.example"],
)
def test_what_is_not_an_origin_is_refused(typed):
    with pytest.raises(UsageError) as error:
        checked_origin(typed)
    assert "--allow-origin https://example.com" in error.value.hint


def test_host_names_are_taken_as_they_are_typed():
    for typed in ("my-laptop.local", "My-Laptop.local.", "my-laptop.local:8000"):
        assert checked_name(typed) == "my-laptop.local"
    for typed in ("", "http://my-laptop.local", "a/b", "a b"):
        with pytest.raises(UsageError):
            checked_name(typed)


LOCAL = {"host": "127.0.0.1:8000"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "evil.example"}, 421),
        ({"origin": "http://127.0.0.1:8000"}, 200),
        ({"origin": "https://127.0.0.1:8000"}, 200),
        ({"origin": "http://127.0.0.1:8001"}, 403),
        ({"origin": "http://127.0.0.1"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"host": "evil.example", "origin": "http://evil.example"}, 421),
        ({"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, 200),
        ({"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, 200),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 200),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_pages_of_others_are_refused(headers, status):
    found, answered = ask({**LOCAL, **headers})
    assert found == status
    assert not [name for name in answered if name.startswith("access-control")]
    assert {name.lower() for name in HEADERS} <= answered.keys()


def test_headers_that_are_set_already_stay():
    assert ask(LOCAL)[1]["cache-control"] == "x"


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("Bearer right-key", 200),
        ("bearer  right-key ", 200),
        ("Bearer wrong-key", 401),
        ("Bearer right-ke", 401),
        ("Bearer right-key2", 401),
        ("Bearer", 401),
        ("Bearer ", 401),
        ("right-key", 401),
        ("Basic right-key", 401),
        ("", 401),
    ],
)
def test_the_key_must_be_right(authorization, status):
    headers = {**LOCAL, "authorization": authorization}
    found, answered = ask(headers, key="right-key")
    assert found == status
    assert ("www-authenticate" in answered) == (status == 401)


def test_without_the_header_only_open_paths_are_answered():
    for path, status in (("/healthz", 200), ("/healthz/", 401), ("/v1/models", 401), ("/no", 401)):
        assert ask(LOCAL, path=path, key="right-key", open_paths=["/healthz"])[0] == status
    assert ask({"host": "evil.example"}, path="/healthz", open_paths=["/healthz"])[0] == 421


def test_a_key_may_end_with_a_byte_that_looks_like_a_space():
    for key in ("voilà", "x" * 8 + "\u0085", "x" * 8 + "\u3000"):
        assert ask({**LOCAL, "authorization": f"Bearer {key}"}, key=key)[0] == 200


def test_an_unexpected_error_has_the_headers_of_every_response():
    sent = []

    async def app(scope, receive, send):
        raise RuntimeError("a bug")

    async def send(message):
        sent.append(message)

    guard = Guard(app, origins=["https://a.example"])
    headers = [(b"host", b"localhost"), (b"origin", b"https://a.example")]
    scope = {"type": "http", "method": "GET", "path": "/v1/models", "headers": headers}
    with pytest.raises(RuntimeError, match="a bug"):
        asyncio.run(guard(scope, None, send))
    start, body = sent
    answered = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    assert start["status"] == 500
    assert answered["access-control-allow-origin"] == "https://a.example"
    assert {name.lower() for name in HEADERS} <= answered.keys()
    assert b"internal server error" in body["body"]


def test_an_error_in_the_middle_of_a_response_adds_nothing():
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("a bug")

    async def send(message):
        sent.append(message["type"])

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"localhost")]}
    with pytest.raises(RuntimeError):
        asyncio.run(Guard(app)(scope, None, send))
    assert sent == ["http.response.start"]


def test_a_key_beyond_ascii():
    assert ask({**LOCAL, "authorization": "Bearer schlüssel"}, key="schlüssel")[0] == 200
    assert ask({**LOCAL, "authorization": "Bearer schlussel"}, key="schlüssel")[0] == 401
