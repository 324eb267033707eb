"""Dropout whose mask is a hash where blocks are compiled for a CPU.

A random number per element takes 20 ns there, which is more than the rest of a small model's
training step. A hash of the element's index is vectorized and takes 3 ns; only its two seeds are
random numbers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SPREAD, FIRST, SECOND = -0x61C88647, -0x7A143595, -0x3D4D51CB
"""Odd multipliers as signed 32-bit numbers: the golden ratio's, and those of MurmurHash3's final
mix (Appleby 2011, https://github.com/aappleby/smhasher)."""


class Dropout(nn.Module):
    """In training, sets each element to zero with probability `p` and scales the rest.

    Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return drop(x, self.p) if self.training else x

    def extra_repr(self) -> str:
        return f"p={self.p}"


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Switch dropout off inside the block and restore the mode afterwards."""
    if not model.training:  # most calls are for a single token: visit no module
        return (yield)
    model.eval()
    try:
        yield
    finally:
        model.train()


def drop(x: Tensor, p: float) -> Tensor:
    """Zero with probability `p`, else `x / (1 - p)`, in any shape; seeded by PyTorch's generator.

    Eager steps, other devices and more than 2^31 elements get PyTorch's own function.
    """
    if p == 0.0:
        return x
    if torch.compiler.is_compiling() and x.device.type == "cpu" and x.numel() < 2**31:
        return torch.where(keep_mask(x.shape, p), x * (1.0 / (1.0 - p)), 0.0)
    return F.dropout(x, p)


def keep_mask(shape: torch.Size, p: float) -> Tensor:
    """Which elements are kept: booleans, each True with probability `1 - p`.

    Every call draws other seeds, so masks of different calls are independent.
    """
    seeds = torch.randint(-(2**31), 2**31, (2,), dtype=torch.int64).to(torch.int32)
    # Multiplications wrap at 32 bits. A shift to the right fills with the sign; `&` removes it.
    bits = torch.arange(shape.numel(), dtype=torch.int32) * SPREAD + seeds[0]
    bits = (bits ^ ((bits >> 16) & 0xFFFF)) * FIRST + seeds[1]
    bits = (bits ^ ((bits >> 13) & 0x7FFFF)) * SECOND
    bits = bits ^ ((bits >> 16) & 0xFFFF)
    return ((bits & 0x7FFFFFFF) >= round(p * 2**31)).view(shape)
