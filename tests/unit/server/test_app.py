"""The application behind a real socket, on an engine without a model: paths, refusals, streams."""

from __future__ import annotations

import gzip
import json
import socket
import urllib.parse

import pytest

from tests.servers import running
from tests.unit.server.fakes import FakeEngine, never_ending, post, problem


@pytest.fixture(scope="module")
def server():
    with running(FakeEngine(4), queue=4, body_bytes=4096, max_tokens=100) as found:
        yield found


@pytest.fixture(scope="module")
def http(server):
    with server.client() as client:
        yield client


def events(response):
    lines = [line for line in response.text.split("\n\n") if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line[6:]) for line in lines[:-1]]


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
        server.client() as client,
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
    engine = FakeEngine(2)
    never_ending(engine)

    def fail(call):
        if call.startswith("prefill") and len(engine.calls) > 2:
            raise RuntimeError("secret detail")

    engine.fail = fail
    asked = {"prompt": "x" * 30, "n": 2, "max_tokens": 50}
    with (
        running(engine, max_tokens=100) as server,
        server.client() as client,
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
        server.client() as client,
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
        server.client() as client,
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
        server.client() as client,
    ):
        response = post(client, max_tokens=50, temperature=0, stream=True)
        lines = [line for line in response.text.split("\n\n") if line]
        assert json.loads(lines[-1][6:])["error"]["code"] == "model_failed"
        response = post(client, max_tokens=50)
        assert problem(response, 500)["type"] == "server_error"
        assert "secret" not in response.text


def test_a_key_guards_all_but_the_health():
    with (
        running(FakeEngine(1), api_key="a-long-key") as server,
        server.client() as client,
    ):
        assert client.get("/healthz").status_code == 200
        for path in ("/v1/models", "/metrics", "/openapi.json", "/nothing"):
            problem(client.get(path), 401, "Authorization")
        problem(post(client), 401, "Authorization")
        client.headers["authorization"] = "Bearer a-long-key"
        assert post(client).status_code == 200
