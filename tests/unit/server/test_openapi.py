"""The description says what the server does, bounds included."""

from __future__ import annotations

import pytest

from slm.server.limits import Limits
from slm.server.openapi import description
from slm.server.requests import ServedModel
from slm.tokenizer.byte_level import BytesTokenizer

LIMITS = Limits(max_tokens=77, choices=3, prompts=5)


@pytest.fixture
def document():
    return description(ServedModel.of("tiny", BytesTokenizer(), 32), LIMITS, with_key=False)


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_reference_is_there(document):
    known = document["components"]["schemas"]
    found = {reference.rpartition("/")[2] for reference in references(document)}
    assert found == known.keys()


def test_bounds_are_those_of_model_and_limits(document):
    for name in ("CompletionRequest", "ChatRequest"):
        fields = document["components"]["schemas"][name]["properties"]
        assert fields["max_tokens"]["anyOf"][0]["maximum"] == 77
        assert fields["n"]["anyOf"][0]["maximum"] == 3
        assert fields["model"]["anyOf"][0]["enum"] == ["tiny"]
    prompt = document["components"]["schemas"]["CompletionRequest"]["properties"]["prompt"]
    _, texts, ids, several, nothing = prompt["anyOf"]
    assert nothing == {"type": "null"}
    assert texts["maxItems"] == several["maxItems"] == 5
    assert several["items"] == ids
    assert ids["items"]["maximum"] == 256
    assert "maxItems" not in ids, "how many fit depends on other fields"


def test_fields_are_described_and_others_ask_for_nothing(document):
    for name in ("CompletionRequest", "ChatRequest"):
        schema = document["components"]["schemas"][name]
        assert schema["additionalProperties"] == {"type": "null"}
        for field in ("max_tokens", "n", "top_k", "seed"):
            assert "minimum" in schema["properties"][field]["anyOf"][0]
        assert schema["properties"]["temperature"]["description"]


def test_bounds_of_one_server_are_not_those_of_the_next(document):
    other = description(ServedModel.of("b", BytesTokenizer(), 9), Limits(prompts=1), with_key=True)
    assert document["components"] != other["components"]
    again = description(ServedModel.of("tiny", BytesTokenizer(), 32), LIMITS, with_key=False)
    assert again == document


def test_a_key_is_asked_for_where_there_is_one(document):
    assert "security" not in document
    with_key = description(ServedModel.of("tiny", BytesTokenizer(), 32), LIMITS, with_key=True)
    assert with_key["security"] == [{"key": []}]
    assert with_key["paths"]["/healthz"]["get"]["security"] == []
