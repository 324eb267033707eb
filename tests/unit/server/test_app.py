"""The application behind a real socket, on an engine without a model: paths, refusals, streams."""

from __future__ import annotations

import gzip
import json
import select
import socket
import time
import urllib.parse

import httpx2
import pytest
import torch

from tests.servers import running
from tests.unit.server.fakes import FakeEngine


@pytest.fixture(scope="module")
def server():
    with running(FakeEngine(4), queue=4, body_bytes=4096, max_tokens=100) as found:
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
    for name in ("other", "", "tiny/", "a/b"):
        refused = problem(http.get(f"/v1/models/{name}"), 404, "model")
        assert refused["code"] == "model_not_found"
        assert refused["message"] == f"unknown model {name!r}; served: 'tiny'"


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
    response = http.post(url, content=b"{}", headers=utf16)
    assert "UTF-8, found the charset 'utf-16'" in problem(response, 415)["message"]
    gzipped = {"content-type": "application/json", "content-encoding": "gzip"}
    response = http.post(url, content=gzip.compress(b"{}"), headers=gzipped)
    assert "found the Content-Encoding 'gzip'" in problem(response, 415)["message"]
    problem(post(http, user="x" * 5000), 413)
    chunks = (b"x" * 1000 for _ in range(9))
    problem(http.post(url, content=chunks, headers={"content-type": "application/json"}), 413)
    problem(http.post(url, content=b"{", headers={"content-type": "application/json"}), 400)
    assert "Retry-After" not in post(http, n=0).headers
    problem(post(http, n=0), 400, "n")


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "Application/JSON; charset=UTF-8",
        'application/json;charset="utf-8"',
        "application/json ; charset = utf-8",
        "application/json; charset=us-ascii",
        "application/json; profile=charset",
    ],
)
def test_json_in_utf8_is_taken_however_it_is_called(http, kind):
    response = http.post(
        "/v1/completions",
        content=b'{"prompt": "a", "max_tokens": 1}',
        headers={"content-type": kind, "content-encoding": "identity"},
    )
    assert response.status_code == 200


def test_all_bodies_together_have_a_largest_size():
    with running(FakeEngine(1), all_bodies_bytes=100_000) as server:
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
    problem(http.get("/v1/../etc/passwd"), 404)
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
        response = http.request(method, "/v1/completions")
        problem(response, 405)
        assert response.headers["allow"] == "POST"
    assert "access-control-allow-origin" not in response.headers


def test_other_hosts_and_origins(http):
    refused = problem(http.get("/healthz", headers={"host": "evil.example"}), 421, "Host")
    assert "'evil.example'" in refused["message"]
    assert "--allow-host NAME" in refused["message"]
    headers = {"origin": "http://evil.example"}
    refused = problem(http.get("/v1/models", headers=headers), 403, "Origin")
    assert "'http://evil.example'" in refused["message"]
    assert "--allow-origin ORIGIN" in refused["message"]


def test_paths_are_counted_by_their_route(http):
    label = 'slm_requests_total{model="tiny",path="/v1/models/{model}",status="200"}'
    unknown = 'slm_requests_total{model="",path="/v1/models/{model}",status="404"}'
    wrong = 'slm_requests_total{model="",path="/v1/completions",status="405"}'
    before = [number(http, name) for name in (label, unknown, wrong)]
    http.get("/v1/models/tiny")
    http.get("/v1/models/a/b")
    http.get("/v1/completions")
    after = [number(http, name) for name in (label, unknown, wrong)]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 1]


def raw_answer(server, head):
    """What is answered to the bytes of a request without a body, sent one by one."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in head:
            connection.sendall(bytes([byte]))
        return connection.makefile("rb").read()


@pytest.mark.parametrize("name", ["größe/x", "a b%2F?#", "狐/🦊"])
def test_models_with_any_name(name):
    with (
        running(FakeEngine(1), name=name) as server,
        httpx2.Client(base_url=server.address, trust_env=False) as client,
    ):
        assert [card["id"] for card in client.get("/v1/models").json()["data"]] == [name]
        quoted = (urllib.parse.quote(name, safe=""), urllib.parse.quote(name))
        for path in quoted:
            assert client.get(f"/v1/models/{path}").json()["id"] == name
        assert post(client, model=name).json()["model"] == name
        # Letters as they are, as programs send them that do not percent-encode.
        path = urllib.parse.quote(name, safe="/öß狐🦊").encode()
        head = b"GET /v1/models/%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % path
        assert json.loads(raw_answer(server, head).partition(b"\r\n\r\n")[2])["id"] == name


def test_choices_that_fail_when_their_context_is_full_end_alone():
    """Both start over in one step, and the first one's failure ends the second one's text."""
    engine = SlowEngine(2, seconds=0.0)

    def fail(call):
        if call.startswith("prefill") and len(engine.calls) > 2:
            raise RuntimeError("secret detail")

    engine.fail = fail
    asked = {"prompt": "x" * 30, "n": 2, "max_tokens": 50}
    with (
        running(engine, max_tokens=100) as server,
        httpx2.Client(base_url=server.address, trust_env=False) as client,
    ):
        assert problem(post(client, **asked), 500)["code"] == "model_failed"
        engine.fail = lambda call: None
        assert client.get("/healthz").status_code == 200
        assert len(post(client, **asked).json()["choices"]) == 2
        assert server.scheduler.counts.failed == 1


def test_a_scheduler_that_stopped_is_not_healthy():
    engine = FakeEngine(1)

    def fail(slot):
        raise RuntimeError("secret detail")

    engine.free = fail
    with (
        running(engine) as server,
        httpx2.Client(base_url=server.address, trust_env=False) as client,
    ):
        assert client.get("/healthz").status_code == 200
        assert problem(post(client, max_tokens=1), 503)["code"] == "model_failed"
        answer = client.get("/healthz")
        assert problem(answer, 503)["code"] == "model_failed"
        assert "restart the server" in answer.json()["error"]["message"]
        assert "secret" not in answer.text
        for stream in (False, True):
            assert problem(post(client, stream=stream), 503)["code"] == "model_failed"
        assert client.get("/v1/models").status_code == 200


ORIGIN = "https://pages.example"


@pytest.fixture(scope="module")
def cross_origin():
    with (
        running(FakeEngine(2), origins=[ORIGIN], api_key="a-long-key") as server,
        httpx2.Client(base_url=server.address, trust_env=False) as client,
    ):
        yield client


def test_a_page_of_an_allowed_origin_may_ask(cross_origin):
    key = {"authorization": "Bearer a-long-key"}
    site = {"origin": ORIGIN, "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}
    answer = cross_origin.post("/v1/completions", json={"prompt": "a"}, headers={**key, **site})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["vary"] == "Origin"
    # It may also read why it was refused.
    for path, headers, status in (("/v1/models", site, 401), ("/no", {**key, **site}, 404)):
        refused = cross_origin.get(path, headers=headers)
        assert refused.status_code == status
        assert refused.headers["access-control-allow-origin"] == ORIGIN


def test_a_preflight_needs_no_key(cross_origin):
    asked = {
        "origin": ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-stainless-os",
    }
    answer = cross_origin.options("/v1/chat/completions", headers=asked)
    assert answer.status_code == 204
    assert answer.content == b""
    allowed = {
        name.removeprefix("access-control-"): value
        for name, value in answer.headers.items()
        if name.startswith("access-control-")
    }
    assert allowed == {
        "allow-origin": ORIGIN,
        "allow-methods": "GET, POST",
        "allow-headers": "authorization,content-type,x-stainless-os",
        "expose-headers": "Retry-After",
        "max-age": "600",
    }
    local = {**asked, "access-control-request-private-network": "true"}
    answer = cross_origin.options("/v1/chat/completions", headers=local)
    assert answer.headers["access-control-allow-private-network"] == "true"


@pytest.mark.parametrize("origin", ["https://other.example", "http://pages.example", "null"])
def test_other_origins_stay_refused(cross_origin, origin):
    asked = {"origin": origin, "access-control-request-method": "POST"}
    for answer in (
        cross_origin.options("/v1/completions", headers=asked),
        cross_origin.get("/healthz", headers=asked),
    ):
        problem(answer, 403, "Origin")
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert answer.headers["vary"] == "Origin"
    evil = {"origin": ORIGIN, "host": "evil.example"}
    problem(cross_origin.get("/healthz", headers=evil), 421, "Host")
    pictures = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    problem(cross_origin.get("/healthz", headers=pictures), 403, "Sec-Fetch-Site")


def test_what_is_no_http_is_answered_as_a_problem(server):
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["error"]["type"] == "invalid_request_error"


def test_a_failing_model_is_a_500_and_ends_a_stream(http):
    engine = FakeEngine(2)

    def fail(call):
        if call.startswith("decode") and len(engine.calls) > 3:
            raise RuntimeError("secret detail")

    engine.fail = fail
    with (
        running(engine) as server,
        httpx2.Client(base_url=server.address, trust_env=False) as client,
    ):
        response = post(client, max_tokens=50, temperature=0, stream=True)
        lines = [line for line in response.text.split("\n\n") if line]
        assert json.loads(lines[-1][6:])["error"]["code"] == "model_failed"
        response = post(client, max_tokens=50)
        assert problem(response, 500)["type"] == "server_error"
        assert "secret" not in response.text


def test_full_means_429_at_once():
    engine = SlowEngine(1)
    with (
        running(engine, queue=0) as server,
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
        running(SlowEngine(1), queue=5, queue_seconds=0.05) as server,
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
    engine = SlowEngine(2)
    with running(engine) as server:
        for kind in (ENDLESS, {**ENDLESS, "stream": False}):
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.sendall(raw_request(kind))
                wait_until(lambda: server.scheduler.busy_slots == 1)
            wait_until(lambda: server.scheduler.busy_slots == 0)
        assert server.scheduler.counts.cancelled == 2
        assert engine.texts == {}


def test_draining_finishes_what_has_begun():
    with (
        running(SlowEngine(1)) as server,
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
        running(SlowEngine(1, seconds=0.02), drain_seconds=0.2) as server,
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


@pytest.mark.slow
def test_slow_heads_and_bodies_are_closed():
    with running(FakeEngine(1), header_seconds=0.2, body_seconds=0.2) as server:
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


def test_more_connections_than_allowed_are_told_so():
    with running(FakeEngine(1), connections=3) as server:
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
        running(FakeEngine(1), api_key="a-long-key") as server,
        httpx2.Client(base_url=server.address, trust_env=False) as client,
    ):
        assert client.get("/healthz").status_code == 200
        for path in ("/v1/models", "/metrics", "/openapi.json", "/nothing"):
            problem(client.get(path), 401, "Authorization")
        problem(post(client), 401, "Authorization")
        client.headers["authorization"] = "Bearer a-long-key"
        assert post(client).status_code == 200


ENDLESS = {"prompt": "Once", "stream": True, "max_tokens": 2048, "temperature": 0}


class SlowEngine(FakeEngine):
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

    def decode(self, slots, ids):
        time.sleep(self.seconds)
        return super().decode(slots, ids)


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
