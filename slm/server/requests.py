"""What a checked request means to the model: prompts as ids, options, and the model's bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slm.errors import TokenizerError, shown
from slm.generation.options import MIN_TEMPERATURE, MIN_TOP_P, GenerationOptions
from slm.generation.sequence import Row
from slm.generation.text import whole_characters
from slm.server.http_errors import HttpError
from slm.server.limits import Limits
from slm.server.schemas import (
    ChatRequest,
    CompletionRequest,
    GenerationRequest,
    Message,
    PromptItem,
)
from slm.server.served_sequence import ServedSequence
from slm.tokenizer.base import Tokenizer

COMPLETION_TOKENS = 16
"""New tokens of a completion that asks for no number: OpenAI's."""
CHAT_TOKENS = 200
"""New tokens of an answer that asks for no number."""
COUNTED_BYTES = 1 << 16
"""A text up to this size is tokenized even where it must be too long, to say how long it is."""


@dataclass(frozen=True)
class ServedModel:
    """What a request is measured by.

    Args:
        name: as clients call it.
        tokenizer: its own.
        block_size: its context length.
        longest_token: bytes of the longest token.
    """

    name: str
    tokenizer: Tokenizer
    block_size: int
    longest_token: int

    @classmethod
    def of(cls, name: str, tokenizer: Tokenizer, block_size: int) -> ServedModel:
        """With what follows from the tokenizer."""
        longest = max(len(tokenizer.token_bytes(i)) for i in range(tokenizer.vocab_size))
        return cls(name, tokenizer, block_size, longest)

    @property
    def longest_prompt(self) -> int:
        """Tokens of the longest prompt: before it stands the end-of-text token."""
        return self.block_size - 1


@dataclass(frozen=True)
class GenerationJob:
    """The sequences that a request asks for, and how their tokens are reported."""

    sequences: list[ServedSequence]
    seed: int
    prompt_tokens: int
    logprobs: int | None
    """How many alternatives are reported with each token; None: no log-probabilities."""


def completion_job(asked: CompletionRequest, model: ServedModel, limits: Limits) -> GenerationJob:
    """The texts of a completion request: the choices of the first prompt, then of the second, ...

    Raises:
        HttpError: it goes beyond the model or the limits.
    """
    if len(asked.prompt) > limits.prompts:
        raise _beyond("prompt", f"must be at most {limits.prompts} prompts", len(asked.prompt))
    return _job(
        asked,
        asked.prompt,
        "prompt",
        model,
        limits,
        max_tokens=_most_tokens(limits, COMPLETION_TOKENS, asked.max_tokens),
        logprobs=asked.logprobs,
        echo=bool(asked.echo),
    )


def chat_job(asked: ChatRequest, model: ServedModel, limits: Limits) -> GenerationJob:
    """The texts of a chat request; see `as_one_text`.

    Raises:
        HttpError: it goes beyond the model or the limits.
    """
    return _job(
        asked,
        [as_one_text(asked.messages)],
        "messages",
        model,
        limits,
        max_tokens=_most_tokens(limits, CHAT_TOKENS, asked.max_completion_tokens, asked.max_tokens),
        logprobs=(asked.top_logprobs or 0) if asked.logprobs else None,
        echo=False,
    )


def _most_tokens(limits: Limits, by_itself: int, *asked: int | None) -> int:
    """New tokens at most: the first number that is given, where -1 is all that may be."""
    number = next((number for number in asked if number is not None), None)
    if number is None:
        return min(by_itself, limits.max_tokens)
    return limits.max_tokens if number == -1 else number


def as_one_text(messages: Sequence[Message]) -> str:
    """A conversation as a base model reads it: one text that goes on.

    An assistant's message follows what is before it without a gap, as it was written. Every other
    message begins a new paragraph.
    """
    text = ""
    for message in messages:
        gap = "\n\n" if text and message.role != "assistant" else ""
        text += gap + message.text
    return text


def _job(
    asked: GenerationRequest,
    prompts: Sequence[PromptItem],
    field: str,
    model: ServedModel,
    limits: Limits,
    *,
    max_tokens: int,
    logprobs: int | None,
    echo: bool,
) -> GenerationJob:
    choices = 1 if asked.n is None else asked.n
    if choices > limits.choices:
        raise _beyond("n", f"must be at most {limits.choices}", choices)
    if max_tokens > limits.max_tokens:
        raise _beyond(_tokens_field(asked), f"must be at most {limits.max_tokens:,}", max_tokens)
    texts_and_ids = [
        _as_ids(prompt, field, model, number=index if len(prompts) > 1 else None)
        for index, prompt in enumerate(prompts)
    ]
    echoed = sum(len(ids) for _, ids in texts_and_ids) if echo else 0
    response_tokens = choices * (len(prompts) * max_tokens + echoed) * (1 + (logprobs or 0))
    if response_tokens > limits.max_response_tokens:
        bound = (
            f"with n, prompts and logprobs requests {response_tokens:,} tokens, "
            f"more than {limits.max_response_tokens:,}"
        )
        raise _beyond(_tokens_field(asked), bound, max_tokens)
    options = _options(asked, max_tokens)
    seed = options.chosen_seed()
    rows = [
        Row(
            text,
            model.tokenizer,
            options,
            seed=seed,
            index=index,
            block_size=model.block_size,
            prompt_ids=None if isinstance(prompt, str) else ids,
        )
        for prompt, (text, ids) in zip(prompts, texts_and_ids, strict=True)
        for index in range(choices)
    ]
    return GenerationJob(
        sequences=[
            ServedSequence(
                row, options, model.tokenizer, logprobs=logprobs, echo=echo, silent=max_tokens == 0
            )
            for row in rows
        ],
        seed=seed,
        prompt_tokens=sum(len(row.prompt_ids) for row in rows[::choices]),
        logprobs=logprobs,
    )


def _options(asked: GenerationRequest, max_tokens: int) -> GenerationOptions:
    temperature = 1.0 if asked.temperature is None else asked.temperature
    return GenerationOptions(
        max_new_tokens=max(1, max_tokens),
        temperature=0.0 if temperature < MIN_TEMPERATURE else temperature,
        top_k=asked.top_k,
        top_p=1.0 if asked.top_p is None else max(asked.top_p, MIN_TOP_P),
        min_p=asked.min_p or 0.0,
        repetition_penalty=1.0 if asked.repetition_penalty is None else asked.repetition_penalty,
        seed=asked.seed,
        stop=asked.stops,
    )


def _tokens_field(asked: GenerationRequest) -> str:
    newer = isinstance(asked, ChatRequest) and asked.max_completion_tokens is not None
    return "max_completion_tokens" if newer else "max_tokens"


def _as_ids(
    prompt: PromptItem, field: str, model: ServedModel, *, number: int | None
) -> tuple[str, list[int]]:
    """A prompt's text and ids; `number` is given where it is one of several."""
    if isinstance(prompt, str):
        n_bytes = len(prompt.encode("utf-8"))
        # Before they are counted, so that no text takes long: a token has at most so many bytes.
        if n_bytes > max(COUNTED_BYTES, model.longest_prompt * model.longest_token):
            at_least = -(-n_bytes // model.longest_token)
            raise _too_long(field, model, f"{len(prompt):,} characters", at_least, number)
        try:
            text, ids = prompt, model.tokenizer.encode(prompt)
        except TokenizerError as error:
            raise HttpError(400, f"{field}: {error.message}", param=field) from None
    else:
        highest = max(prompt)
        if min(prompt) < 0 or highest >= model.tokenizer.vocab_size:
            bad = highest if highest >= model.tokenizer.vocab_size else min(prompt)
            raise _beyond(field, f"must hold ids from 0 to {model.tokenizer.vocab_size - 1}", bad)
        # Of a character that the ids end in, the answer's first bytes are the rest.
        text, _ = whole_characters(model.tokenizer.decode_bytes(prompt))
        ids = list(prompt)
    if len(ids) > model.longest_prompt:
        raise _too_long(field, model, f"{len(ids):,} tokens", 0, number)
    return text, ids


def _too_long(
    field: str, model: ServedModel, length: str, at_least: int, number: int | None
) -> HttpError:
    """The refusal of a prompt by its length; `at_least` so many tokens where that is not known."""
    place = field if number is None else f"{field}[{number}]"
    found = f"{length}, which are at least {at_least:,} tokens" if at_least else length
    return HttpError(
        400,
        f"{place}: must have at most {model.longest_prompt:,} tokens, which with the end-of-text "
        f"token before them fill the model's context, found {found}",
        param=field,
        code="context_length_exceeded",
    )


def _beyond(field: str, bound: str, found: int) -> HttpError:
    return HttpError(
        400, f"{field}: {bound}, found {shown(found)}", param=field, code="invalid_value"
    )
