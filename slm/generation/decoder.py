"""What generation asks of whatever runs a model, and of whatever draws ids from its logits.

Logits are PyTorch's tensors or NumPy's arrays: those who make them and those who draw from them
agree, and nobody between looks inside. B rows, V ids.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from slm.generation.options import GenerationOptions

Logits = Any
NO_ID = -1
"""Instead of an id, where the logits are no numbers to draw by."""


class Decoder(Protocol):
    """A batch of texts in progress: reads the contexts, then one token a row at a time."""

    def running(self) -> AbstractContextManager[object]:
        """Entered for the time that texts are written."""

    def prefill(self, contexts: Sequence[Sequence[int]], capacity: int) -> Logits:
        """Begin a new batch and return the logits [B, V] after each context.

        Args:
            contexts: B lists of at least one and at most block_size ids, of any lengths.
            capacity: slots a row that this batch will need at most, padding included.
        """

    def step(self, ids: Sequence[int]) -> Logits:
        """Add one id a row (B of them) and return the logits [B, V] after it."""

    def keep_sequences(self, rows: Sequence[int]) -> None:
        """Go on with these rows only, by their places."""


class Draw(Protocol):
    """Filters each row and draws an id from it.

    A row's id depends on its own logits, options, number and seen ids only.
    """

    def __call__(
        self,
        logits: Logits,
        options: Sequence[GenerationOptions],
        uniforms: Sequence[float],
        seen: Sequence[Collection[int]] | None = None,
    ) -> list[int]:
        """Draw.

        Args:
            logits: [B, V].
            options: which filters are on, for each row.
            uniforms: one number per sequence, as for `slm.generation.sampling.sample`; ignored at
                temperature 0.
            seen: the ids in each row's text, for the repetition penalty; None: it is not applied.

        Returns:
            B ids; `NO_ID` where a logit is NaN or plus infinity, or none is finite.
        """
