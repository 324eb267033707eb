"""Fields without effect: their neutral values pass, and all others are refused with a reason."""

from __future__ import annotations

import pytest

from slm.server.http_errors import HttpError
from slm.server.neutral import FOREIGN_FIELDS
from slm.server.request_bodies import checked
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
    with pytest.raises(HttpError) as problem:
        checked(model, {**data, field: value})
    assert (problem.value.status, problem.value.param) == (400, field)
    assert problem.value.code == "unsupported_value"
    assert problem.value.message.startswith(f"{field}: is not supported because ")
    assert "leave it out" in problem.value.message


def test_every_field_without_effect_is_tried_here():
    tried = {field for field, _ in [*NEUTRAL, *REFUSED]}
    assert FieldsWithoutEffect.model_fields.keys() <= tried


def test_the_message_shows_what_could_be_sent():
    with pytest.raises(HttpError) as problem:
        checked(ChatRequest, {**REQUESTS[1][1], "response_format": {"type": "json_object"}})
    assert 'leave it out or send {"type": "text"}, found' in problem.value.message


@pytest.mark.parametrize("name", FOREIGN_FIELDS)
def test_fields_of_other_servers_are_absent_where_they_ask_for_nothing(name):
    neutral = FOREIGN_FIELDS[name].neutral
    for value in (None, *((1, "x", {}) if neutral is None else neutral)):
        for model, data in REQUESTS:
            if name not in model.model_fields:
                assert checked(model, {**data, name: value}) == checked(model, data)


@pytest.mark.parametrize(("model", "data"), REQUESTS)
def test_null_is_absent_in_fields_that_nobody_has_heard_of(model, data):
    """Clients dump objects with all the fields that they know."""
    assert checked(model, {**data, "kv_transfer_params": None}) == checked(model, data)
    options = {"stream_options": {"include_usage": True, "chunk_include_usage": None}}
    assert checked(model, {**data, **options}).includes_usage
    with pytest.raises(HttpError, match="'kv_transfer_params' is not a known field"):
        checked(model, {**data, "kv_transfer_params": {}})


def test_null_is_absent_in_messages_of_other_clients():
    answered = {"role": "assistant", "content": "a fox", "citations": None, "images": []}
    asked = checked(ChatRequest, {"messages": [answered]})
    assert asked.messages[0].text == "a fox"
    part = {"type": "text", "text": "a fox", "image_url": None}
    asked = checked(ChatRequest, {"messages": [{"role": "user", "content": [part]}]})
    assert asked.messages[0].text == "a fox"


def test_null_is_not_absent_where_a_field_must_be_there():
    with pytest.raises(HttpError) as problem:
        checked(ChatRequest, {"messages": None})
    assert problem.value.param == "messages"


@pytest.mark.parametrize(
    ("model", "field", "value", "advice"),
    [
        (ChatRequest, "prompt", "Once", "for /v1/completions"),
        (ChatRequest, "echo", True, "/v1/completions has it"),
        (ChatRequest, "best_of", 2, "/v1/completions has it"),
        (ChatRequest, "suffix", "end", "/v1/completions has it"),
        (CompletionRequest, "messages", REQUESTS[1][1]["messages"], "for /v1/chat/completions"),
        (CompletionRequest, "max_completion_tokens", 5, "use max_tokens"),
        (CompletionRequest, "top_logprobs", 2, "use logprobs"),
    ],
)
def test_fields_of_the_other_path_are_refused_with_advice(model, field, value, advice):
    with pytest.raises(HttpError) as problem:
        checked(model, {**dict(REQUESTS)[model], field: value})
    assert (problem.value.param, problem.value.code) == (field, "unknown_parameter")
    assert advice in problem.value.message


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("n_predict", 5, "use max_tokens"),
        ("max_new_tokens", 5, "use max_tokens"),
        ("repeat_penalty", 1.1, "use repetition_penalty"),
        ("min_tokens", 3, "a text ends at the end-of-text token"),
        ("ignore_eos", True, "a text ends at the end-of-text token"),
        ("mirostat", 2, "top_k, top_p and min_p"),
        ("guided_json", {"type": "object"}, "free text"),
        ("stop_token_ids", [1], "use stop"),
        ("use_beam_search", True, "no beam search"),
        ("n_probs", 3, "use logprobs"),
        ("chat_template_kwargs", {"enable_thinking": True}, "read as plain text"),
        ("thinking", {"type": "enabled"}, "does not reason"),
        ("n_keep", -1, "older half"),
    ],
)
def test_fields_of_other_servers_are_refused_with_advice(name, value, advice):
    with pytest.raises(HttpError) as problem:
        checked(CompletionRequest, {"prompt": "Once", name: value})
    assert (problem.value.param, problem.value.code) == (name, "unknown_parameter")
    assert problem.value.message.startswith(f"{name} is not a field here: ")
    assert advice in problem.value.message


def test_no_field_of_ours_is_taken_for_one_of_another_server():
    ours = CompletionRequest.model_fields.keys() & ChatRequest.model_fields.keys()
    assert not FOREIGN_FIELDS.keys() & ours


def test_fields_of_one_path_have_advice_for_the_other():
    of_one_path = CompletionRequest.model_fields.keys() ^ ChatRequest.model_fields.keys()
    assert of_one_path <= FOREIGN_FIELDS.keys()
