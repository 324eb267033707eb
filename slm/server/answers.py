"""What is answered: the objects of OpenAI's API, and the two ways to fill them.

Both kinds of answer hold the `seed` besides, with which the same text comes again.
"""

from __future__ import annotations

import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from slm.server.asking import Job, Model
from slm.server.streams import Finish, Piece, ScoredToken
from slm.tokenizer.base import EOT_TEXT, Tokenizer


class Answer(BaseModel):
    """Any object of an answer."""

    model_config = ConfigDict(protected_namespaces=(), use_attribute_docstrings=True)


class Usage(Answer):
    """Numbers of tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompletionLogprobs(Answer):
    """Log-probabilities of the model itself, before temperature and filters."""

    tokens: list[str]
    token_ids: list[int]
    """What `tokens` are to the model; not of OpenAI's API. A prompt may consist of them."""
    replaced: str | None = Field(default=None, exclude_if=lambda value: value is None)
    """The end of the prompt, where the first of these tokens stand for it as well, in place of the
    prompt's own; else left out. Not of OpenAI's API."""
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]] | None
    text_offset: list[int]
    """Characters of the text before each token."""


class CompletionChoice(Answer):
    """One continuation."""

    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: Finish | None


class Completion(Answer):
    """The answer to `POST /v1/completions`, or an event of its stream."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[CompletionChoice]
    seed: int
    usage: Usage | None = None


class LikelyToken(Answer):
    """A token that could have come, and its log-probability."""

    token: str
    logprob: float
    bytes: list[int] | None


class ChatToken(LikelyToken):
    """A token of the answer."""

    top_logprobs: list[LikelyToken]


class ChatLogprobs(Answer):
    """Log-probabilities of the model itself, before temperature and filters."""

    content: list[ChatToken]


class ChatMessage(Answer):
    """What the model says."""

    role: Literal["assistant"] = "assistant"
    content: str


class ChatChoice(Answer):
    """One answer."""

    index: int
    message: ChatMessage
    logprobs: ChatLogprobs | None
    finish_reason: Finish | None


class ChatCompletion(Answer):
    """The answer to `POST /v1/chat/completions`."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    seed: int
    usage: Usage


class ChatDelta(Answer):
    """What an event adds to a message."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChatChunkChoice(Answer):
    """What an event adds to an answer."""

    index: int
    delta: ChatDelta
    logprobs: ChatLogprobs | None
    finish_reason: Finish | None


class ChatChunk(Answer):
    """An event of a stream of `POST /v1/chat/completions`."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChatChunkChoice]
    seed: int
    usage: Usage | None = None


class Writer(ABC):
    """Fills the objects of one kind of answer."""

    kind: ClassVar[str]
    """The beginning of the answers' ids."""
    whole_form: ClassVar[type[Answer]]
    event_form: ClassVar[type[Answer]]

    def __init__(self, job: Job, model: Model) -> None:
        self._job = job
        self._tokenizer = model.tokenizer
        self._common = {
            "id": f"{self.kind}-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model.name,
            "seed": job.seed,
        }

    def opening(self) -> list[Answer]:
        """The events with which a stream begins."""
        return []

    def event(self, index: int, piece: Piece) -> Answer | None:
        """The event for a piece of a choice; None where there is nothing to tell."""
        if not (piece.text or piece.tokens or piece.finish):
            return None
        return self._event([self._part(index, piece)])

    def usage_event(self, usage: Usage) -> Answer:
        """The event with the numbers of tokens."""
        return self._event([], usage)

    def whole(self, pieces: Sequence[Sequence[Piece]], usage: Usage) -> Answer:
        """The answer in one, from all pieces of each choice."""
        choices = [self._choice(index, joined(each)) for index, each in enumerate(pieces)]
        return self.whole_form(**self._common, choices=choices, usage=usage)

    def _text(self, token: ScoredToken) -> str:
        """What a token adds to the answer; see `token_text`."""
        if token.content is None:
            return token_text(self._tokenizer, token.token_id)
        return bytes_text(token.content)

    def _event(self, choices: Sequence[Answer], usage: Usage | None = None) -> Answer:
        return self.event_form(**self._common, choices=choices, usage=usage)

    @abstractmethod
    def _choice(self, index: int, piece: Piece) -> Answer:
        """A choice of the whole answer, of which `piece` is all."""

    @abstractmethod
    def _part(self, index: int, piece: Piece) -> Answer:
        """What a piece adds to a choice."""


class CompletionWriter(Writer):
    """Fills `Completion`."""

    kind = "cmpl"
    whole_form = event_form = Completion

    def _choice(self, index: int, piece: Piece) -> Answer:
        return CompletionChoice(
            index=index,
            text=piece.text,
            logprobs=self._logprobs(piece.tokens),
            finish_reason=piece.finish,
        )

    _part = _choice

    def _logprobs(self, tokens: Sequence[ScoredToken]) -> CompletionLogprobs | None:
        if self._job.logprobs is None:
            return None
        likeliest = [
            {token_text(self._tokenizer, i): logprob for i, logprob in token.likeliest}
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


class ChatWriter(Writer):
    """Fills `ChatCompletion` and `ChatChunk`."""

    kind = "chatcmpl"
    whole_form = ChatCompletion
    event_form = ChatChunk

    def opening(self) -> list[Answer]:
        """See `Writer`."""
        delta = ChatDelta(role="assistant", content="")
        return [
            self._event([ChatChunkChoice(index=i, delta=delta, logprobs=None, finish_reason=None)])
            for i in range(len(self._job.streams))
        ]

    def _choice(self, index: int, piece: Piece) -> Answer:
        return ChatChoice(
            index=index,
            message=ChatMessage(content=piece.text),
            logprobs=self._logprobs(piece.tokens),
            finish_reason=piece.finish,
        )

    def _part(self, index: int, piece: Piece) -> Answer:
        return ChatChunkChoice(
            index=index,
            delta=ChatDelta(content=piece.text) if piece.text else ChatDelta(),
            logprobs=self._logprobs(piece.tokens),
            finish_reason=piece.finish,
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


def joined(pieces: Sequence[Piece]) -> Piece:
    """All pieces of a text as one."""
    return Piece(
        text="".join(piece.text for piece in pieces),
        tokens=tuple(token for piece in pieces for token in piece.tokens),
        finish=pieces[-1].finish,
        new_tokens=pieces[-1].new_tokens,
    )


def token_text(tokenizer: Tokenizer, token_id: int) -> str:
    """A token as text; see `bytes_text`."""
    if token_id == tokenizer.eot_id:
        return EOT_TEXT
    return bytes_text(tokenizer.token_bytes(token_id))


def bytes_text(content: bytes) -> str:
    r"""Bytes as text: `bytes:\xe2\x80` where they are a part of a character, as OpenAI has it."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in content)


class ModelCard(Answer):
    """A model that is served."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "slm"


class ModelList(Answer):
    """The answer to `GET /v1/models`."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


class Health(Answer):
    """The answer to `GET /healthz`."""

    status: Literal["ok"] = "ok"
    model: str


class Problem(Answer):
    """Why a request was refused."""

    message: str
    type: str
    param: str | None
    """The field of the request that it is about."""
    code: str | None


class ProblemAnswer(Answer):
    """The answer to a request that was refused."""

    error: Problem
