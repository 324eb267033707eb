"""The next ids of sequences that run together: read from the prompt, or sampled."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np

from slm.generation.engine import NO_ID, Engine, Logits
from slm.generation.healing import PromptEnd, as_floats
from slm.generation.options import GenerationOptions


class RunningSequence(Protocol):
    """A sequence as far as its next id depends on it; see `slm.generation.sequence`."""

    @property
    def options(self) -> GenerationOptions:
        """How to sample."""

    @property
    def seen(self) -> Collection[int]:
        """The ids in it, where the repetition penalty applies."""

    @property
    def prompt_end(self) -> PromptEnd | None:
        """The end of its prompt, until the model has read it."""

    def uniform(self) -> float:
        """Its next random number, above 0 and at most 1."""


def next_ids(sequences: Sequence[RunningSequence], logits: Logits, engine: Engine) -> list[int]:
    """The next id of each sequence. It depends on its own sequence and logits only.

    Args:
        sequences: n of them.
        logits: [n, V], V ids of the tokenizer.
        engine: samples.

    Returns:
        n ids; `NO_ID` where the logits are not finite.
    """
    ids = [NO_ID] * len(sequences)
    sampled = [row for row, each in enumerate(sequences) if each.prompt_end is None]
    if sampled:
        some = logits if len(sampled) == len(sequences) else logits[sampled]
        found = _sample([sequences[row] for row in sampled], some, engine)
        for row, token_id in zip(sampled, found, strict=True):
            ids[row] = token_id
    for row, each in enumerate(sequences):
        if each.prompt_end is not None:
            ids[row] = _next_of_prompt(each, each.prompt_end, logits[row], engine)
    return ids


def _sample(sequences: Sequence[RunningSequence], logits: Logits, engine: Engine) -> list[int]:
    seen = [each.seen for each in sequences]
    return engine.sample(
        logits,
        [each.options for each in sequences],
        [each.uniform() for each in sequences],
        seen if any(seen) else None,
    )


def _next_of_prompt(
    sequence: RunningSequence, end: PromptEnd, logits: Logits, engine: Engine
) -> int:
    """The prompt's own next id, or one sampled from the candidates that can replace it."""
    own_id = end.own_next(logits)
    if own_id is not None:
        return own_id
    candidates = end.candidates
    few = as_floats(end.logits)[candidates].astype(np.float32)[None]
    seen = [i for i, token_id in enumerate(candidates.tolist()) if token_id in sequence.seen]
    options, uniforms = [sequence.options], [sequence.uniform()]
    (column,) = engine.sample(few, options, uniforms, [seen] if seen else None)
    return NO_ID if column == NO_ID else int(candidates[column])
