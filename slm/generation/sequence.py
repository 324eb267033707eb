"""One text that is being written: its context, its own randomness, and why it ended."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from slm import runtime
from slm.generation.options import GenerationOptions
from slm.generation.text import TextStream, whole_characters
from slm.tokenizer.base import Tokenizer

FinishReason = Literal["end", "stop", "length"]
"""The model ended the story; a stop string was met; max_new_tokens were written."""


@dataclass(frozen=True)
class Completion:
    """A prompt's continuation and how it came about."""

    prompt: str
    text: str
    """The continuation, without the prompt and without a stop string."""
    ids: tuple[int, ...]
    """Its tokens, those of a stop string included, the end-of-text token not."""
    finish_reason: FinishReason
    prompt_tokens: int
    """Tokens of the whole prompt; the end-of-text token set before it is not counted."""
    prompt_truncated: bool
    """The prompt was longer than the context, and only its last part was read."""
    context_shifts: int
    """How often the context was full and its older half was forgotten."""
    seed: int
    """With this seed, and the same options and prompt, the same text comes again."""
    index: int
    """Which of the prompt's samples this is, from 0."""

    @property
    def new_tokens(self) -> int:
        """Tokens of the continuation."""
        return len(self.ids)


class Row:
    """A text in progress. Nothing in it depends on the other rows of its batch.

    Args:
        prompt: what is continued.
        tokenizer: the model's.
        options: when to stop.
        seed, index: decide the row's random numbers.
        block_size: the model's context length.
        prompt_ids: the prompt's ids, where they are known or are not those of its text; None:
            those that the tokenizer gives.
    """

    def __init__(
        self,
        prompt: str,
        tokenizer: Tokenizer,
        options: GenerationOptions,
        *,
        seed: int,
        index: int,
        block_size: int,
        prompt_ids: Sequence[int] | None = None,
    ) -> None:
        self.prompt = prompt
        self.prompt_ids = tokenizer.encode(prompt) if prompt_ids is None else list(prompt_ids)
        self.ids: list[int] = []
        self.finish_reason: FinishReason | None = None
        # In training, every story begins after an end-of-text token.
        whole = [tokenizer.eot_id, *self.prompt_ids]
        self.context = whole[-block_size:]
        """What the model sees: ends with the newest id, never more than block_size ids."""
        self.prompt_truncated = len(whole) > block_size
        self.context_shifts = 0
        self._seed, self._index = seed, index
        self._random = random.Random(runtime.mix_seed(seed, index))
        self._tokenizer = tokenizer
        self._block_size = block_size
        self._max_new_tokens = options.max_new_tokens
        self.unfinished = b""
        """The first bytes of a character that the prompt's ids end in."""
        if prompt_ids is not None:
            self.unfinished = whole_characters(tokenizer.decode_bytes(self.prompt_ids))[1]
        self._stream = TextStream(options.stop, self.unfinished)
        self._pieces: list[str] = []
        self._n_taken = 0

    def uniform(self) -> float:
        """The row's next random number, above 0 and at most 1."""
        return 1.0 - self._random.random()

    @property
    def slots_needed(self) -> int:
        """Cache slots for the context and for what can follow before it is full or all is written.

        The last id that is sampled is never fed to the model.
        """
        still_to_write = self._max_new_tokens - len(self.ids)
        return min(self._block_size, len(self.context) + still_to_write - 1)

    def accept(self, token_id: int) -> bool:
        """Add a sampled id; returns whether the running batch can go on with this row.

        It cannot when the text has ended, or when the context was full: then its older half is
        forgotten, and the rest has to be read again at its new positions.
        """
        if token_id == self._tokenizer.eot_id:
            self._finish("end")
            return False
        self.ids.append(token_id)
        self._pieces.append(self._stream.push(self._tokenizer.token_bytes(token_id)))
        if self._stream.stopped:
            self._finish("stop")
            return False
        if len(self.ids) == self._max_new_tokens:
            self._finish("length")
            return False
        self.context.append(token_id)
        if len(self.context) > self._block_size:
            self.context = self.context[-max(1, self._block_size // 2) :]
            self.context_shifts += 1
            return False
        return True

    def _finish(self, reason: FinishReason) -> None:
        self._pieces.append(self._stream.finish(cut=reason == "length"))
        self.finish_reason = "stop" if self._stream.stopped else reason

    def cut(self) -> None:
        """End the text here, as if no more tokens had been asked for."""
        self._finish("length")

    def take_text(self) -> str:
        """The text that was added since the last call."""
        new_pieces = self._pieces[self._n_taken :]
        self._n_taken = len(self._pieces)
        return "".join(new_pieces)

    def completion(self) -> Completion:
        """The finished text."""
        assert self.finish_reason is not None
        return Completion(
            prompt=self.prompt,
            text="".join(self._pieces),
            ids=tuple(self.ids),
            finish_reason=self.finish_reason,
            prompt_tokens=len(self.prompt_ids),
            prompt_truncated=self.prompt_truncated,
            context_shifts=self.context_shifts,
            seed=self._seed,
            index=self._index,
        )
