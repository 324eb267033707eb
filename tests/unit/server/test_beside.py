"""Several models behind one address: each request goes to the one that it names."""

from __future__ import annotations

import httpx2
import pytest
import torch

from slm.server.asking import Model
from slm.server.endpoints import Service
from slm.server.limits import Limits
from slm.server.metrics import Metrics
from slm.server.scheduler import Scheduler
from slm.tokenizer.byte_level import BytesTokenizer
from tests.servers import running
from tests.unit.server.fakes import FakeSlots


def always(letter):
    """Slots of a model that says one letter only."""
    slots = FakeSlots(2)
    logits = torch.full((slots.vocab_size,), -100.0)
    logits[ord(letter)] = 100.0
    slots.logits_of = lambda ids: logits
    return slots


@pytest.fixture(scope="module")
def http():
    slots, limits = always("b"), Limits(slots=2)
    scheduler = Scheduler(slots, limits)
    beside = Service(
        model=Model.of("other", BytesTokenizer(), slots.block_size),
        scheduler=scheduler,
        limits=limits,
        metrics=Metrics(scheduler, slots.n_slots),
        created=0,
    )
    with (
        running(always("a"), beside=[beside]) as server,
        httpx2.Client(base_url=server.address, trust_env=False) as client,
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


def test_no_other_name_is_taken(http):
    response = http.post("/v1/completions", json={"prompt": "x", "model": "third"})
    assert response.status_code == 404
    assert http.get("/v1/models/third").status_code == 404
