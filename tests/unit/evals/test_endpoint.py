"""What can go wrong when another program is asked."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from slm.api.endpoints import opened
from slm.errors import EndpointError, TokenizerError, UsageError
from slm.evals.endpoint import Endpoint
from tests.unit.evals.scripted_server import Asked, Reply, scripted


def answer_to(reply: object, **settings: object) -> dict[str, object]:
    with scripted(lambda asked: reply) as server, Endpoint(server.address, **settings) as endpoint:
        return endpoint.post("/v1/completions", {})


@pytest.mark.parametrize(
    "address",
    [
        "",
        "localhost:8000",
        "ftp://x",
        "http://",
        "http://a:b",
        "http://x?y=1",
        "http://me@x",
        "a\n",
        "http://1.2.3.999",
        "http://a..b",
        f"http://{'a' * 64}",
        "http://\u2026",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="is not the address of a server"):
        Endpoint(address)


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/"])
def test_an_address_may_have_the_version(end: str) -> None:
    with scripted(lambda asked: {"path": asked.path}) as server:
        with Endpoint(server.address + end) as endpoint:
            assert endpoint.complete({}) == {"path": "/v1/completions"}
            assert endpoint.post("/tokenize", {}) == {"path": "/tokenize"}
        assert server.bodies("/v1/completions") == [{"model": "scripted"}]


def test_the_key_is_sent_and_no_other_header_of_ours() -> None:
    with scripted(lambda asked: {}) as server:
        for key in (None, "secret"):
            with Endpoint(server.address, model="x", key=key) as endpoint:
                endpoint.chat({})
        sent = [asked.headers.get("Authorization") for asked in server.asked]
    assert sent == [None, "Bearer secret"]


@pytest.mark.parametrize("key", ["secret\n", "a\x00b", "schl\u00fcssel"])
def test_a_key_that_http_cannot_send_is_not_shown(key: str) -> None:
    with pytest.raises(UsageError, match="characters that HTTP cannot send") as error:
        Endpoint("http://127.0.0.1:1", key=key)
    assert key not in str(error.value)
    assert "SLM_ENDPOINT_KEY" in str(error.value.hint)


def test_the_key_of_the_environment_may_end_with_a_line_break(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLM_ENDPOINT_KEY", "secret\r\n")
    with scripted(lambda asked: {}) as server, opened(server.address, model="x") as endpoint:
        endpoint.chat({})
    assert server.asked[0].headers["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("reply", "problem", "hint"),
    [
        (Reply({"error": {"message": "no key"}}, 401), "status 401: 'no key'", "SLM_ENDPOINT_KEY"),
        (Reply({"error": {"message": "model 'a' not found"}}, 404), "404: .*not found", "--model"),
        (Reply({"message": "away"}, 404), "status 404: 'away'", "the address of a server"),
        (Reply({"detail": [{"loc": 1}]}, 422), "status 422: [{'loc': 1}]", "the server's output"),
        (Reply(b"<html>", 500), "status 500: '<html>'", "the server's output"),
        (Reply(b"", 500), "status 500", "the server's output"),
        (Reply(b"", 302, {"Location": "https://else/x"}), "302: .* 'https://else/x'", "with https"),
        (Reply(b"", 304), "status 304", "the server's output"),
        (Reply(b"<html>"), "something other than JSON", "the address of a server"),
        (Reply(b"\xff{"), "something other than JSON", "the address of a server"),
        (Reply(b"[" * 100_000), "something other than JSON", "the address of a server"),
        (Reply([1]), "expected a JSON object", "the address of a server"),
        (Reply(b'{"a"', claimed_bytes=100), "the connection to .* broke", "try again"),
    ],
)
def test_what_is_no_answer(reply: Reply, problem: str, hint: str) -> None:
    with pytest.raises(EndpointError, match=problem.replace("[", r"\[")) as error:
        answer_to(reply)
    assert hint in str(error.value.hint)
    assert error.value.status == (None if reply.status == 200 else reply.status)


def test_a_busy_server_is_asked_again_when_it_says() -> None:
    waited: list[float] = []
    replies = [Reply({}, 429, {"Retry-After": "7"}), Reply({}, 503), Reply({"done": True})]
    with (
        scripted(lambda asked: replies.pop(0)) as server,
        Endpoint(server.address, model="x", sleep=waited.append) as endpoint,
    ):
        assert endpoint.complete({}) == {"done": True}
    assert waited == [7.0, 1.0]


def test_a_server_that_stays_busy_is_given_up() -> None:
    waited: list[float] = []
    with pytest.raises(EndpointError, match="status 503: 'full'") as error:
        answer_to(Reply({"error": {"message": "full"}}, 503), sleep=waited.append)
    assert len(waited) == 5
    assert max(waited) <= 30
    assert "less to do" in str(error.value.hint)


def test_no_answer_in_time() -> None:
    done = threading.Event()
    with (
        scripted(lambda asked: {"late": done.wait(60)}) as server,
        Endpoint(server.address, seconds=0.2) as endpoint,
    ):
        with pytest.raises(EndpointError, match="does not answer within 0.2 s"):
            endpoint.post("/x", {})
        done.set()


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"]
)
def test_a_server_that_sends_a_byte_now_and_then_is_given_up(head: bytes) -> None:
    is_over = threading.Event()

    def trickle(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):  # the client leaves
            connection.recv(1 << 16)
            connection.sendall(head)
            while not is_over.wait(0.02):
                connection.sendall(b" ")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=trickle, args=(listener,))
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with (
            Endpoint(address, model="x", seconds=0.5) as endpoint,
            pytest.raises(EndpointError, match="does not answer within 0.5 s"),
        ):
            endpoint.complete({})
        is_over.set()
        thread.join()


def test_an_error_does_not_wait_for_other_answers() -> None:
    is_asked, may_end, is_answered = (threading.Event() for _ in range(3))

    def answer(asked: Asked) -> object:
        if asked.body["model"] == "fast":
            is_asked.wait(60)
            return Reply({}, 400)
        is_asked.set()
        may_end.wait(60)
        is_answered.set()
        return {}

    def ask(model: str) -> object:
        return endpoint.post("/x", {"model": model})

    with scripted(answer) as server:
        with (
            pytest.raises(EndpointError, match="status 400"),
            Endpoint(server.address) as endpoint,
        ):
            list(endpoint.map(ask, ["fast", "slow"]))
        assert not is_answered.is_set()
        may_end.set()
        for thread in threading.enumerate():
            if thread.name.startswith("connection"):
                thread.join()


def test_nobody_is_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
        with Endpoint(address) as endpoint, pytest.raises(EndpointError, match="cannot reach") as e:
            endpoint.get("/v1/models")
    assert "start the server" in str(e.value.hint)


@pytest.mark.parametrize(
    ("listed", "problem"),
    [
        ({"data": []}, "lists 0 models"),
        ({"data": [{"id": "a"}, {"id": "b"}]}, r"lists 2 models \('a', 'b'\), expected one"),
        ({"data": "a"}, "lists 0 models"),
        ({"data": [{"id": 3}, "a"]}, "lists 0 models"),
    ],
)
def test_which_model_must_be_clear(monkeypatch, listed: object, problem: str) -> None:
    monkeypatch.setattr("tests.unit.evals.scripted_server.MODELS", listed)
    with scripted(lambda asked: {}) as server, Endpoint(server.address) as endpoint:
        with pytest.raises(EndpointError, match=problem) as error:
            endpoint.complete({})
        assert "--model" in str(error.value.hint)


def test_results_keep_their_order() -> None:
    with Endpoint("http://127.0.0.1:1", model="x") as endpoint:
        assert list(endpoint.map(lambda n: n * n, range(100))) == [n * n for n in range(100)]


def test_a_text_that_is_not_unicode_is_not_sent() -> None:
    with (
        Endpoint("http://127.0.0.1:1", model="x") as endpoint,
        pytest.raises(TokenizerError, match="lone surrogate U\\+D800"),
    ):
        endpoint.complete({"prompt": "\ud800"})
