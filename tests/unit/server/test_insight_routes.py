from __future__ import annotations

import dataclasses
import json
import math
import threading

import anyio
import httpx2
import pytest
from starlette.applications import Starlette

from slm.generation import GenerationOptions
from slm.insight import (
    as_json,
    attention_patterns,
    logit_lens,
    next_token,
    score_text,
)
from slm.server import insight_routes as module
from slm.server.endpoints import error_response
from slm.server.http_errors import HttpError
from slm.server.insight_routes import Insight, insight_routes
from slm.server.limits import Limits

TEXT = "a fox"
DTYPES = {"dtype": "float32", "text_dtype": "float32"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def client(client_of, inspected):
    return client_of(insight_routes({"tiny": inspected, "other": inspected}, Limits()))


def test_models(client, inspected):
    found = client.get("/insight/models").json()["models"]

    assert [model["name"] for model in found] == ["tiny", "other"]
    assert found[0]["n_layer"] == 2
    assert found[0]["end_id"] == 256
    assert found[0]["max_inspected_tokens"] == 15
    assert found[0]["parameters"] == sum(p.numel() for p in inspected.model.parameters())


def test_each_answer_is_that_of_the_library(client, inspected):
    model, tokenizer = inspected.model, inspected.tokenizer
    options = GenerationOptions(temperature=0.5, top_k=5)
    expected = {
        "tokens": as_json(score_text(model, tokenizer, TEXT, top=3), digits=5),
        "lens": as_json(logit_lens(model, tokenizer, TEXT, top=3), digits=5),
        "next": as_json(next_token(model, tokenizer, TEXT, options, top=3), digits=5),
        "attention": as_json(attention_patterns(model, tokenizer, TEXT, layers=[1]), digits=4),
    }
    more = {
        "tokens": {"top": 3},
        "lens": {"top": 3},
        "next": {"top": 3, "temperature": 0.5, "top_k": 5},
        "attention": {"layers": [1]},
    }
    for what, answer in expected.items():
        for content in ({"text": TEXT}, {"ids": list(TEXT.encode())}):
            response = client.post(f"/insight/{what}", json={**content, **more[what]})
            assert response.status_code == 200
            assert response.json() == {"model": "tiny", **DTYPES, **answer}
        named = client.post(f"/insight/{what}", json={"text": TEXT, "model": "other", **more[what]})
        assert named.json() == {"model": "other", **DTYPES, **answer}


def test_answers_say_in_which_dtype_they_and_the_texts_are_computed(client_of, inspected):
    native = dataclasses.replace(inspected, text_dtype="int8")
    client = client_of(insight_routes({"tiny": native}, Limits()))
    expected = {"dtype": "float32", "text_dtype": "int8"}
    (listed,) = client.get("/insight/models").json()["models"]
    assert listed.items() >= expected.items()
    for what in ("tokens", "lens", "next", "attention"):
        answer = client.post(f"/insight/{what}", json={"text": TEXT}).json()
        assert answer.items() >= expected.items()


def test_the_whole_distribution_of_the_next_token(client, inspected):
    """From it the page computes what its sliders do."""
    question = {"text": TEXT, "temperature": 0.5, "top_k": 5, "top": 3}
    plain = client.post("/insight/next", json=question).json()
    full = client.post("/insight/next", json={**question, "logprobs": True}).json()
    logprobs = full.pop("logprobs")
    assert full == plain
    assert len(logprobs) == inspected.tokenizer.vocab_size
    assert logprobs == sorted(logprobs, reverse=True)
    assert sum(map(math.exp, logprobs)) == pytest.approx(1, abs=1e-3)
    best = [candidate["probability"] for candidate in full["candidates"]]
    assert [math.exp(one) for one in logprobs[:3]] == pytest.approx(best, rel=1e-3)


@pytest.mark.parametrize(
    ("path", "question", "param"),
    [
        ("tokens", {}, "text"),
        ("tokens", {"text": "a", "ids": [1]}, "text"),
        ("tokens", {"text": "\ud800"}, "text"),
        ("tokens", {"text": 1}, "text"),
        ("tokens", {"text": "a", "top": 51}, "top"),
        ("tokens", {"text": "x" * 20_001}, "text"),
        ("tokens", {"ids": [0, -1]}, "ids[1]"),
        ("tokens", {"ids": [0] * 8_193}, "ids"),
        ("tokens", {"text": "a", "tpo": 5}, "tpo"),
        ("next", {"text": "a", "temperature": "hot"}, "temperature"),
        ("attention", {"text": "a", "layers": [-1]}, "layers[0]"),
        ("lens", {"text": "a", "top": 0}, "top"),
        ("lens", [], None),
    ],
)
def test_questions_that_cannot_be_right(client, path, question, param):
    body = json.dumps(question)
    response = client.post(f"/insight/{path}", content=body, headers=JSON)

    assert response.status_code == 400
    error = response.json()["error"]
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"
    assert error["message"]


@pytest.mark.parametrize(
    ("path", "question", "words"),
    [
        ("tokens", {"text": ""}, "the text is empty"),
        ("tokens", {"ids": [257]}, "not in the vocabulary"),
        ("next", {"ids": [10**30]}, "not in the vocabulary"),
        ("next", {"text": "a", "temperature": -1.0}, "temperature must be"),
        ("next", {"text": "a", "top_p": 1.5}, "top_p must be"),
        ("attention", {"text": "x" * 16}, "context holds 15"),
        ("attention", {"text": "a", "layers": [2]}, "there is no layer 2"),
        ("lens", {"text": "x" * 16}, "context holds 15"),
    ],
)
def test_mistakes_that_the_library_finds(client, path, question, words):
    response = client.post(f"/insight/{path}", json=question)

    assert response.status_code == 400
    assert words in response.json()["error"]["message"]


def test_an_unknown_model(client, client_of):
    response = client.post("/insight/tokens", json={"text": "a", "model": "tinny"})

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"
    assert response.json()["error"]["message"] == (
        "unknown model 'tinny'; served: 'tiny' and 'other'"
    )
    nothing = client_of(insight_routes({}, Limits()))
    assert nothing.post("/insight/tokens", json={"text": "a"}).status_code == 404
    assert nothing.get("/insight/models").json() == {"models": []}


@pytest.mark.parametrize("path", ["attention", "lens"])
def test_what_grows_with_the_square_is_bounded(client, monkeypatch, path):
    monkeypatch.setattr(module, "MAX_INSPECTED_TOKENS", 4)

    assert client.post(f"/insight/{path}", json={"text": "abcd"}).status_code == 200
    response = client.post(f"/insight/{path}", json={"text": "abcde"})
    assert response.status_code == 400
    assert "more than 4" in response.json()["error"]["message"]


def test_without_a_queue_one_request_at_a_time_is_answered(client_of, inspected):
    client = client_of(insight_routes({"tiny": inspected}, Limits(queue=0)))
    for _ in range(2):
        assert client.post("/insight/tokens", json={"text": "a"}).status_code == 200


def test_only_so_many_wait(inspected, monkeypatch):
    """While one is answered, a queue of them waits, and the next is refused at once."""
    going, may_end = threading.Event(), threading.Event()

    def slow(*args, **kwargs):
        going.set()
        assert may_end.wait(120)
        return score_text(*args, **kwargs)

    monkeypatch.setattr(module, "score_text", slow)

    async def ask_all():
        app = Starlette(
            routes=Insight({"tiny": inspected}, Limits(queue=2)).routes(),
            exception_handlers={HttpError: error_response},
        )
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
            codes = []

            async def ask():
                answer = await client.post("/insight/tokens", json={"text": "a"})
                codes.append((answer.status_code, answer.headers.get("retry-after")))

            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(ask)
                await anyio.to_thread.run_sync(going.wait, 20)
                await anyio.sleep(0.05)  # the other two have come to their places
                await ask()
                may_end.set()
            return codes

    codes = anyio.run(ask_all)
    assert codes == [(429, "1"), (200, None), (200, None), (200, None)]
