"""What the application refuses, cuts and ends: too many requests, slow clients, draining."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import Mock

import pytest
import torch

from slm.server.http_protocol import protocol_with
from slm.server.limits import Limits
from tests.servers import PATIENCE_SECONDS, running
from tests.unit.server.fakes import FakeEngine, never_ending, post, problem, wait_until

ENDLESS = {"prompt": "Once", "stream": True, "max_tokens": 2048, "temperature": 0}


class SlowEngine(FakeEngine):
    """Texts that never end by themselves, and take a moment for each token."""

    def __init__(self, n_slots, seconds=0.02):
        super().__init__(n_slots)
        self.seconds = seconds
        never_ending(self)

    def decode(self, slots, ids):
        time.sleep(self.seconds)
        return super().decode(slots, ids)


def raw_request(fields):
    body = json.dumps(fields).encode()
    return (
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    ) + body


def test_full_means_429_at_once():
    engine = SlowEngine(1)
    with (
        running(engine, queue=0) as server,
        server.client() as client,
        client.stream("POST", "/v1/completions", json=ENDLESS) as stream,
    ):
        lines = stream.iter_lines()  # kept, as the connection ends with it
        next(lines)
        refused = post(client)
        assert problem(refused, 429)["code"] == "busy"
        assert int(refused.headers["retry-after"]) >= 1
        stream.close()
        wait_until(lambda: server.scheduler.busy_slots == 0)
        assert post(client).status_code == 200


def test_waiting_too_long_means_503():
    with (
        running(SlowEngine(1), queue=5, queue_seconds=1.0) as server,
        server.client() as client,
        client.stream("POST", "/v1/completions", json=ENDLESS) as stream,
        ThreadPoolExecutor(2) as askers,
    ):
        lines = stream.iter_lines()  # kept, as the connection ends with it
        next(lines)
        for refused in askers.map(lambda kind: post(client, **kind), ({"stream": True}, {})):
            assert problem(refused, 503)["code"] == "busy"
            assert int(refused.headers["retry-after"]) >= 1


def test_a_client_that_goes_away_frees_its_slot():
    engine = SlowEngine(2)
    with running(engine) as server:
        for kind in (ENDLESS, {**ENDLESS, "stream": False}):
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.sendall(raw_request(kind))
                wait_until(lambda: server.scheduler.busy_slots == 1)
            wait_until(lambda: server.scheduler.busy_slots == 0)
        assert server.scheduler.counts.cancelled == 2
        wait_until(lambda: engine.texts == {})  # freed a moment after the slot


def drain(server, stream):
    """Drain a server in the middle of a stream, which it finishes, and wait for its end."""
    lines = stream.iter_lines()
    next(lines)
    server.drain()
    rest = [line for line in lines if line]
    assert rest[-1] == "data: [DONE]"
    assert json.loads(rest[-2][6:])["choices"][0]["finish_reason"] == "length"
    server.thread.join(PATIENCE_SECONDS)


def test_draining_finishes_what_has_begun():
    with (
        running(SlowEngine(1, seconds=0.002)) as server,
        server.client() as client,
        client.stream("POST", "/v1/completions", json={**ENDLESS, "max_tokens": 100}) as stream,
    ):
        drain(server, stream)
        with pytest.raises(OSError, match=r"."):
            socket.create_connection(("127.0.0.1", server.port)).close()


def test_draining_has_an_end():
    with (
        running(SlowEngine(1), drain_seconds=0.2) as server,
        server.client() as client,
        client.stream("POST", "/v1/completions", json={**ENDLESS, "max_tokens": 2048}) as stream,
    ):
        drain(server, stream)
        assert not server.thread.is_alive()


@pytest.mark.slow
def test_slow_heads_and_bodies_are_closed():
    # A second, so that what is sent at once comes in time on a busy machine, too.
    with (
        running(FakeEngine(1), header_seconds=1.0, body_seconds=1.0) as server,
        contextlib.ExitStack() as connections,
    ):

        def connection_with(sent):
            connection = socket.create_connection(("127.0.0.1", server.port), PATIENCE_SECONDS)
            connection.sendall(sent)
            return connections.enter_context(connection)

        parts = (b"", b"POST /v1/comp", raw_request(ENDLESS)[:-5])
        for sent, connection in [(part, connection_with(part)) for part in parts]:
            answer = connection.makefile("rb").read()
            assert answer.startswith(b"HTTP/1.1 408 ") if b"\r\n\r\n" in sent else answer == b""
        # A byte now and then keeps nothing open, not even after an answer.
        connection = connection_with(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in connection.recv(10_000)
        with pytest.raises(OSError, match=r"."):
            for _ in range(int(PATIENCE_SECONDS / 0.02)):
                connection.sendall(b"G")
                time.sleep(0.02)
        wait_until(lambda: not server.server.server_state.connections)


def test_unread_answers_are_dropped():
    engine = FakeEngine(1)
    always = engine.logits_of([1]).masked_fill(torch.arange(260) == 256, -1e9)
    engine.logits_of = lambda ids: always
    with (
        running(
            engine, stall_seconds=0.2, max_tokens=2**20, max_response_tokens=2**30, send_buffer=4096
        ) as server,
        socket.socket() as connection,
    ):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(raw_request({**ENDLESS, "max_tokens": 2**20, "logprobs": 20}))
        wait_until(lambda: server.scheduler.counts.cancelled == 1)
        wait_until(lambda: engine.texts == {})


@pytest.mark.parametrize(("unread", "cut_off"), [(0, False), (900_000, False), (999_999, True)])
def test_a_client_that_reads_slowly_may_go_on(unread: int, cut_off: bool) -> None:
    kind: Any = protocol_with(Limits(stall_seconds=20.0))
    protocol, transport, loop = kind.__new__(kind), Mock(), Mock()
    protocol.transport, protocol.loop = transport, loop
    transport.get_write_buffer_size.return_value = 1_000_000
    protocol._watch_reading()
    transport.get_write_buffer_size.return_value = unread
    (seconds, judge), _ = loop.call_later.call_args
    assert seconds == 20.0
    judge()
    assert (transport.abort.call_count, loop.call_later.call_count) == (
        (1, 1) if cut_off else (0, 2)
    )


def test_more_connections_than_allowed_are_told_so():
    with running(FakeEngine(1), connections=3, header_seconds=600.0) as server:
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
        wait_until(lambda: len(server.server.server_state.connections) == 3)
        with server.client() as client:
            refused = client.get("/healthz")
            assert problem(refused, 503)["code"] == "busy"
            assert int(refused.headers["retry-after"]) >= 1
        for connection in idle:
            connection.close()
        wait_until(lambda: not server.server.server_state.connections)
        with server.client() as client:
            assert client.get("/healthz").status_code == 200


def test_all_bodies_together_have_a_largest_size():
    with running(FakeEngine(1), all_bodies_bytes=100_000, body_seconds=600.0) as server:
        held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
        for connection in held:
            connection.sendall(raw_request({"prompt": "", "user": "x" * 40_000})[:-1])
        answered, _, _ = select.select(held, [], [], PATIENCE_SECONDS)
        assert [connection.recv(13) for connection in answered] == [b"HTTP/1.1 503 "]
        for connection in held:
            connection.close()
        with server.client() as client:
            assert post(client, user="x" * 90_000).status_code == 200
