"""A batch of texts, as the generator asks for it, on top of independent slots."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


class ArraySlots(Protocol):
    """`slm.generation.slots.Slots`, with whatever NumPy takes for an array as logits."""

    def admit(self, slot: int, ids: Sequence[int]) -> Any:
        """See `Slots`."""

    def advance(self, slots: Sequence[int], ids: Sequence[int]) -> Any:
        """See `Slots`."""

    def release(self, slot: int) -> None:
        """See `Slots`."""


class SlotDecoder:
    """See `slm.generation.decoder.Decoder`: row i of the batch is a slot, whichever is free.

    Logits are arrays.

    Args:
        slots: all of them are this decoder's.
    """

    def __init__(self, slots: ArraySlots) -> None:
        self.slots = slots
        self._of_row: list[int] = []

    def running(self) -> AbstractContextManager[object]:
        """See `Decoder`; there is nothing to do."""
        return nullcontext()

    def prefill(self, contexts: Sequence[Sequence[int]], capacity: int) -> npt.NDArray[np.float32]:
        """See `Decoder`; there are at most as many rows as slots."""
        self._release(self._of_row)
        self._of_row = list(range(len(contexts)))
        admitted = zip(self._of_row, contexts, strict=True)
        return np.stack([np.asarray(self.slots.admit(slot, ids)) for slot, ids in admitted])

    def step(self, ids: Sequence[int]) -> npt.NDArray[np.float32]:
        """See `Decoder`."""
        return np.asarray(self.slots.advance(self._of_row, ids))

    def keep_sequences(self, rows: Sequence[int]) -> None:
        """See `Decoder`; nothing is moved."""
        kept = [self._of_row[row] for row in rows]
        self._release(set(self._of_row).difference(kept))
        self._of_row = kept

    def _release(self, slots: Sequence[int] | set[int]) -> None:
        for slot in slots:
            self.slots.release(slot)
