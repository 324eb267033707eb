"""From a validated request to a generation job: prompt ids, options, and the model's bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slm.errors import TokenizerError, shown
from slm.generation.options import MIN_TEMPERATURE, MIN_TOP_P, GenerationOptions
from slm.generation.sequence import TokenSequence
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
"""Default of `max_tokens` for completions; it is OpenAI's."""
CHAT_TOKENS = 200
"""Default of `max_tokens` for chat completions."""
ALWAYS_TOKENIZED_BYTES = 1 << 16
"""A prompt up to this size is tokenized even if it must be too long, to report its length."""


@dataclass(frozen=True)
class ServedModel:
    """The properties of a model that requests are validated against.

    Args:
        name: the name that clients send.
        tokenizer: the model's tokenizer.
        block_size: the context length in tokens.
        max_token_bytes: the length of the longest token in bytes.
    """

    name: str
    tokenizer: Tokenizer
    block_size: int
    max_token_bytes: int

    @classmethod
    def of(cls, name: str, tokenizer: Tokenizer, block_size: int) -> ServedModel:
        """Make one; `max_token_bytes` follows from the tokenizer."""
        longest = max(len(tokenizer.token_bytes(i)) for i in range(tokenizer.vocab_size))
        return cls(name, tokenizer, block_size, longest)

    def max_prompt_tokens(self, *, added_bos: bool, silent: bool) -> int:
        """The maximum prompt length in tokens.

        Args:
            added_bos: a position is taken by the token that begins a text.
            silent: nothing is generated, so the prompt's last token is scored, but not read.
        """
        return self.block_size - added_bos + silent


@dataclass(frozen=True)
class GenerationJob:
    """The sequences that a request asks for, and how their tokens are reported."""

    sequences: list[ServedSequence]
    seed: int
    prompt_tokens: int
    logprobs: int | None
    """How many alternatives are reported with each token; None: no log-probabilities."""


def completion_job(body: CompletionRequest, model: ServedModel, limits: Limits) -> GenerationJob:
    """The sequences of a completion request: all choices of the first prompt, then of the next.

    Raises:
        HttpError: the request exceeds the model or the limits.
    """
    if len(body.prompt) > limits.prompts:
        raise _invalid("prompt", f"must be at most {limits.prompts} prompts", len(body.prompt))
    return _job(
        body,
        body.prompt,
        "prompt",
        model,
        limits,
        max_tokens=_max_tokens(limits, COMPLETION_TOKENS, body.max_tokens),
        logprobs=body.logprobs,
        echo=bool(body.echo),
        with_bos=body.add_special_tokens is not False,
    )


def chat_job(body: ChatRequest, model: ServedModel, limits: Limits) -> GenerationJob:
    """The sequences of a chat request; see `conversation_text`.

    Raises:
        HttpError: the request exceeds the model or the limits.
    """
    return _job(
        body,
        [conversation_text(body.messages)],
        "messages",
        model,
        limits,
        max_tokens=_max_tokens(limits, CHAT_TOKENS, body.max_completion_tokens, body.max_tokens),
        logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        echo=False,
        with_bos=True,
    )


def _max_tokens(limits: Limits, default: int, *fields: int | None) -> int:
    """The first of the fields that is present; -1 means the limit of the server."""
    number = next((number for number in fields if number is not None), None)
    if number is None:
        return min(default, limits.max_tokens)
    return limits.max_tokens if number == -1 else number


def conversation_text(messages: Sequence[Message]) -> str:
    """A conversation as one text, which a base model continues.

    An assistant's message follows the text before it without a gap, because that is how it was
    generated. Every other message begins a new paragraph.
    """
    text = ""
    for message in messages:
        gap = "\n\n" if text and message.role != "assistant" else ""
        text += gap + message.text
    return text


def _job(
    body: GenerationRequest,
    prompts: Sequence[PromptItem],
    field: str,
    model: ServedModel,
    limits: Limits,
    *,
    max_tokens: int,
    logprobs: int | None,
    echo: bool,
    with_bos: bool,
) -> GenerationJob:
    choices = 1 if body.n is None else body.n
    if choices > limits.choices:
        raise _invalid("n", f"must be at most {limits.choices}", choices)
    if max_tokens > limits.max_tokens:
        raise _invalid(_tokens_field(body), f"must be at most {limits.max_tokens:,}", max_tokens)
    texts_and_ids = [
        _as_ids(
            prompt,
            field if len(prompts) == 1 else f"{field}[{index}]",
            model,
            with_bos=with_bos,
            silent=max_tokens == 0,
        )
        for index, prompt in enumerate(prompts)
    ]
    echoed = sum(len(ids) for _, ids in texts_and_ids) if echo else 0
    response_tokens = choices * (len(prompts) * max_tokens + echoed) * (1 + (logprobs or 0))
    if response_tokens > limits.max_response_tokens:
        bound = (
            f"with n, prompts and logprobs requests {response_tokens:,} tokens, "
            f"more than {limits.max_response_tokens:,}"
        )
        raise _invalid(_tokens_field(body), bound, max_tokens)
    options = _options(body, max_tokens)
    seed = options.chosen_seed()
    rows = [
        TokenSequence(
            text,
            model.tokenizer,
            options,
            seed=seed,
            index=index,
            block_size=model.block_size,
            prompt_ids=None if isinstance(prompt, str) else ids,
            with_bos=with_bos,
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


def _options(body: GenerationRequest, max_tokens: int) -> GenerationOptions:
    temperature = 1.0 if body.temperature is None else body.temperature
    return GenerationOptions(
        max_new_tokens=max(1, max_tokens),
        temperature=0.0 if temperature < MIN_TEMPERATURE else temperature,
        top_k=body.top_k,
        top_p=1.0 if body.top_p is None else max(body.top_p, MIN_TOP_P),
        min_p=body.min_p or 0.0,
        repetition_penalty=1.0 if body.repetition_penalty is None else body.repetition_penalty,
        seed=body.seed,
        stop=body.stops,
    )


def _tokens_field(body: GenerationRequest) -> str:
    newer = isinstance(body, ChatRequest) and body.max_completion_tokens is not None
    return "max_completion_tokens" if newer else "max_tokens"


def _as_ids(
    prompt: PromptItem, location: str, model: ServedModel, *, with_bos: bool, silent: bool
) -> tuple[str, list[int]]:
    """A prompt's text and ids.

    Args:
        location: where it is in the request, such as `prompt[1]`.
        with_bos, silent: see `TokenSequence` and `ServedSequence`.
    """
    field = location.partition("[")[0]
    if isinstance(prompt, str):
        limit = model.max_prompt_tokens(added_bos=with_bos, silent=silent)
        n_bytes = len(prompt.encode("utf-8"))
        # Checked before tokenizing, so that no prompt takes long.
        if n_bytes > max(ALWAYS_TOKENIZED_BYTES, limit * model.max_token_bytes):
            at_least = -(-n_bytes // model.max_token_bytes)
            found = f"{len(prompt):,} characters, which are at least {at_least:,} tokens"
            raise _too_long(location, limit, model, found)
        try:
            text, ids = prompt, model.tokenizer.encode(prompt)
        except TokenizerError as error:
            raise HttpError(400, f"{field}: {error.message}", param=field) from None
    else:
        highest = max(prompt)
        if min(prompt) < 0 or highest >= model.tokenizer.vocab_size:
            bad = highest if highest >= model.tokenizer.vocab_size else min(prompt)
            raise _invalid(
                field, f"must contain ids from 0 to {model.tokenizer.vocab_size - 1}", bad
            )
        # If the ids end inside a character, the answer begins with its remaining bytes.
        text, _ = whole_characters(model.tokenizer.decode_bytes(prompt))
        ids = list(prompt)
    added_bos = with_bos and ids[:1] != [model.tokenizer.bos_id]
    limit = model.max_prompt_tokens(added_bos=added_bos, silent=silent)
    if len(ids) > limit:
        raise _too_long(location, limit, model, f"{len(ids):,} tokens")
    return text, ids


def _too_long(location: str, limit: int, model: ServedModel, found: str) -> HttpError:
    """The error for a prompt that is too long; `found`: its length in words."""
    return HttpError(
        400,
        f"{location}: must have at most {limit:,} tokens with a context of {model.block_size:,} "
        f"and these options, found {found}",
        param=location.partition("[")[0],
        code="context_length_exceeded",
    )


def _invalid(field: str, bound: str, found: int) -> HttpError:
    return HttpError(
        400, f"{field}: {bound}, found {shown(found)}", param=field, code="invalid_value"
    )
