"""The objects of an answer, whole and in events."""

from __future__ import annotations

import pytest

from slm.server.requests import GenerationJob, ServedModel
from slm.server.responses import ChatWriter, CompletionWriter, Usage, token_text
from slm.server.served_sequence import ScoredToken, TextDelta
from slm.tokenizer.byte_level import BytesTokenizer

DELTAS = [
    TextDelta("", (ScoredToken(0xC3, -1.0, ((0xC3, -1.0), (256, -2.0)), 3),)),
    TextDelta("é", (ScoredToken(0xA9, -0.5, ((0xA9, -0.5), (65, -3.0)), 3),)),
    TextDelta("", (), "stop", 2),
]
USAGE = Usage(prompt_tokens=3, completion_tokens=2, total_tokens=5)


@pytest.fixture
def model():
    return ServedModel.of("tiny", BytesTokenizer(), 32)


def job(logprobs):
    return GenerationJob(sequences=[None, None], seed=7, prompt_tokens=3, logprobs=logprobs)


def test_parts_of_characters_are_written_as_bytes():
    tokenizer = BytesTokenizer()
    assert token_text(tokenizer, 65) == "A"
    assert token_text(tokenizer, 0xC3) == r"bytes:\xc3"
    assert token_text(tokenizer, 256) == "<|endoftext|>"


def test_a_whole_completion(model):
    answer = CompletionWriter(job(2), model).whole(
        [DELTAS, [TextDelta("x", (), "length", 1)]], USAGE
    )
    data = answer.model_dump()
    assert data["object"] == "text_completion"
    assert (data["model"], data["seed"], data["usage"]["total_tokens"]) == ("tiny", 7, 5)
    first, second = data["choices"]
    assert (first["text"], first["finish_reason"], first["index"]) == ("é", "stop", 0)
    assert (second["text"], second["finish_reason"], second["index"]) == ("x", "length", 1)
    assert first["logprobs"] == {
        "tokens": [r"bytes:\xc3", r"bytes:\xa9"],
        "token_ids": [0xC3, 0xA9],
        "token_logprobs": [-1.0, -0.5],
        "top_logprobs": [
            {r"bytes:\xc3": -1.0, "<|endoftext|>": -2.0},
            {r"bytes:\xa9": -0.5, "A": -3.0},
        ],
        "text_offset": [3, 3],
    }


def test_logprobs_are_null_unless_asked_for(model):
    for writer in (CompletionWriter(job(None), model), ChatWriter(job(None), model)):
        assert writer.whole([DELTAS], USAGE).model_dump()["choices"][0]["logprobs"] is None
    none = CompletionWriter(job(0), model).whole([DELTAS], USAGE)
    assert none.model_dump()["choices"][0]["logprobs"]["top_logprobs"] is None


def test_a_whole_chat(model):
    (choice,) = ChatWriter(job(1), model).whole([DELTAS], USAGE).model_dump()["choices"]
    assert choice["message"] == {"role": "assistant", "content": "é"}
    assert choice["finish_reason"] == "stop"
    first = choice["logprobs"]["content"][0]
    assert (first["token"], first["bytes"], first["logprob"]) == (r"bytes:\xc3", [0xC3], -1.0)
    assert first["top_logprobs"][1] == {"token": "<|endoftext|>", "logprob": -2.0, "bytes": None}


def test_events_add_up_to_the_whole(model):
    writer = CompletionWriter(job(None), model)
    events = [event for delta in DELTAS if (event := writer.event(1, TextDelta(delta.text)))]
    assert [event.choices[0].text for event in events] == ["é"]
    events = [writer.event(1, delta) for delta in DELTAS]
    assert [event.choices[0].finish_reason for event in events] == [None, None, "stop"]
    assert writer.event(0, TextDelta("")) is None
    assert len({event.id for event in events}) == 1
    assert writer.usage_event(USAGE).choices == []


def test_a_chat_begins_with_its_role(model):
    writer = ChatWriter(job(None), model)
    opening = [event.choices[0] for event in writer.opening()]
    assert [(choice.index, choice.delta.role) for choice in opening] == [
        (0, "assistant"),
        (1, "assistant"),
    ]
    assert writer.event(0, DELTAS[1]).choices[0].delta.content == "é"
    assert writer.event(0, DELTAS[2]).choices[0].delta.content is None
