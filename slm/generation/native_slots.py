"""Native code with the tensors of PyTorch around it: what a server needs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from slm.native.engine import NativeModel


class NativeSlots:
    """See `slm.generation.slots.Slots`; its logits share the memory of the native model's."""

    def __init__(self, native: NativeModel) -> None:
        self.native = native
        self.n_slots = native.n_slots
        self.block_size = native.block_size
        self.vocab_size = native.vocab_size

    def admit(self, slot: int, ids: Sequence[int]) -> Tensor:
        """See `Slots`."""
        return torch.from_numpy(self.native.admit(slot, ids))

    def advance(self, slots: Sequence[int], ids: Sequence[int]) -> Tensor:
        """See `Slots`."""
        return torch.from_numpy(self.native.advance(slots, ids))

    def release(self, slot: int) -> None:
        """See `Slots`; the memory is kept for the next texts, in whichever slots."""
        self.native.release(slot)
