"""The application behind a real socket, on slots without a model: paths, refusals, streams."""

from __future__ import annotations

import json
import select
import socket
import time

import httpx2
import pytest
import torch

from tests.servers import running
from tests.unit.server.fakes import FakeSlots


@pytest.fixture(scope="module")
def server():
    with running(FakeSlots(4), queue=4, body_bytes=4096, max_tokens=100) as found:
        yield found


@pytest.fixture(scope="module")
def http(server):
    with httpx2.Client(base_url=server.address, trust_env=False) as client:
        yield client


def post(http, path="/v1/completions", **fields):
    return http.post(path, json={"prompt": "Once", "seed": 1, **fields})


def events(response):
    lines = [line for line in response.text.split("\n\n") if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line[6:]) for line in lines[:-1]]


def problem(response, status, param=None):
    assert response.status_code == status
    error = response.json()["error"]
    assert error["param"] == param
    assert error.keys() == {"message", "type", "param", "code"}
    return error


def test_models(http):
    (card,) = http.get("/v1/models").json()["data"]
    assert card["id"] == "tiny"
    assert http.get("/v1/models/tiny").json() == card
    assert problem(http.get("/v1/models/other"), 404, "model")["code"] == "model_not_found"


def test_health_and_metrics(http):
    assert http.get("/healthz").json() == {"status": "ok", "model": "tiny"}
    requests = 'slm_requests_total{model="tiny",path="/v1/completions",status="200"}'
    tokens = 'slm_new_tokens_total{model="tiny"}'
    before = number(http, requests), number(http, tokens)
    answer = post(http).json()
    assert number(http, requests) == before[0] + 1
    assert number(http, tokens) == before[1] + answer["usage"]["completion_tokens"]
    assert number(http, 'slm_slots{model="tiny"}') == 4
    http.get("/no/such/path")
    assert number(http, 'slm_requests_total{model="",path="other",status="404"}') >= 1


def number(http, name):
    for line in http.get("/metrics").text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.rpartition(" ")[2])
    return 0.0


def test_streams_add_up_to_the_whole(http):
    asked = {"max_tokens": 30, "n": 3, "echo": True, "logprobs": 2, "stop": ["e", "\n"]}
    whole = post(http, **asked).json()
    found = events(post(http, stream=True, stream_options={"include_usage": True}, **asked))
    assert found[-1]["choices"] == []
    assert found[-1]["usage"] == whole["usage"]
    for choice in whole["choices"]:
        mine = [e["choices"][0] for e in found[:-1] if e["choices"][0]["index"] == choice["index"]]
        assert "".join(part["text"] for part in mine) == choice["text"]
        tokens = [t for part in mine for t in part["logprobs"]["tokens"]]
        assert tokens == choice["logprobs"]["tokens"]
        assert mine[-1]["finish_reason"] == choice["finish_reason"]
        assert choice["text"].startswith("Once")


def test_a_chat_is_a_completion_of_its_text(http):
    plain = post(http, max_tokens=20).json()["choices"][0]
    asked = {
        "messages": [{"role": "user", "content": "On"}, {"role": "assistant", "content": "ce"}],
        "max_tokens": 20,
        "seed": 1,
    }
    chat = http.post("/v1/chat/completions", json=asked).json()["choices"][0]
    assert chat["message"]["content"] == plain["text"]
    found = events(http.post("/v1/chat/completions", json={**asked, "stream": True}))
    deltas = [event["choices"][0]["delta"]["content"] or "" for event in found]
    assert "".join(deltas) == plain["text"]


def test_answers_are_utf8_whatever_the_model_says(http):
    for seed in range(20):
        response = post(http, max_tokens=60, seed=seed, temperature=2, stream=True, logprobs=1)
        response.content.decode("utf-8")
        events(response)


def test_bodies_that_are_not_taken(http):
    url = "/v1/completions"
    for kind in ("text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"):
        response = http.post(url, content=b'{"prompt": "a"}', headers={"content-type": kind})
        problem(response, 415)
    utf16 = {"content-type": "application/json; charset=utf-16"}
    problem(http.post(url, content=b"{}", headers=utf16), 415)
    problem(post(http, user="x" * 5000), 413)
    chunks = (b"x" * 1000 for _ in range(9))
    problem(http.post(url, content=chunks, headers={"content-type": "application/json"}), 413)
    problem(http.post(url, content=b"{", headers={"content-type": "application/json"}), 400)
    assert "Retry-After" not in post(http, n=0).headers
    problem(post(http, n=0), 400, "n")


def test_all_bodies_together_have_a_largest_size():
    with running(FakeSlots(1), all_bodies_bytes=100_000) as server:
        held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
        for connection in held:
            connection.sendall(raw_request({"prompt": "", "user": "x" * 40_000})[:-1])
        answered, _, _ = select.select(held, [], [], 10)
        assert [connection.recv(13) for connection in answered] == [b"HTTP/1.1 503 "]
        for connection in held:
            connection.close()
        with httpx2.Client(base_url=server.address, trust_env=False) as client:
            assert post(client, user="x" * 90_000).status_code == 200


def test_paths_and_methods_that_are_not_there(http):
    problem(http.get("/nothing"), 404)
    problem(http.get("/v1/models/"), 404)
    problem(http.get("/v1/../etc/passwd"), 404)
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
        response = http.request(method, "/v1/completions")
        problem(response, 405)
        assert response.headers["allow"] == "POST"
    assert "access-control-allow-origin" not in response.headers


def test_other_hosts_and_origins(http):
    problem(http.get("/healthz", headers={"host": "evil.example"}), 421, "Host")
    problem(http.get("/v1/models", headers={"origin": "http://evil.example"}), 403, "Origin")


def test_what_is_no_http_is_answered_as_a_problem(server):
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["error"]["type"] == "invalid_request_error"


def test_a_failing_model_is_a_500_and_ends_a_stream(http):
    slots = FakeSlots(2)

    def fail(call):
        if call.startswith("advance") and len(slots.calls) > 3:
            raise RuntimeError("secret detail")

    slots.fail = fail
    with (
        running(slots) as server,
        httpx2.Client(base_url=server.address, trust_env=False) as client,
    ):
        response = post(client, max_tokens=50, temperature=0, stream=True)
        lines = [line for line in response.text.split("\n\n") if line]
        assert json.loads(lines[-1][6:])["error"]["code"] == "model_failed"
        response = post(client, max_tokens=50)
        assert problem(response, 500)["type"] == "server_error"
        assert "secret" not in response.text


def test_full_means_429_at_once():
    slots = SlowSlots(1)
    with (
        running(slots, queue=0) as server,
        httpx2.Client(base_url=server.address, trust_env=False) as client,
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
        running(SlowSlots(1), queue=5, queue_seconds=0.05) as server,
        httpx2.Client(base_url=server.address, trust_env=False) as client,
        client.stream("POST", "/v1/completions", json=ENDLESS) as stream,
    ):
        lines = stream.iter_lines()  # kept, as the connection ends with it
        next(lines)
        for kind in ({"stream": True}, {}):
            refused = post(client, **kind)
            assert problem(refused, 503)["code"] == "busy"
            assert int(refused.headers["retry-after"]) >= 1


def test_a_client_that_goes_away_frees_its_slot():
    slots = SlowSlots(2)
    with running(slots) as server:
        for kind in (ENDLESS, {**ENDLESS, "stream": False}):
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.sendall(raw_request(kind))
                wait_until(lambda: server.scheduler.busy_slots == 1)
            wait_until(lambda: server.scheduler.busy_slots == 0)
        assert server.scheduler.counts.cancelled == 2
        assert slots.texts == {}


def test_draining_finishes_what_has_begun():
    with (
        running(SlowSlots(1)) as server,
        httpx2.Client(base_url=server.address, trust_env=False) as client,
        client.stream("POST", "/v1/completions", json={**ENDLESS, "max_tokens": 100}) as stream,
    ):
        lines = stream.iter_lines()
        next(lines)
        server.drain()
        rest = [line for line in lines if line]
        assert rest[-1] == "data: [DONE]"
        assert json.loads(rest[-2][6:])["choices"][0]["finish_reason"] == "length"
        server.thread.join(120)
        with pytest.raises(OSError, match=r"."):
            socket.create_connection(("127.0.0.1", server.port)).close()


def test_draining_has_an_end():
    with (
        running(SlowSlots(1, seconds=0.02), drain_seconds=0.2) as server,
        httpx2.Client(base_url=server.address, trust_env=False) as client,
        client.stream("POST", "/v1/completions", json={**ENDLESS, "max_tokens": 2048}) as stream,
    ):
        lines = stream.iter_lines()
        next(lines)
        server.drain()
        rest = [line for line in lines if line]
        assert rest[-1] == "data: [DONE]"
        assert json.loads(rest[-2][6:])["choices"][0]["finish_reason"] == "length"
        server.thread.join(120)
        assert not server.thread.is_alive()


def test_slow_heads_and_bodies_are_closed():
    with running(FakeSlots(1), header_seconds=0.2, body_seconds=0.2) as server:
        head = raw_request(ENDLESS)
        for sent in (b"", b"POST /v1/comp", head[:-5]):
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.settimeout(120)
                connection.sendall(sent)
                answer = connection.makefile("rb").read()
            assert answer.startswith(b"HTTP/1.1 408 ") if b"\r\n\r\n" in sent else answer == b""
        # A byte now and then keeps nothing open, not even after an answer.
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.settimeout(120)
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"200 OK" in connection.recv(10_000)
            with pytest.raises(OSError, match=r"."):
                for _ in range(400):
                    connection.sendall(b"G")
                    time.sleep(0.02)
        wait_until(lambda: not server.server.server_state.connections)


def test_unread_answers_are_dropped():
    slots = FakeSlots(1)
    always = slots.logits_of([1]).masked_fill(torch.arange(260) == 256, -1e9)
    slots.logits_of = lambda ids: always
    with (
        running(slots, stall_seconds=0.2, max_tokens=2**20, told=2**30, send_buffer=4096) as server,
        socket.socket() as connection,
    ):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(raw_request({**ENDLESS, "max_tokens": 2**20, "logprobs": 20}))
        wait_until(lambda: server.scheduler.counts.cancelled == 1)
        wait_until(lambda: slots.texts == {})


def test_more_connections_than_allowed_are_told_so():
    with running(FakeSlots(1), connections=3) as server:
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
        wait_until(lambda: len(server.server.server_state.connections) == 3)
        with httpx2.Client(base_url=server.address, trust_env=False) as client:
            refused = client.get("/healthz")
            assert problem(refused, 503)["code"] == "busy"
            assert int(refused.headers["retry-after"]) >= 1
        for connection in idle:
            connection.close()
        wait_until(lambda: not server.server.server_state.connections)
        with httpx2.Client(base_url=server.address, trust_env=False) as client:
            assert client.get("/healthz").status_code == 200


def test_a_key_guards_all_but_the_health():
    with (
        running(FakeSlots(1), api_key="a-long-key") as server,
        httpx2.Client(base_url=server.address, trust_env=False) as client,
    ):
        assert client.get("/healthz").status_code == 200
        for path in ("/v1/models", "/metrics", "/openapi.json", "/nothing"):
            problem(client.get(path), 401, "Authorization")
        problem(post(client), 401, "Authorization")
        client.headers["authorization"] = "Bearer a-long-key"
        assert post(client).status_code == 200


ENDLESS = {"prompt": "Once", "stream": True, "max_tokens": 2048, "temperature": 0}


class SlowSlots(FakeSlots):
    """Texts that never end by themselves, and take a moment for each token."""

    def __init__(self, n_slots, seconds=0.002):
        super().__init__(n_slots)
        self.seconds = seconds
        whole = self.logits_of

        def never_ending(ids):
            logits = whole(ids)
            logits[256] = -1e9
            return logits

        self.logits_of = never_ending

    def advance(self, slots, ids):
        time.sleep(self.seconds)
        return super().advance(slots, ids)


def raw_request(fields):
    body = json.dumps(fields).encode()
    return (
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    ) + body


def wait_until(condition, seconds=10.0):
    """Wait for what another thread does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.005)
