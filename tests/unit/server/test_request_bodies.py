"""Every request that cannot be is refused with its field's name; nothing gets through, or out."""

from __future__ import annotations

import asyncio
import json

import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from slm.server.http_errors import HttpError
from slm.server.limits import Limits
from slm.server.request_bodies import BodyReader, checked, parsed, place_in
from slm.server.schemas import ChatRequest, CompletionRequest

PROMPT = {"prompt": "Once"}
CHAT = {"messages": [{"role": "user", "content": "Once"}]}


def refused(model, data):
    with pytest.raises(HttpError) as problem:
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
        *[("top_k", value) for value in (-2, 1.5, 2**24 + 1, "3", True)],
        *[("repetition_penalty", value) for value in (0, 101)],
        *[("n", value) for value in (0, -1, 1.5, "2", True)],
        *[("max_tokens", value) for value in (-2, 0.5, "9")],
        *[("seed", value) for value in (-(2**63) - 1, 2**63, 1.25, "s")],
        *[("stop", value) for value in ("", [""], ["a", 1], "x" * 257, ["a"] * 5, 3, {})],
        *[("stream", value) for value in (1, "true", [])],
        *[("logprobs", value) for value in (-1, 21, 0.5, True, "1")],
        *[("echo", value) for value in (0, "no")],
        *[("user", value) for value in (1, ["me"])],
        *[("model", value) for value in (1, "\ud800", [])],
        *[("frequency_penalty", value) for value in (0.5, False, "0", [])],
        *[("presence_penalty", value) for value in (-1, True)],
        *[("logit_bias", value) for value in ({"50256": -100}, [], 0)],
        *[("best_of", value) for value in (2, True)],
        *[("suffix", value) for value in ("end", 0)],
        *[("prompt", value) for value in ([], [[]], 1, True, {"a": 1}, ["a", 1], [[1], "a"])],
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
        ("tools", {**CHAT, "tools": [{"type": "function", "function": {"name": "f"}}]}),
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
        b'\xef\xbb\xbf\xef\xbb\xbf{"prompt": "a"}',
        b'{"temperature": NaN}',
        b'{"temperature": -Infinity}',
        b'{"seed": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"prompt": ' + b"[" * 900 + b"]" * 900 + b"}",
    ],
)
def test_what_is_no_json_object_is_refused(body):
    with pytest.raises(HttpError) as problem:
        checked(CompletionRequest, parsed(body))
    assert problem.value.status == 400
    assert len(problem.value.to_json()["error"]["message"]) < 1500


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (None, ("",)),
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
    assert place_in(("a", 0, "b", "int"), data) == ("a", 0, "b")
    assert place_in(("a", "list[thing]", 0, "b"), data) == ("a", 0, "b")
    assert place_in(("a", 0, "c"), data) == ("a", 0)
    assert place_in((), data) == ()


def test_a_byte_order_mark_before_the_body_is_no_part_of_it():
    assert parsed('\ufeff{"prompt": "\ufeffa"}'.encode()) == {"prompt": "\ufeffa"}


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"prompt": "a", "prompt": "b"}', "prompt"),
        (b'{"prompt": "a", "n": 1, "n": null}', "n"),
        (b'{"prompt": "a", "\\u006e": 1, "n": 1}', "n"),
        (b'{"messages": [{"role": "user", "role": "system", "content": "a"}]}', "role"),
        (b'{"a\\ud800": 1, "a\\ud800": 1}', "a\\ud800"),
    ],
)
def test_a_field_that_is_there_twice_is_blamed(body, name):
    with pytest.raises(HttpError, match="occurs twice") as problem:
        parsed(body)
    answer = problem.value.to_json()["error"]
    assert (answer["param"], answer["code"]) == (name, "duplicate_field")


def test_a_negative_seed_is_answered_as_a_positive_one():
    assert checked(CompletionRequest, {**PROMPT, "seed": -5}).seed == 2**63 - 5
    assert checked(CompletionRequest, {**PROMPT, "seed": -(2**63)}).seed == 0


def test_what_was_found_is_shown_once():
    message = refused(CompletionRequest, {"prompt": 5}).message
    assert message.count("found 5") == 1
    message = refused(CompletionRequest, {**PROMPT, "stop": ""}).message
    assert message.startswith("stop: string should have at least 1 character or ")


def test_a_mistyped_name_is_blamed_and_not_the_missing_field():
    problem = refused(ChatRequest, {"mesages": CHAT["messages"]})
    assert (problem.param, problem.code) == ("mesages", "unknown_parameter")
    assert problem.message.endswith("did you mean messages?")
    problem = refused(ChatRequest, {"messages": [{"role": "user", "contents": "Once"}]})
    assert problem.param == "messages[0].contents"
    problem = refused(ChatRequest, {})
    assert (problem.param, problem.code) == ("messages", "missing_parameter")


# What OpenAI's client, or another server, has put into an answer.
ANSWERED = {
    "role": "assistant",
    "content": "a fox",
    "refusal": None,
    "annotations": [],
    "audio": None,
    "function_call": None,
    "tool_calls": None,
    "parsed": None,
    "reasoning_content": None,
    "provider_specific_fields": {},
}


def test_a_message_that_was_answered_can_be_put_back():
    for message in (ANSWERED, {**ANSWERED, "tool_calls": [], "refusal": "", "annotations": None}):
        asked = checked(ChatRequest, {"messages": [*CHAT["messages"], message]})
        assert asked.messages[1].text == "a fox"


@pytest.mark.parametrize("silent", [{"content": None}, {}, {"content": []}, {"content": ""}])
def test_an_assistant_may_have_said_nothing(silent):
    asked = checked(ChatRequest, {"messages": [{"role": "assistant", **silent}]})
    assert asked.messages[0].text == ""


@pytest.mark.parametrize("role", ["user", "system", "developer"])
@pytest.mark.parametrize("silent", [{"content": None}, {}])
def test_others_must_say_something(role, silent):
    problem = refused(ChatRequest, {"messages": [{"role": role, **silent}]})
    assert (problem.param, problem.code) == ("messages[0].content", "missing_parameter")
    assert problem.message == "messages[0].content is missing"


@pytest.mark.parametrize(
    ("message", "place", "reason"),
    [
        ({"role": "tool", "content": "x", "tool_call_id": "1"}, "role", "calls no tools"),
        ({"role": "function", "content": "x", "name": "f"}, "role", "calls no tools"),
        ({"role": "function", "content": None, "name": "f"}, "role", "calls no tools"),
        (
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
            "tool_calls",
            "calls no tools",
        ),
        (
            {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
            "function_call",
            "calls no tools",
        ),
        ({"role": "assistant", "audio": {"id": "1"}}, "audio", "text only"),
        ({"role": "assistant", "refusal": "I will not."}, "refusal", "only a message"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
            "content[0].type",
            "text only",
        ),
        (
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "file"}]},
            "content[1].type",
            "text only",
        ),
        (
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
            "content[0].type",
            "text only",
        ),
    ],
)
def test_what_no_message_can_hold_is_refused_with_the_reason(message, place, reason):
    problem = refused(ChatRequest, {"messages": [*CHAT["messages"], message]})
    assert (problem.param, problem.code) == (f"messages[1].{place}", "unsupported_value")
    assert reason in problem.message


def test_minus_one_stands_for_nothing():
    asked = checked(CompletionRequest, {**PROMPT, "seed": -1, "top_k": -1, "max_tokens": -1.0})
    assert (asked.seed, asked.top_k, asked.max_tokens) == (None, None, -1)
    assert checked(CompletionRequest, {**PROMPT, "stop": []}).stops == ()


def test_null_is_absent_in_parts_and_options():
    part = {"type": "text", "text": "Once", "prompt_cache_breakpoint": None, "cache_control": {}}
    data = {
        "messages": [{"role": "user", "content": [part]}],
        "stream_options": {"include_usage": None},
        "prompt_cache_options": {"mode": None, "ttl": "30m"},
    }
    assert checked(ChatRequest, data).messages[0].text == "Once"


def test_all_readers_of_a_server_share_one_limit():
    limits = Limits(body_bytes=2048, all_bodies_bytes=2048)
    app = Starlette()

    def request(content, *, ends):
        parts = iter([{"type": "http.request", "body": content, "more_body": not ends}])

        async def receive():
            return next(parts, None) or await asyncio.Event().wait()

        headers = [(b"content-type", b"application/json")]
        return Request({"type": "http", "app": app, "headers": headers}, receive)

    async def ask():
        body = b'{"prompt": "a"}'.ljust(1500)
        unfinished = asyncio.create_task(
            BodyReader(limits).read(request(body, ends=False), CompletionRequest)
        )
        await asyncio.sleep(0.01)
        with pytest.raises(HttpError) as problem:
            await BodyReader(limits).read(request(body, ends=True), CompletionRequest)
        assert problem.value.status == 503
        unfinished.cancel()
        await asyncio.gather(unfinished, return_exceptions=True)
        return await BodyReader(limits).read(request(body, ends=True), CompletionRequest)

    assert asyncio.run(ask()).prompt == ("a",)
