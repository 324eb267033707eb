"""Fields without effect: their neutral values pass, and all others are refused with a reason."""

from __future__ import annotations

import pytest

from slm.server.bodies import checked
from slm.server.neutral import FOREIGN_FIELDS
from slm.server.problems import ProblemError
from slm.server.schemas import ChatRequest, CompletionRequest, FieldsWithoutEffect

REQUESTS = [
    (CompletionRequest, {"prompt": "Once"}),
    (ChatRequest, {"messages": [{"role": "user", "content": "Once"}]}),
]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}

NEUTRAL = [
    ("frequency_penalty", 0),
    ("presence_penalty", 0.0),
    ("logit_bias", {}),
    ("tools", []),
    ("tool_choice", "none"),
    ("tool_choice", "auto"),
    ("functions", []),
    ("function_call", "none"),
    ("function_call", "auto"),
    ("parallel_tool_calls", True),
    ("parallel_tool_calls", False),
    ("response_format", {"type": "text"}),
    ("store", False),
    ("metadata", {}),
    ("modalities", ["text"]),
    ("reasoning_effort", "none"),
    ("verbosity", "medium"),
    ("service_tier", "auto"),
    ("service_tier", "default"),
    ("user", "me"),
    ("safety_identifier", "me"),
    ("prompt_cache_key", "me"),
    ("prompt_cache_retention", "24h"),
    ("prompt_cache_options", {"mode": "implicit", "ttl": "30m"}),
    ("n", 1),
    ("stop", []),
    ("logprobs", None),
]

REFUSED = [
    ("frequency_penalty", 0.5),
    ("frequency_penalty", False),
    ("presence_penalty", -1),
    ("logit_bias", {"50256": -100}),
    ("tools", [TOOL]),
    ("tools", {}),
    ("tool_choice", "required"),
    ("tool_choice", {"type": "function", "function": {"name": "f"}}),
    ("functions", [{"name": "f"}]),
    ("function_call", {"name": "f"}),
    ("response_format", {"type": "json_object"}),
    ("response_format", {"type": "json_schema", "json_schema": {}}),
    ("store", True),
    ("store", 0),
    ("metadata", {"a": "b"}),
    ("modalities", ["text", "audio"]),
    ("audio", {"voice": "alloy", "format": "wav"}),
    ("prediction", {"type": "content", "content": "Once"}),
    ("reasoning_effort", "high"),
    ("verbosity", "low"),
    ("service_tier", "flex"),
    ("moderation", {"model": "omni-moderation-latest"}),
    ("web_search_options", {}),
]


@pytest.mark.parametrize(("model", "data"), REQUESTS)
@pytest.mark.parametrize(("field", "value"), NEUTRAL)
def test_what_asks_for_nothing_changes_nothing(model, data, field, value):
    plain = checked(model, data).model_dump(exclude={field})
    assert checked(model, {**data, field: value}).model_dump(exclude={field}) == plain


@pytest.mark.parametrize(("model", "data"), REQUESTS)
@pytest.mark.parametrize(("field", "value"), REFUSED)
def test_what_cannot_be_done_is_refused_by_name_and_reason(model, data, field, value):
    with pytest.raises(ProblemError) as problem:
        checked(model, {**data, field: value})
    assert (problem.value.status, problem.value.param) == (400, field)
    assert problem.value.code == "unsupported_value"
    assert problem.value.message.startswith(f"{field}: is not supported, as ")
    assert "leave it out" in problem.value.message


def test_every_field_without_effect_is_tried_here():
    tried = {field for field, _ in [*NEUTRAL, *REFUSED]}
    assert FieldsWithoutEffect.model_fields.keys() <= tried


def test_the_message_shows_what_could_be_sent():
    with pytest.raises(ProblemError) as problem:
        checked(ChatRequest, {**REQUESTS[1][1], "response_format": {"type": "json_object"}})
    assert 'leave it out or send {"type": "text"}, found' in problem.value.message


@pytest.mark.parametrize("name", FOREIGN_FIELDS)
def test_fields_of_other_servers_are_absent_where_they_ask_for_nothing(name):
    model, data = REQUESTS[0]
    neutral = FOREIGN_FIELDS[name].neutral
    for value in (None, *((1, "x", {}) if neutral is None else neutral)):
        assert checked(model, {**data, name: value}) == checked(model, data)


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("n_predict", 5, "use max_tokens"),
        ("max_new_tokens", 5, "use max_tokens"),
        ("repeat_penalty", 1.1, "use repetition_penalty"),
        ("min_tokens", 3, "a text ends where the model ends it"),
        ("ignore_eos", True, "a text ends where the model ends it"),
        ("mirostat", 2, "top_k, top_p and min_p"),
        ("guided_json", {"type": "object"}, "free text"),
        ("stop_token_ids", [1], "use stop"),
        ("use_beam_search", True, "no beam search"),
        ("n_probs", 3, "use logprobs"),
    ],
)
def test_fields_of_other_servers_are_refused_with_advice(name, value, advice):
    with pytest.raises(ProblemError) as problem:
        checked(CompletionRequest, {"prompt": "Once", name: value})
    assert (problem.value.param, problem.value.code) == (name, "unknown_parameter")
    assert problem.value.message.startswith(f"{name} is not a field of this server: ")
    assert advice in problem.value.message


def test_no_field_of_ours_is_taken_for_one_of_another_server():
    ours = CompletionRequest.model_fields.keys() | ChatRequest.model_fields.keys()
    assert not FOREIGN_FIELDS.keys() & ours
