"""A native engine whose logits come as tensors, to be compared with PyTorch's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from slm.model import GPT
from slm.native.engine import NativeEngine, WeightDtype, arrays_of


class NativeTensors:
    """Calls of `NativeEngine`, some for a single slot."""

    def __init__(
        self, model: GPT, n_slots: int, dtype: WeightDtype = "float32", threads: int | None = None
    ) -> None:
        self.engine = NativeEngine(model.config, arrays_of(model), n_slots, dtype, threads=threads)

    def prefill(self, slot: int, ids: Sequence[int]) -> Tensor:
        """[V]."""
        return torch.from_numpy(self.engine.prefill([slot], [ids])[0])

    def all_logits(self, slot: int, ids: Sequence[int]) -> Tensor:
        """[T, V]."""
        return torch.from_numpy(self.engine.all_logits(slot, ids))

    def decode(self, slots: Sequence[int], ids: Sequence[int]) -> Tensor:
        """[n, V]."""
        return torch.from_numpy(self.engine.decode(slots, ids))

    def free(self, slot: int) -> None:
        self.engine.free([slot])

    def surprisal(self, ids: Sequence[int], targets: Sequence[int]) -> Tensor:
        """[T]."""
        return torch.from_numpy(self.engine.surprisal(ids, targets))
