"""The next ids of texts that run together, whoever runs them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np

from slm.generation.decoder import NO_ID, Draw, Logits
from slm.generation.healing import PromptEnd, as_floats
from slm.generation.options import GenerationOptions


class Sampled(Protocol):
    """A text as far as its next id depends on it."""

    @property
    def options(self) -> GenerationOptions:
        """How to sample."""

    @property
    def seen(self) -> Collection[int]:
        """The ids in it, where a penalty is on them."""

    @property
    def prompt_end(self) -> PromptEnd | None:
        """The end of its prompt, until the model has read it."""

    def uniform(self) -> float:
        """Its next random number, above 0 and at most 1."""


def next_ids(texts: Sequence[Sampled], logits: Logits, draw: Draw) -> list[int]:
    """The next id of each text: read from its prompt, or drawn.

    An id depends on its own text and logits only.

    Args:
        texts: B of them.
        logits: [B, V], with the ids of the tokenizer alone.
        draw: how ids are drawn.

    Returns:
        B ids; `NO_ID` where the logits are not finite numbers.
    """
    ids = [NO_ID] * len(texts)
    free = [row for row, text in enumerate(texts) if text.prompt_end is None]
    if free:
        some = logits if len(free) == len(texts) else logits[free]
        for row, token_id in zip(
            free, _drawn([texts[row] for row in free], some, draw), strict=True
        ):
            ids[row] = token_id
    for row, text in enumerate(texts):
        if text.prompt_end is not None:
            ids[row] = _next_of_prompt(text, text.prompt_end, logits[row], draw)
    return ids


def _drawn(texts: Sequence[Sampled], logits: Logits, draw: Draw) -> list[int]:
    seen = [text.seen for text in texts]
    return draw(
        logits,
        [text.options for text in texts],
        [text.uniform() for text in texts],
        seen if any(seen) else None,
    )


def _next_of_prompt(text: Sampled, end: PromptEnd, logits: Logits, draw: Draw) -> int:
    """The next of the prompt's own ids, or one drawn from those that can stand for it."""
    own_id = end.own_next(logits)
    if own_id is not None:
        return own_id
    candidates = end.candidates
    few = as_floats(end.logits)[candidates].astype(np.float32)[None]
    seen = [place for place, token_id in enumerate(candidates.tolist()) if token_id in text.seen]
    (place,) = draw(few, [text.options], [text.uniform()], [seen] if seen else None)
    return NO_ID if place == NO_ID else int(candidates[place])
