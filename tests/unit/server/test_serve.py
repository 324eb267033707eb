"""Sockets: where a server may listen, and how many files it may open."""

from __future__ import annotations

import socket

import pytest

from slm.errors import ConfigError, UsageError
from slm.server.limits import Limits
from slm.server.serve import address_of, allow_open_files, listen


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.5.5.5"])
def test_loopback_needs_no_key(host):
    with listen(host, 0, with_key=False) as listener:
        address = address_of(listener)
        assert address.startswith("http://127.")
        port = int(address.rpartition(":")[2])
        socket.create_connection((listener.getsockname()[0], port)).close()


def test_others_are_let_in_with_a_key_only():
    with pytest.raises(UsageError, match="without an API key"):
        listen("0.0.0.0", 0, with_key=False)
    listen("0.0.0.0", 0, with_key=True).close()


def test_tokens_are_sent_at_once():
    with listen("127.0.0.1", 0, with_key=False) as listener:
        assert listener.proto == socket.IPPROTO_TCP  # else asyncio leaves Nagle's algorithm on


@pytest.mark.parametrize("host", ["", "no.such.host.invalid", "999.1.1.1", "x" * 300, "a\0b"])
def test_addresses_that_are_not_there(host):
    with pytest.raises(UsageError, match="unknown host|cannot listen"):
        listen(host, 0, with_key=True)


def test_a_port_that_is_taken():
    with listen("127.0.0.1", 0, with_key=False) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port}") as error:
            listen("127.0.0.1", port, with_key=False)
        assert "--port" in error.value.hint


@pytest.mark.parametrize("port", [-1, 65536, 10**9])
def test_ports_that_no_system_has(port):
    with pytest.raises(UsageError, match=f"{port}"):
        listen("127.0.0.1", port, with_key=False)


def test_connections_fit_the_open_files(monkeypatch):
    resource = pytest.importorskip("resource")
    asked = []
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, 1024))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, both: asked.append(both))
    assert allow_open_files(Limits(connections=2048)).connections == 480
    assert allow_open_files(Limits(connections=300)).connections == 300
    assert allow_open_files(Limits(connections=10)).connections == 10
    assert asked == [(1024, 1024), (664, 1024)]
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (resource.RLIM_INFINITY,) * 2)
    assert allow_open_files(Limits(connections=2048)).connections == 2048


def test_limits_are_checked():
    with pytest.raises(ConfigError, match="slots"):
        Limits(slots=0)
    with pytest.raises(ConfigError, match="queue_seconds"):
        Limits(queue_seconds=0)
