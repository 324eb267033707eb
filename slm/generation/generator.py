"""Prompts to continuations: many at once, or one as it is generated.

Sequences (see `slm.generation.sequence`) run through the engine together, in waves. A wave prefills
the contexts of up to `n_slots` sequences and then adds one token to each per step. A sequence
leaves it when it has ended or when its context has to be read again, for example because the
context was full and its older half is dropped; the sequence then joins a later wave. So a sequence
never depends on the others of its wave.
"""

from __future__ import annotations

from collections import abc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from slm.errors import CheckpointError, ConfigError, TokenizerError, shown
from slm.generation.engine import NO_ID, Engine
from slm.generation.next_ids import next_ids
from slm.generation.options import GenerationOptions, require_text
from slm.generation.sequence import Completion, TokenSequence
from slm.tokenizer.base import Tokenizer


@dataclass(frozen=True)
class TokenEvent:
    """One more token of a continuation.

    The `text` of all events joined is the completion's text. It is often empty: an incomplete
    character or a possible stop string is held back.
    """

    text: str
    token_id: int
    """The sampled id; the end-of-text token's where the story ends. See `Completion.ids`."""
    completion: Completion | None = None
    """The whole continuation, with its last event."""


class Generator:
    """Continues prompts.

    Not thread-safe: while it works, the model is in evaluation mode. Another text may be generated
    before a stream is read to its end; the stream then reads its context again.

    Args:
        engine: runs the model; all of its slots belong to this generator.
        tokenizer: the one that the model was trained with.

    Raises:
        TokenizerError: the tokenizer has more ids than the model.
    """

    def __init__(self, engine: Engine, tokenizer: Tokenizer) -> None:
        if tokenizer.vocab_size > engine.vocab_size:
            raise TokenizerError(
                f"the tokenizer {tokenizer.name} has {tokenizer.vocab_size} ids, "
                f"the model only {engine.vocab_size}",
                hint="use the tokenizer that the model was trained with",
            )
        self.engine = engine
        self.tokenizer = tokenizer
        self._wave: object = None
        """The wave whose sequences are in the slots."""

    def complete(
        self, prompts: Sequence[str], options: GenerationOptions | None = None
    ) -> list[Completion]:
        """Continue every prompt, `options.samples` times each.

        A continuation depends only on its prompt, the seed and its index among the prompt's
        samples.

        Returns:
            The samples of the first prompt, then those of the second, and so on.

        Raises:
            ConfigError: a prompt is not a text, or a text is given in place of several.
            TokenizerError: a prompt is not valid Unicode.
            CheckpointError: the model's logits are not finite.
        """
        if isinstance(prompts, str):  # whose characters would be taken for prompts
            raise ConfigError(
                f"prompts must be a list of strings, found {shown(prompts)}",
                hint="put the text into a list",
            )
        options = options or GenerationOptions()
        seed = options.chosen_seed()
        sequences = [
            self._sequence(prompt, options, seed, index)
            for prompt in prompts
            for index in range(options.samples)
        ]
        for _ in self._run(sequences):
            pass
        return [sequence.completion() for sequence in sequences]

    def stream(
        self, prompt: str, options: GenerationOptions | None = None
    ) -> abc.Generator[TokenEvent]:
        """Continue a prompt token by token; several samples one after another.

        Yields:
            An event for each new token; the last one of a sample has its completion. The
            texts are those that `complete` gives.

        Raises:
            ConfigError: the prompt is not a text.
            TokenizerError: the prompt is not valid Unicode.
            CheckpointError: the model's logits are not finite.
        """
        options = options or GenerationOptions()
        seed = options.chosen_seed()
        for index in range(options.samples):
            sequence = self._sequence(prompt, options, seed, index)
            n_yielded = 0
            for ids in self._run([sequence]):
                done = None if sequence.finish_reason is None else sequence.completion()
                if len(sequence.ids) == n_yielded and done is None:
                    continue  # it was a token of the prompt
                n_yielded = len(sequence.ids)
                yield TokenEvent(sequence.take_text(), ids[0], done)

    def _sequence(
        self, prompt: str, options: GenerationOptions, seed: int, index: int
    ) -> TokenSequence:
        block_size = self.engine.block_size
        require_text("prompt", prompt)
        return TokenSequence(
            prompt, self.tokenizer, options, seed=seed, index=index, block_size=block_size
        )

    def _run(self, sequences: Sequence[TokenSequence]) -> Iterator[list[int]]:
        """Generate all sequences to their ends; yields the ids of each step."""
        # Sequences of similar length share a wave, so that little of it is padding.
        waiting = sorted(sequences, key=lambda sequence: len(sequence.context))
        while waiting:
            wave, waiting = waiting[: self.engine.n_slots], waiting[self.engine.n_slots :]
            yield from self._run_wave(wave)
            waiting += [sequence for sequence in wave if sequence.finish_reason is None]

    def _run_wave(self, sequences: Sequence[TokenSequence]) -> Iterator[list[int]]:
        vocab_size = self.tokenizer.vocab_size  # a model's vocabulary may be padded
        slots = list(range(len(sequences)))
        wave = self._wave = object()
        self.engine.free(range(self.engine.n_slots))  # from a stream that was not read to its end
        logits = self.engine.prefill(slots, [sequence.context for sequence in sequences])
        while True:
            ids = next_ids(sequences, logits[:, :vocab_size], self.engine)
            if NO_ID in ids:
                raise CheckpointError(
                    "the model's logits are not finite numbers",
                    hint="its training has diverged; use an earlier checkpoint or train again",
                )
            is_running = [
                each.accept(token_id) for each, token_id in zip(sequences, ids, strict=True)
            ]
            yield ids
            if self._wave is not wave:
                return  # another text has taken the slots: a later wave reads the context again
            if not all(is_running):
                self.engine.free([slots[i] for i, runs in enumerate(is_running) if not runs])
                staying = [i for i, runs in enumerate(is_running) if runs]
                sequences = [sequences[i] for i in staying]
                slots = [slots[i] for i in staying]
                ids = [ids[i] for i in staying]
            if not sequences:
                return
            logits = self.engine.decode(slots, ids)
