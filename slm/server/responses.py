"""The response objects of OpenAI's API, and the two writers that fill them.

Both kinds also contain the `seed`, with which the same text can be generated again.
"""

from __future__ import annotations

import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from slm.server.requests import GenerationJob, ServedModel
from slm.server.served_sequence import FinishReason, ScoredToken, TextDelta
from slm.tokenizer.base import EOT_TEXT, Tokenizer


class ResponseBody(BaseModel):
    """Base class of all response objects."""

    model_config = ConfigDict(protected_namespaces=(), use_attribute_docstrings=True)


class Usage(ResponseBody):
    """Token counts."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompletionLogprobs(ResponseBody):
    """Log-probabilities from the model's distribution, before temperature and filters."""

    tokens: list[str]
    token_ids: list[int]
    """The ids of `tokens`, which a prompt may consist of. Not part of OpenAI's API."""
    replaced: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """The end of the prompt that the first of these tokens contain, in place of the prompt's own
    tokens; left out if they contain none. Not part of OpenAI's API."""
    token_logprobs: list[float | None]
    """Null for a prompt's first token if nothing is before it."""
    top_logprobs: list[dict[str, float] | None] | None
    text_offset: list[int]
    """Characters of the text before each token."""


class CompletionChoice(ResponseBody):
    """One continuation."""

    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: FinishReason | None


class Completion(ResponseBody):
    """The response to `POST /v1/completions`, or an event of its stream."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[CompletionChoice]
    seed: int
    usage: Usage | None = None


class LikelyToken(ResponseBody):
    """An alternative token and its log-probability."""

    token: str
    logprob: float
    bytes: list[int] | None


class ChatToken(LikelyToken):
    """A token of the answer."""

    top_logprobs: list[LikelyToken]


class ChatLogprobs(ResponseBody):
    """Log-probabilities from the model's distribution, before temperature and filters."""

    content: list[ChatToken]


class ChatMessage(ResponseBody):
    """The generated message."""

    role: Literal["assistant"] = "assistant"
    content: str


class ChatChoice(ResponseBody):
    """One continuation of the conversation."""

    index: int
    message: ChatMessage
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason | None


class ChatCompletion(ResponseBody):
    """The response to `POST /v1/chat/completions`."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    seed: int
    usage: Usage


class ChatDelta(ResponseBody):
    """The text that an event adds to a message."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChatChunkChoice(ResponseBody):
    """The part of a choice that an event adds."""

    index: int
    delta: ChatDelta
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason | None


class ChatChunk(ResponseBody):
    """An event of a stream of `POST /v1/chat/completions`."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChatChunkChoice]
    seed: int
    usage: Usage | None = None


class ResponseWriter(ABC):
    """Builds the response objects of one endpoint."""

    kind: ClassVar[str]
    """The prefix of the responses' ids."""
    whole_form: ClassVar[type[ResponseBody]]
    event_form: ClassVar[type[ResponseBody]]

    def __init__(self, job: GenerationJob, model: ServedModel) -> None:
        self._job = job
        self._tokenizer = model.tokenizer
        self._common = {
            "id": f"{self.kind}-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model.name,
            "seed": job.seed,
        }

    def opening(self) -> list[ResponseBody]:
        """The first events of a stream."""
        return []

    def event(self, index: int, delta: TextDelta) -> ResponseBody | None:
        """The event for a delta of a choice; None if the delta is empty."""
        if not (delta.text or delta.tokens or delta.finish):
            return None
        return self._event([self._part(index, delta)])

    def usage_event(self, usage: Usage) -> ResponseBody:
        """The event with the token counts."""
        return self._event([], usage)

    def whole(self, deltas: Sequence[Sequence[TextDelta]], usage: Usage) -> ResponseBody:
        """The whole response, from all deltas of each choice."""
        choices = [self._choice(index, joined(each)) for index, each in enumerate(deltas)]
        return self.whole_form(**self._common, choices=choices, usage=usage)

    def _text(self, token: ScoredToken) -> str:
        """The text that a token adds; see `token_text`."""
        if token.content is None:
            return token_text(self._tokenizer, token.token_id)
        return bytes_text(token.content)

    def _event(self, choices: Sequence[ResponseBody], usage: Usage | None = None) -> ResponseBody:
        return self.event_form(**self._common, choices=choices, usage=usage)

    @abstractmethod
    def _choice(self, index: int, delta: TextDelta) -> ResponseBody:
        """A choice of the whole response, where `delta` is its whole text."""

    @abstractmethod
    def _part(self, index: int, delta: TextDelta) -> ResponseBody:
        """The part of a choice that an event contains."""


class CompletionWriter(ResponseWriter):
    """Builds `Completion`."""

    kind = "cmpl"
    whole_form = event_form = Completion

    def _choice(self, index: int, delta: TextDelta) -> ResponseBody:
        return CompletionChoice(
            index=index,
            text=delta.text,
            logprobs=self._logprobs(delta.tokens),
            finish_reason=delta.finish,
        )

    _part = _choice

    def _logprobs(self, tokens: Sequence[ScoredToken]) -> CompletionLogprobs | None:
        if self._job.logprobs is None:
            return None
        likeliest = [
            None
            if token.logprob is None
            else {token_text(self._tokenizer, i): logprob for i, logprob in token.likeliest}
            for token in tokens
        ]
        return CompletionLogprobs(
            tokens=[self._text(token) for token in tokens],
            token_ids=[token.token_id for token in tokens],
            replaced="".join(token.replaced.decode("utf-8", "replace") for token in tokens) or None,
            token_logprobs=[token.logprob for token in tokens],
            top_logprobs=likeliest if self._job.logprobs else None,
            text_offset=[token.offset for token in tokens],
        )


class ChatWriter(ResponseWriter):
    """Builds `ChatCompletion` and `ChatChunk`."""

    kind = "chatcmpl"
    whole_form = ChatCompletion
    event_form = ChatChunk

    def opening(self) -> list[ResponseBody]:
        """See `ResponseWriter`."""
        delta = ChatDelta(role="assistant", content="")
        return [
            self._event([ChatChunkChoice(index=i, delta=delta, logprobs=None, finish_reason=None)])
            for i in range(len(self._job.sequences))
        ]

    def _choice(self, index: int, delta: TextDelta) -> ResponseBody:
        return ChatChoice(
            index=index,
            message=ChatMessage(content=delta.text),
            logprobs=self._logprobs(delta.tokens),
            finish_reason=delta.finish,
        )

    def _part(self, index: int, delta: TextDelta) -> ResponseBody:
        return ChatChunkChoice(
            index=index,
            delta=ChatDelta(content=delta.text) if delta.text else ChatDelta(),
            logprobs=self._logprobs(delta.tokens),
            finish_reason=delta.finish,
        )

    def _logprobs(self, tokens: Sequence[ScoredToken]) -> ChatLogprobs | None:
        if self._job.logprobs is None:
            return None
        return ChatLogprobs(
            content=[
                ChatToken(
                    **self._written(token).__dict__,
                    top_logprobs=[self._likely(i, logprob) for i, logprob in token.likeliest],
                )
                for token in tokens
            ]
        )

    def _written(self, token: ScoredToken) -> LikelyToken:
        assert token.logprob is not None, "a conversation's prompt is not echoed"
        if token.content is None:
            return self._likely(token.token_id, token.logprob)
        content = list(token.content) or None
        return LikelyToken(token=self._text(token), logprob=token.logprob, bytes=content)

    def _likely(self, token_id: int, logprob: float) -> LikelyToken:
        content = self._tokenizer.token_bytes(token_id)
        return LikelyToken(
            token=token_text(self._tokenizer, token_id),
            logprob=logprob,
            bytes=list(content) or None,
        )


def joined(deltas: Sequence[TextDelta]) -> TextDelta:
    """All deltas of a sequence as one."""
    return TextDelta(
        text="".join(delta.text for delta in deltas),
        tokens=tuple(token for delta in deltas for token in delta.tokens),
        finish=deltas[-1].finish,
        new_tokens=deltas[-1].new_tokens,
    )


def token_text(tokenizer: Tokenizer, token_id: int) -> str:
    """A token as text; see `bytes_text`."""
    if token_id == tokenizer.eot_id:
        return EOT_TEXT
    return bytes_text(tokenizer.token_bytes(token_id))


def bytes_text(content: bytes) -> str:
    r"""Bytes as text; a part of a character in OpenAI's notation, such as `bytes:\xe2\x80`."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in content)


class ModelCard(ResponseBody):
    """A served model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "slm"


class ModelList(ResponseBody):
    """The response to `GET /v1/models`."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


class Health(ResponseBody):
    """The response to `GET /healthz`."""

    status: Literal["ok"] = "ok"
    model: str


class ErrorDetail(ResponseBody):
    """The reason why a request was refused."""

    message: str
    type: str
    param: str | None
    """The field of the request that is wrong."""
    code: str | None


class ErrorResponse(ResponseBody):
    """The response to a refused request."""

    error: ErrorDetail
