"""The draws of a batch that runs, with what they need to know of the texts."""

from __future__ import annotations

from collections.abc import Sequence

from slm.errors import CheckpointError
from slm.generation.decoder import NO_ID, Draw, Logits
from slm.generation.options import GenerationOptions


class Sampler:
    """Draws the next id of each row.

    Args:
        options: how to sample.
        texts: the ids in each row's text so far; needed for the repetition penalty.
        draw: how ids are drawn.
    """

    def __init__(
        self, options: GenerationOptions, texts: Sequence[Sequence[int]], draw: Draw
    ) -> None:
        self.options = options
        self._draw = draw
        self._seen = None if options.repetition_penalty == 1.0 else [set(ids) for ids in texts]

    def next_ids(self, logits: Logits, uniforms: Sequence[float]) -> list[int]:
        """Draw the next id of each row.

        Args:
            logits: [B, V].
            uniforms: see `Draw`.

        Raises:
            CheckpointError: the logits are not finite numbers.
        """
        ids = self._draw(logits, [self.options] * len(logits), uniforms, self._seen)
        if NO_ID in ids:
            raise CheckpointError(
                "the model's logits are not finite numbers",
                hint="its training has diverged; use an earlier checkpoint or train again",
            )
        if self._seen is not None:
            for seen, new_id in zip(self._seen, ids, strict=True):
                seen.add(new_id)
        return ids

    def keep_sequences(self, rows: Sequence[int]) -> None:
        """Keep only these rows, by their places."""
        if self._seen is not None:
            self._seen = [self._seen[row] for row in rows]
