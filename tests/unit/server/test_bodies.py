"""Every request that cannot be is refused with its field's name; nothing gets through, or out."""

from __future__ import annotations

import json

import pytest

from slm.server.bodies import checked, field_of, parsed
from slm.server.problems import ProblemError
from slm.server.schemas import ChatRequest, CompletionRequest

PROMPT = {"prompt": "Once"}
CHAT = {"messages": [{"role": "user", "content": "Once"}]}


def refused(model, data):
    with pytest.raises(ProblemError) as problem:
        checked(model, parsed(json.dumps(data).encode()))
    json.dumps(problem.value.to_json(), ensure_ascii=False).encode("utf-8")
    assert problem.value.status == 400
    return problem.value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("temperature", value) for value in (-0.1, 2.1, "1", True, [1], 10**400, {})],
        *[("top_p", value) for value in (-0.1, 1.1, "x", False)],
        *[("min_p", value) for value in (-1, 2)],
        *[("top_k", value) for value in (-1, 1.5, 2**24 + 1, "3", True)],
        *[("repetition_penalty", value) for value in (0, 101)],
        *[("n", value) for value in (0, -1, 1.5, "2", True)],
        *[("max_tokens", value) for value in (-1, 0.5, "9")],
        *[("seed", value) for value in (-1, 2**63, 1.25, "s")],
        *[("stop", value) for value in ("", [], [""], ["a", 1], "x" * 257, ["a"] * 5, 3, {})],
        *[("stream", value) for value in (1, "true", [])],
        *[("logprobs", value) for value in (-1, 21, 0.5, True, "1")],
        *[("echo", value) for value in (0, "no")],
        *[("user", value) for value in (1, ["me"])],
        *[("model", value) for value in (1, "\ud800", [])],
        *[("frequency_penalty", value) for value in (0.5, False, "0", [])],
        *[("presence_penalty", value) for value in (-1, True)],
        *[("logit_bias", value) for value in ({"50256": -100}, [], 0)],
        *[("best_of", value) for value in (2, True)],
        *[("suffix", value) for value in ("end", "")],
        *[("prompt", value) for value in (None, [], [[]], 1, True, {"a": 1}, ["a", 1], [[1], "a"])],
        *[("prompt", value) for value in ([1.5], [True], [[1], []], [None], "\ud800", ["\udfff"])],
        *[("stream_options", value) for value in (True, [], "usage")],
    ],
)
def test_bad_values_are_named(field, value):
    problem = refused(CompletionRequest, {**PROMPT, field: value})
    assert problem.param == field or problem.param.startswith(f"{field}[")
    assert problem.message.startswith(field)


@pytest.mark.parametrize(
    ("place", "data"),
    [
        ("messages", {}),
        ("messages", {"messages": []}),
        ("messages", {"messages": "Hello"}),
        ("messages[0]", {"messages": ["Hello"]}),
        ("messages[0].role", {"messages": [{"content": "Hello"}]}),
        ("messages[0].content", {"messages": [{"role": "user"}]}),
        ("messages[0].role", {"messages": [{"role": "tool", "content": "Hello"}]}),
        ("messages[0].content", {"messages": [{"role": "user", "content": 5}]}),
        (
            "messages[0].content[0].type",
            {"messages": [{"role": "user", "content": [{"text": ""}]}]},
        ),
        (
            "messages[1].content[0].text",
            {
                "messages": [
                    {"role": "user", "content": ""},
                    {"role": "user", "content": [{"type": "text", "text": 5}]},
                ]
            },
        ),
        ("messages[0].content", {"messages": [{"role": "user", "content": "\ud83d"}]}),
        ("messages[0].colour", {"messages": [{"role": "user", "content": "", "colour": "red"}]}),
        ("logprobs", {**CHAT, "logprobs": 5}),
        ("top_logprobs", {**CHAT, "top_logprobs": 21}),
        ("stream_options.usage", {**CHAT, "stream_options": {"usage": True}}),
        ("tools", {**CHAT, "tools": []}),
    ],
)
def test_places_in_a_conversation_are_named(place, data):
    assert refused(ChatRequest, data).param == place


def test_unknown_fields_get_a_suggestion():
    problem = refused(CompletionRequest, {**PROMPT, "temprature": 1})
    assert problem.param == "temprature"
    assert "temperature" in problem.message
    refused(CompletionRequest, {**PROMPT, "\ud800": 1})
    refused(CompletionRequest, {**PROMPT, "x" * 10_000: 1})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"prompt"',
        b"3",
        b"{",
        b'{"prompt": "a"} x',
        b"\xff\xfe{}",
        b'{"prompt": "\xff"}',
        b'\xef\xbb\xbf{"prompt": "a"}',
        b'{"temperature": NaN}',
        b'{"temperature": -Infinity}',
        b'{"seed": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"prompt": ' + b"[" * 900 + b"]" * 900 + b"}",
    ],
)
def test_what_is_no_json_object_is_refused(body):
    with pytest.raises(ProblemError) as problem:
        checked(CompletionRequest, parsed(body))
    assert problem.value.status == 400
    assert len(problem.value.to_json()["error"]["message"]) < 1500


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("", ("",)),
        ("Ö", ("Ö",)),
        (["a", ""], ("a", "")),
        ([1, 2.0], ((1, 2),)),
        ([[1], [2, 3]], ((1,), (2, 3))),
    ],
)
def test_prompts_have_four_forms(prompt, expected):
    assert checked(CompletionRequest, {"prompt": prompt}).prompt == expected


def test_nulls_and_whole_floats_are_taken():
    nothing = dict.fromkeys(CompletionRequest.model_fields, None)
    asked = checked(CompletionRequest, {**nothing, **PROMPT})
    assert asked == checked(CompletionRequest, PROMPT)
    asked = checked(CompletionRequest, {**PROMPT, "n": 2.0, "temperature": 1, "top_k": 4e1})
    assert (asked.n, asked.temperature, asked.top_k) == (2, 1.0, 40)
    assert checked(CompletionRequest, {**PROMPT, "stop": "a"}).stops == ("a",)
    assert checked(CompletionRequest, {**PROMPT, "stop": ["a", "b"]}).stops == ("a", "b")
    neutral = {"frequency_penalty": 0, "presence_penalty": 0.0, "logit_bias": {}, "best_of": 1}
    checked(CompletionRequest, {**PROMPT, **neutral})


def test_messages_in_parts_are_one_text():
    parts = [{"type": "text", "text": "Once "}, {"type": "text", "text": "upon"}]
    asked = checked(ChatRequest, {"messages": [{"role": "user", "content": parts, "name": "x"}]})
    assert asked.messages[0].text == "Once upon"


def test_places_leave_out_what_the_data_does_not_have():
    data = {"a": [{"b": 1}]}
    assert field_of(("a", 0, "b", "int"), data) == "a[0].b"
    assert field_of(("a", "list[thing]", 0, "b"), data) == "a[0].b"
    assert field_of(("a", 0, "c"), data) == "a[0]"
    assert field_of((), data) == ""
