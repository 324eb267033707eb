"""Rotary positions: queries and keys are turned by an angle that grows with their position.

Pair i of a head's D features turns by `position * theta^(-2i/D)`, so that the product of a query
and a key depends on their distance only. Su et al. 2021, https://arxiv.org/abs/2104.09864. The
pairs are (i, i + D/2), the half-split layout of GPT-NeoX, Llama's transformers port, and Qwen3.
"""

from __future__ import annotations

import torch
from torch import Tensor


def rotary_tables(block_size: int, head_width: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines of every angle, each [block_size, head_width / 2] in float32."""
    exponents = torch.arange(0, head_width, 2, dtype=torch.float32) / head_width
    wavelengths = theta**-exponents
    angles = torch.arange(block_size, dtype=torch.float32)[:, None] * wavelengths[None, :]
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each feature pair of `x`.

    Args:
        x: [B, H, T, D].
        cos, sin: [T, D/2], or [B, 1, T, D/2] where the rows of a batch differ in position.

    Returns:
        [B, H, T, D] in the dtype of `x`.
    """
    first, second = x.float().chunk(2, dim=-1)
    turned = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
    return turned.to(x.dtype)
