"""A sequence that is being generated: its context, its random numbers, and why it ended."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from slm.generation.healing import NewToken, PromptEnd, token_index
from slm.generation.options import GenerationOptions
from slm.generation.text import TextStream, whole_characters
from slm.seeds import mix_seed
from slm.tokenizer.base import Tokenizer

FinishReason = Literal["end", "stop", "length"]
"""The model ended the story; a stop string was found; max_new_tokens were generated."""


@dataclass(frozen=True)
class Completion:
    """A prompt's continuation and how it was generated."""

    prompt: str
    text: str
    """The continuation, without the prompt and without a stop string."""
    ids: tuple[int, ...]
    """Its tokens: those of a stop string are included, the end-of-text token is not.

    If the end of the prompt was healed (`slm.generation.healing`), the first token also contains
    the last characters of the prompt.
    """
    finish_reason: FinishReason
    prompt_tokens: int
    """Tokens of the whole prompt, without the end-of-text token before it."""
    prompt_truncated: bool
    """The prompt was longer than the context, and only its last part was read."""
    context_shifts: int
    """How often the context was full and its older half was dropped."""
    seed: int
    """The same seed, options and prompt give the same text again."""
    index: int
    """Which of the prompt's samples this is, from 0."""

    @property
    def new_tokens(self) -> int:
        """Tokens of the continuation."""
        return len(self.ids)


class TokenSequence:
    """A prompt and the tokens generated so far. It depends on no other sequence.

    Args:
        prompt: the text to continue.
        tokenizer: the model's.
        options: how to sample, and when to stop.
        seed, index: determine the sequence's random numbers.
        block_size: the model's context length.
        prompt_ids: the prompt, if it was given as ids: these are continued as they are.
            None: the tokenizer's ids of its text, the last of which the model may replace.
        with_bos: whether the token that begins a text is put in front, unless it is there. An
            empty prompt always gets it: the model needs something to read.
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
        with_bos: bool = True,
    ) -> None:
        self._tokenizer = tokenizer
        self.prompt = prompt
        self.prompt_ids = tokenizer.encode(prompt) if prompt_ids is None else list(prompt_ids)
        self.options = options
        self.ids: list[int] = []
        self.finish_reason: FinishReason | None = None
        # In training, every story begins after an end-of-text token; ids may bring their own.
        begins = self.prompt_ids[:1]
        self.added_bos = begins != [tokenizer.bos_id] and (with_bos or not begins)
        """Whether the token that begins a text was put before the prompt's own."""
        whole = [tokenizer.bos_id, *self.prompt_ids] if self.added_bos else list(self.prompt_ids)
        self.context = whole[-block_size:]
        """What the model sees: at most block_size ids, the newest last."""
        self.prompt_truncated = len(whole) > block_size
        self.context_shifts = 0
        self.prompt_end: PromptEnd | None = None
        """The prompt's last ids, which are not in the context, until the model has read them."""
        self.newest: NewToken | None = None
        """What the last accepted id added; None if it was the prompt's own or the end of text."""
        self.unfinished = b""
        """The first bytes of an incomplete character at the end of the prompt's ids."""
        if prompt_ids is None:
            self._set_prompt_end()
        else:
            self.unfinished = whole_characters(tokenizer.decode_bytes(self.prompt_ids))[1]
        self.seen: set[int] = set()
        """The ids in it, if a repetition penalty applies."""
        if options.repetition_penalty != 1.0:
            self.seen.update(self.prompt_ids)
        self._seed, self._index = seed, index
        self._random = random.Random(mix_seed(seed, index))
        self._block_size = block_size
        self._stream = TextStream(options.stop, self.unfinished)
        self._parts: list[str] = []
        self._n_taken = 0

    def _set_prompt_end(self) -> None:
        index = token_index(self._tokenizer)
        # The model needs something to read before them.
        n_last = min(index.replaceable(self.prompt_ids), len(self.context) - 1)
        if n_last:
            self.prompt_end = PromptEnd(index, self.context[-n_last:])
            del self.context[-n_last:]

    def uniform(self) -> float:
        """The next random number, above 0 and at most 1."""
        return 1.0 - self._random.random()

    def accept(self, token_id: int) -> bool:
        """Append an id that was read or sampled.

        Returns:
            Whether this id is to be decoded next. False: the sequence has ended, or the context has
            to be prefilled again, because it was full and its older half was dropped, or because
            other ids have replaced the prompt's end.
        """
        self.newest, n_forgotten = None, 0
        added: bytes | None  # to the text; a token of the prompt adds nothing
        if token_id == self._tokenizer.eot_id:
            self._finish("end")
            return False
        if self.prompt_end is None:
            self.newest = NewToken(self._tokenizer.token_bytes(token_id))
            added = self.newest.content
        else:
            self.newest, n_forgotten = self.prompt_end.accept(token_id)
            added = None if self.newest is None else self.newest.content or None
            if self.prompt_end.is_over:
                self.prompt_end = None
        if self.options.repetition_penalty != 1.0:
            self.seen.add(token_id)
        if added is not None:
            self.ids.append(token_id)
            self._parts.append(self._stream.push(added))
            if self._stream.stopped:
                self._finish("stop")
                return False
            if len(self.ids) == self.options.max_new_tokens:
                self._finish("length")
                return False
        self.context[len(self.context) - n_forgotten :] = [token_id]
        if len(self.context) > self._block_size:
            self.context = self.context[-max(1, self._block_size // 2) :]
            self.context_shifts += 1
            return False
        return n_forgotten == 0

    def _finish(self, reason: FinishReason) -> None:
        self._parts.append(self._stream.finish(cut=reason == "length"))
        self.finish_reason = "stop" if self._stream.stopped else reason

    def cut(self) -> None:
        """End the sequence here, as if no more tokens had been requested."""
        self._finish("length")

    def take_text(self) -> str:
        """The text added since the last call."""
        new_parts = self._parts[self._n_taken :]
        self._n_taken = len(self._parts)
        return "".join(new_parts)

    def completion(self) -> Completion:
        """The continuation of a sequence that has ended."""
        assert self.finish_reason is not None
        return Completion(
            prompt=self.prompt,
            text="".join(self._parts),
            ids=tuple(self.ids),
            finish_reason=self.finish_reason,
            prompt_tokens=len(self.prompt_ids),
            prompt_truncated=self.prompt_truncated,
            context_shifts=self.context_shifts,
            seed=self._seed,
            index=self._index,
        )
