"""A batch of texts, as the generator asks for it, on top of independent slots."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from slm.generate.slots import Slots


class SlotDecoder:
    """See `slm.generate.decoder.Decoder`: row i of the batch is a slot, whichever is free.

    Args:
        slots: all of them are this decoder's.
    """

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self._of_row: list[int] = []

    def prefill(self, contexts: Sequence[Sequence[int]], capacity: int) -> Tensor:
        """See `Decoder`; there are at most as many rows as slots."""
        self._release(self._of_row)
        self._of_row = list(range(len(contexts)))
        return torch.stack(
            [self.slots.admit(slot, ids) for slot, ids in zip(self._of_row, contexts, strict=True)]
        )

    def step(self, ids: Tensor) -> Tensor:
        """See `Decoder`."""
        return self.slots.advance(self._of_row, ids.tolist())

    def keep_rows(self, rows: Tensor) -> None:
        """See `Decoder`; nothing is moved."""
        kept = [self._of_row[row] for row in rows.tolist()]
        self._release(set(self._of_row).difference(kept))
        self._of_row = kept

    def _release(self, slots: Sequence[int] | set[int]) -> None:
        for slot in slots:
            self.slots.release(slot)
