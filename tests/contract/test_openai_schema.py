"""Every field of OpenAI's schema is known here: those of the installed client are the list."""

from __future__ import annotations

import typing
from typing import Any

import openai.types.chat as chat
import pytest
from openai.types.chat.chat_completion_content_part_text_param import (
    ChatCompletionContentPartTextParam,
)
from openai.types.chat.chat_completion_message_param import ChatCompletionMessageParam
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming as WholeChat,
)
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsStreaming as StreamedChat,
)
from openai.types.chat.completion_create_params import PromptCacheOptions as OpenAICacheOptions
from openai.types.completion_create_params import (
    CompletionCreateParamsNonStreaming as WholeCompletion,
)
from openai.types.completion_create_params import (
    CompletionCreateParamsStreaming as StreamedCompletion,
)
from pydantic import BaseModel

from slm.server.request_bodies import checked
from slm.server.schemas import (
    ChatRequest,
    CompletionRequest,
    Message,
    PromptCacheOptions,
    StreamOptions,
    TextPart,
)

SAID = {"role": "user", "content": "Once"}
REQUIRED = {"messages": [SAID]}


def names(*types: Any) -> set[str]:
    """The fields of typed dictionaries."""
    return {name for each in types for name in typing.get_type_hints(each)}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (CompletionRequest, names(WholeCompletion, StreamedCompletion)),
        (ChatRequest, names(WholeChat, StreamedChat)),
        (Message, names(*typing.get_args(ChatCompletionMessageParam))),
        (Message, set(chat.ChatCompletionMessage.model_fields)),
        (Message, set(chat.ParsedChatCompletionMessage.model_fields)),
        (TextPart, names(ChatCompletionContentPartTextParam)),
        (StreamOptions, names(chat.ChatCompletionStreamOptionsParam)),
        (PromptCacheOptions, names(OpenAICacheOptions)),
    ],
)
def test_every_field_of_the_client_is_known(ours: type[BaseModel], theirs: set[str]) -> None:
    assert theirs - ours.model_fields.keys() == set()


@pytest.mark.parametrize("name", sorted(names(WholeCompletion, StreamedCompletion)))
def test_null_is_absent_in_a_completion(name: str) -> None:
    assert checked(CompletionRequest, {name: None}) == checked(CompletionRequest, {})


@pytest.mark.parametrize("name", sorted(names(WholeChat, StreamedChat) - REQUIRED.keys()))
def test_null_is_absent_in_a_chat(name: str) -> None:
    assert checked(ChatRequest, {**REQUIRED, name: None}) == checked(ChatRequest, REQUIRED)


@pytest.mark.parametrize(
    "name", sorted(names(*typing.get_args(ChatCompletionMessageParam)) - SAID.keys())
)
def test_null_is_absent_in_a_message(name: str) -> None:
    with_null = checked(ChatRequest, {"messages": [{**SAID, name: None}]})
    assert with_null == checked(ChatRequest, REQUIRED)


def test_a_message_of_the_client_itself_can_be_put_back() -> None:
    answered = chat.ChatCompletionMessage(role="assistant", content="a fox").model_dump()
    assert checked(ChatRequest, {"messages": [SAID, answered]}).messages[1].text == "a fox"
