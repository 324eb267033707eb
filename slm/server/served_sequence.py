"""One sequence while it is generated: its next input, and the text to send. No threads, no HTTP."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from slm.generation.engine import Engine
from slm.generation.healing import NewToken, PromptEnd
from slm.generation.next_ids import next_ids
from slm.generation.options import GenerationOptions
from slm.generation.sequence import TokenSequence
from slm.tokenizer.base import Tokenizer

FinishReason = Literal["stop", "length"]
"""OpenAI's terms: `stop` at the end of the story or a stop string, `length` at a limit."""

LOWEST_LOGPROB = -9999.0
"""Replaces minus infinity, which JSON cannot represent."""


@dataclass(frozen=True, slots=True)
class ScoredToken:
    """A token of the answer, with log-probabilities from the model's unfiltered distribution."""

    token_id: int
    logprob: float | None
    """None: it is the first of the prompt, with nothing before it."""
    likeliest: tuple[tuple[int, float], ...]
    """The most likely ids at its position, and their log-probabilities."""
    offset: int
    """Characters of the answer before it."""
    content: bytes | None = None
    """The bytes that it adds to the answer, if these are not all its bytes."""
    replaced: bytes = b""
    """See `NewToken`."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The text that a step has added to a sequence."""

    text: str
    tokens: tuple[ScoredToken, ...] = ()
    """The tokens that were added, if log-probabilities were requested."""
    finish: FinishReason | None = None
    """In the last delta only."""
    new_tokens: int = 0
    """In the last delta: the number of tokens generated in all."""


class ServedSequence:
    """A sequence that a server generates.

    In each step the model reads its `context`, or is extended by its `next_id`. An id is sampled
    from the resulting logits (`sampled_ids`) and handed back (`take`), until it is `finished`.

    Args:
        row: the sequence and its random numbers.
        options: how to sample.
        tokenizer: the model's tokenizer.
        logprobs: the number of alternatives reported with each token; None: no log-probabilities.
        echo: the answer begins with the prompt; with `logprobs`, its tokens are scored too.
        silent: generate no new tokens.
    """

    def __init__(
        self,
        row: TokenSequence,
        options: GenerationOptions,
        tokenizer: Tokenizer,
        *,
        logprobs: int | None = None,
        echo: bool = False,
        silent: bool = False,
    ) -> None:
        self.options = options
        self._row = row
        self._tokenizer = tokenizer
        self._logprobs = logprobs
        self._silent = silent
        self.next_id: int | None = None
        """The id to continue with; None: the model has to read `context` (again)."""
        # A prompt that is scored is read token by token.
        self._unread: deque[int] = deque()
        self._read: list[ScoredToken] = []
        if echo and logprobs is not None:
            self._unread.extend(row.prompt_ids)
            if not row.added_bos:
                self._read.append(self._first_of_all(self._unread.popleft(), logprobs))
        self._first_id = self._read[0].token_id if self._read else tokenizer.bos_id
        self._echo = row.prompt if echo else ""
        self._has_begun = False
        self._offset = 0 if self._unread else len(self._echo)
        self._characters = codecs.getincrementaldecoder("utf-8")(errors="replace")
        if not self._unread:
            self._characters.decode(row.unfinished)
        elif self._read:
            first_bytes = tokenizer.token_bytes(self._first_id)
            self._offset += len(self._characters.decode(first_bytes))

    @property
    def context(self) -> Sequence[int]:
        """The ids to read if `next_id` is None."""
        return [self._first_id] if self._unread else self._row.context

    @property
    def prompt_tokens(self) -> int:
        """The number of tokens of the prompt."""
        return len(self._row.prompt_ids)

    @property
    def vocab_size(self) -> int:
        """The size of its tokenizer's vocabulary."""
        return self._tokenizer.vocab_size

    @property
    def finished(self) -> bool:
        """Whether the last delta was returned."""
        return self._row.finish_reason is not None

    def begin(self) -> TextDelta | None:
        """The text that is known before any computation; call once, before the first `take`."""
        assert not self._has_begun
        self._has_begun = True
        if self._unread:
            return None
        tokens = tuple(self._read)
        if self._silent:
            return self._end(self._echo, tokens)
        return TextDelta(self._echo, tokens) if self._echo or tokens else None

    @property
    def seen(self) -> Collection[int]:
        """The ids in its text, if a repetition penalty applies to them."""
        return self._row.seen

    @property
    def prompt_end(self) -> PromptEnd | None:
        """See `TokenSequence`; None while the prompt is scored, since its own tokens are read."""
        return None if self._unread else self._row.prompt_end

    @property
    def looks_at_logits(self) -> bool:
        """Whether `take` needs the logits."""
        return self._logprobs is not None

    def uniform(self) -> float:
        """The random number in [0, 1] for the next sampling step."""
        return 1.0 if self._unread else self._row.uniform()

    def take(self, token_id: int, logits: Tensor | None = None) -> TextDelta:
        """Append a sampled id, and return the text that it adds.

        Args:
            token_id: is ignored while the prompt itself is scored.
            logits: [V], if the sequence `looks_at_logits`.
        """
        if self._unread:
            return self._score_prompt(logits)
        end = self._row.prompt_end
        sampled_from = logits if end is None else end.logits
        is_decoded_next = self._row.accept(token_id)
        self.next_id = token_id if is_decoded_next else None
        tokens: tuple[ScoredToken, ...] = ()
        if self._logprobs is not None and self._row.newest is not None:
            tokens = (self._scored(token_id, sampled_from, self._row.newest),)
        return self._delta(self._row.take_text(), tokens)

    def cut(self) -> TextDelta:
        """End the sequence here."""
        is_echoed = self._has_begun and not self._unread
        return self._end("" if is_echoed else self._echo)

    def _score_prompt(self, logits: Tensor | None) -> TextDelta:
        token_id = self._unread.popleft()
        itself = NewToken(self._tokenizer.token_bytes(token_id))
        self._read.append(self._scored(token_id, logits, itself))
        self.next_id = token_id
        if self._unread:
            return TextDelta("")
        if self._row.prompt_end is not None:
            self.next_id = None  # the generated text may replace the prompt's last tokens
        tokens = tuple(self._read)
        return self._end(self._echo, tokens) if self._silent else TextDelta(self._echo, tokens)

    def _first_of_all(self, token_id: int, logprobs: int) -> ScoredToken:
        """The first token of a prompt that begins without another; every text begins with BOS."""
        if token_id == self._tokenizer.bos_id:
            return ScoredToken(token_id, 0.0, ((token_id, 0.0),)[:logprobs], offset=0)
        return ScoredToken(token_id, None, (), offset=0)

    def _end(self, text: str, tokens: tuple[ScoredToken, ...] = ()) -> TextDelta:
        self._row.cut()
        return self._delta(text + self._row.take_text(), tokens)

    def _delta(self, text: str, tokens: tuple[ScoredToken, ...] = ()) -> TextDelta:
        if self._row.finish_reason is None:
            return TextDelta(text, tokens)
        finish: FinishReason = "length" if self._row.finish_reason == "length" else "stop"
        return TextDelta(text, tokens, finish, len(self._row.ids))

    def _scored(self, token_id: int, logits: Tensor | None, new: NewToken) -> ScoredToken:
        assert self._logprobs is not None
        assert logits is not None
        logprobs = logits[: self.vocab_size].log_softmax(dim=-1).clamp(min=LOWEST_LOGPROB)
        count = min(self._logprobs, len(logprobs))
        values, ids = logprobs.topk(count)
        offset = self._offset
        self._offset += len(self._characters.decode(new.content))
        return ScoredToken(
            token_id=token_id,
            logprob=float(logprobs[token_id]),
            likeliest=tuple(zip(ids.tolist(), values.tolist(), strict=True)),
            offset=offset,
            content=None if new.content == self._tokenizer.token_bytes(token_id) else new.content,
            replaced=new.replaced,
        )


def sampled_ids(sequences: Sequence[ServedSequence], logits: Tensor, engine: Engine) -> list[int]:
    """Sample the next id of each of the B sequences from logits [B, V]; see `next_ids`.

    Args:
        sequences: all have the same tokenizer, whose vocabulary may be smaller than V.
        engine: the one that made the logits.
    """
    return next_ids(sequences, logits[:, : sequences[0].vocab_size], engine)
