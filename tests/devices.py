"""Tensors as on devices that this machine may not have."""

from __future__ import annotations

import torch


class MpsTensor(torch.Tensor):
    """As on MPS, which has no float64."""

    def double(self) -> torch.Tensor:  # type: ignore[override]
        raise TypeError("Cannot convert a MPS Tensor to float64 dtype")

    def cpu(self) -> torch.Tensor:  # type: ignore[override]
        return torch.tensor(self.tolist(), dtype=self.dtype)
