"""Several models behind one address: each request goes to the one that it names."""

from __future__ import annotations

import pytest
import torch
from prometheus_client.parser import text_string_to_metric_families

from slm.server.endpoints import Service
from slm.server.limits import Limits
from slm.server.requests import ServedModel
from slm.server.scheduler import Scheduler
from slm.tokenizer.byte_level import BytesTokenizer
from tests.servers import running
from tests.unit.server.fakes import FakeEngine


def always(letter):
    """Slots of a model that says one letter only."""
    engine = FakeEngine(2)
    logits = torch.full((engine.vocab_size,), -100.0)
    logits[ord(letter)] = 100.0
    engine.logits_of = lambda ids: logits
    return engine


@pytest.fixture(scope="module")
def http():
    engine, limits = always("b"), Limits(slots=2)
    scheduler = Scheduler(engine, limits)
    beside = Service(
        model=ServedModel.of("other", BytesTokenizer(), engine.block_size),
        scheduler=scheduler,
        limits=limits,
        created=0,
    )
    with (
        running(always("a"), beside=[beside]) as server,
        server.client() as client,
    ):
        yield client


def test_each_answers_for_itself(http):
    for path, body in (
        ("/v1/completions", {"prompt": "x"}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
    ):
        told = {}
        for name in (None, "tiny", "other"):
            answer = http.post(path, json={**body, "model": name, "max_tokens": 3}).json()
            choice = answer["choices"][0]
            told[name] = choice["text"] if "text" in choice else choice["message"]["content"]
            assert answer["model"] == (name or "tiny")
        assert told == {None: "aaa", "tiny": "aaa", "other": "bbb"}


def test_all_are_listed(http):
    assert [card["id"] for card in http.get("/v1/models").json()["data"]] == ["tiny", "other"]
    assert http.get("/v1/models/other").json()["id"] == "other"
    document = http.get("/openapi.json").json()
    field = document["components"]["schemas"]["CompletionRequest"]["properties"]["model"]
    assert field["anyOf"][0]["enum"] == ["tiny", "other"]


CHAT = {"messages": [{"role": "user", "content": "x"}]}


def test_no_other_name_is_taken(http):
    for response in (
        http.post("/v1/completions", json={"prompt": "x", "model": "third"}),
        http.post("/v1/chat/completions", json={**CHAT, "model": "third"}),
        http.get("/v1/models/third"),
    ):
        assert response.status_code == 404
        error = response.json()["error"]
        assert (error["param"], error["code"]) == ("model", "model_not_found")
        assert error["message"] == "unknown model 'third'; served: 'tiny' and 'other'"


def counted(http, name, **labels):
    """A figure of `/metrics`; 0 where there is none yet."""
    for family in text_string_to_metric_families(http.get("/metrics").text):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return 0.0


def test_each_is_counted_by_itself(http):
    path = "/v1/completions"
    asked = {"model": "other", "path": path, "status": "200"}
    first = {**asked, "model": "tiny"}
    before = [counted(http, "slm_requests_total", **labels) for labels in (asked, first)]
    tokens = [counted(http, "slm_new_tokens_total", model=name) for name in ("other", "tiny")]
    http.post(path, json={"prompt": "x", "model": "other", "max_tokens": 3})
    http.post(path, json={"prompt": "x", "model": "other", "max_tokens": 4})
    http.post(path, json={"prompt": "x", "max_tokens": 5})
    http.post(path, json={"prompt": "x", "model": "no such"})
    assert counted(http, "slm_requests_total", **asked) == before[0] + 2
    assert counted(http, "slm_requests_total", **first) == before[1] + 1
    assert counted(http, "slm_new_tokens_total", model="other") == tokens[0] + 7
    assert counted(http, "slm_new_tokens_total", model="tiny") == tokens[1] + 5
    assert counted(http, "slm_requests_total", model="", path=path, status="404") >= 1


def test_every_figure_says_of_which_model_it_is(http):
    http.post("/v1/completions", json={"prompt": "x"})
    text = http.get("/metrics").text
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    assert len(samples) > 20
    assert {sample.labels.get("model") for sample in samples} <= {"tiny", "other", ""}
