"""Prompts to continuations: many at once, or one as it is written.

Sequences (see `slm.generation.sequence`) run through the model together, in waves. A wave reads the
contexts of up to `batch_size` sequences and then adds one token to each per step. A sequence leaves
it when its text ends or its context has to be read again, for example because it was full and its
older half is dropped; it then joins a later wave. So a sequence never depends on the others of its
batch.
"""

from __future__ import annotations

from collections import abc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from slm.config import GPTConfig
from slm.errors import CheckpointError, TokenizerError
from slm.generation.decoder import NO_ID, Decoder, Draw
from slm.generation.options import GenerationOptions
from slm.generation.sampler import next_ids
from slm.generation.sequence import Completion, Row
from slm.tokenizer.base import Tokenizer


class Shaped(Protocol):
    """A model as far as the generator itself looks at it."""

    @property
    def config(self) -> GPTConfig:
        """Its shape."""


@dataclass(frozen=True)
class TokenEvent:
    """One more token of a text that is being written.

    All events' `text` joined is the completion's text. It is often empty: an unfinished character
    or a possible stop string is held back.
    """

    text: str
    token_id: int
    """The sampled id; the end-of-text token's where the story ends. See `Completion.ids`."""
    completion: Completion | None = None
    """With the last event: the whole."""


class Generator:
    """Continues prompts.

    Not for several threads at once: while it works, the model is in evaluation mode.

    Args:
        model: a `GPT`, which works where its parameters are; or what has a decoder of its own.
        tokenizer: the one that the model was trained with.
        dtype: number format of the products and of the cache, as in `slm.hardware.devices.DTYPES`.
        batch_size: rows that run together at most.
        decoder: what runs the model; None: `CachedDecoder`.
        draw: samples ids from the decoder's logits; None: `slm.generation.batch_sampling.draw`.

    Raises:
        TokenizerError: the tokenizer has more ids than the model.
    """

    def __init__(
        self,
        model: Shaped,
        tokenizer: Tokenizer,
        *,
        dtype: str = "float32",
        batch_size: int = 32,
        decoder: Decoder | None = None,
        draw: Draw | None = None,
    ) -> None:
        if tokenizer.vocab_size > model.config.vocab_size:
            raise TokenizerError(
                f"the tokenizer {tokenizer.name} has {tokenizer.vocab_size} ids, "
                f"the model only {model.config.vocab_size}",
                hint="use the tokenizer that the model was trained with",
            )
        assert batch_size >= 1
        self.model = model
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.decoder: Decoder = _plain_decoder(model, dtype) if decoder is None else decoder
        self._draw = _plain_draw() if draw is None else draw

    def complete(
        self, prompts: Sequence[str], options: GenerationOptions | None = None
    ) -> list[Completion]:
        """Continue every prompt, `options.samples` times each.

        A text depends on its prompt, the seed and its index among the prompt's samples only.

        Returns:
            The samples of the first prompt, then those of the second, and so on.

        Raises:
            TokenizerError: a prompt is not valid Unicode.
            CheckpointError: the model's logits are not finite numbers.
        """
        options = options or GenerationOptions()
        seed = options.chosen_seed()
        rows = [
            self._row(prompt, options, seed, index)
            for prompt in prompts
            for index in range(options.samples)
        ]
        with self.decoder.running():
            for _ in self._run(rows):
                pass
        return [row.completion() for row in rows]

    def stream(
        self, prompt: str, options: GenerationOptions | None = None
    ) -> abc.Generator[TokenEvent]:
        """Continue a prompt and give the text token by token; several samples one after another.

        Yields:
            An event for each new token; the last one of a sample holds its completion. The
            texts are those that `complete` gives.

        Raises:
            TokenizerError: the prompt is not valid Unicode.
            CheckpointError: the model's logits are not finite numbers.
        """
        options = options or GenerationOptions()
        seed = options.chosen_seed()
        for index in range(options.samples):
            row = self._row(prompt, options, seed, index)
            n_given = 0
            with self.decoder.running():
                for ids in self._run([row]):
                    done = row.completion() if row.finish_reason is not None else None
                    if len(row.ids) == n_given and done is None:
                        continue  # it was a token of the prompt
                    n_given = len(row.ids)
                    yield TokenEvent(row.take_text(), ids[0], done)

    def _row(self, prompt: str, options: GenerationOptions, seed: int, index: int) -> Row:
        return Row(
            prompt,
            self.tokenizer,
            options,
            seed=seed,
            index=index,
            block_size=self.model.config.block_size,
        )

    def _run(self, rows: Sequence[Row]) -> Iterator[list[int]]:
        """Write all rows to their ends; yields the ids of each step."""
        # Rows of like length share a wave, so that little of it is padding.
        waiting = sorted(rows, key=lambda row: len(row.context))
        while waiting:
            wave, waiting = waiting[: self.batch_size], waiting[self.batch_size :]
            yield from self._run_wave(wave)
            waiting += [row for row in wave if row.finish_reason is None]

    def _run_wave(self, rows: Sequence[Row]) -> Iterator[list[int]]:
        longest = max(len(row.context) for row in rows)
        capacity = max(longest - len(row.context) + row.slots_needed for row in rows)
        vocab_size = self.tokenizer.vocab_size  # a model's ids may be padded to a round number
        logits = self.decoder.prefill([row.context for row in rows], capacity)[:, :vocab_size]
        while True:
            ids = next_ids(rows, logits, self._draw)
            if NO_ID in ids:
                raise CheckpointError(
                    "the model's logits are not finite numbers",
                    hint="its training has diverged; use an earlier checkpoint or train again",
                )
            staying = [i for i, row in enumerate(rows) if row.accept(ids[i])]
            yield ids
            if not staying:
                return
            if len(staying) < len(rows):
                staying = fill_gaps(staying)
                self.decoder.keep_sequences(staying)
                ids = [ids[i] for i in staying]
                rows = [rows[i] for i in staying]
            logits = self.decoder.step(ids)[:, :vocab_size]


def _plain_decoder(model: Shaped, dtype: str) -> Decoder:
    from slm.generation.cached_decoder import CachedDecoder
    from slm.model import GPT

    assert isinstance(model, GPT), "only a GPT can do without a decoder of its own"
    return CachedDecoder(model, dtype)


def _plain_draw() -> Draw:
    from slm.generation.batch_sampling import draw

    return draw


def fill_gaps(staying: list[int]) -> list[int]:
    """Order the staying rows so that most keep their place and the last ones fill the gaps.

    A cache then has to move as many rows as have left before others, and not all of them.
    """
    n_staying = len(staying)
    movers = [row for row in staying if row >= n_staying]
    at_their_place = set(staying)
    return [row if row in at_their_place else movers.pop() for row in range(n_staying)]
