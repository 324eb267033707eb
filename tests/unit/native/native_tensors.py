"""A model in native code whose logits come as tensors, to be compared with PyTorch's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from slm.generation.native_slots import NativeSlots
from slm.model import GPT
from slm.native.engine import NativeModel, WeightFormat, arrays_of


class NativeTensors(NativeSlots):
    """Slots that can also be asked for the logits after every id, and for surprise."""

    def __init__(
        self,
        model: GPT,
        n_slots: int,
        weights: WeightFormat = "float32",
        *,
        threads: int | None = None,
    ) -> None:
        arrays = arrays_of(model)
        super().__init__(NativeModel(model.config, arrays, n_slots, weights, threads=threads))

    def score(self, slot: int, ids: Sequence[int]) -> Tensor:
        return torch.from_numpy(self.native.score(slot, ids))

    def surprise(self, ids: Sequence[int], targets: Sequence[int]) -> Tensor:
        return torch.from_numpy(self.native.surprise(ids, targets))
