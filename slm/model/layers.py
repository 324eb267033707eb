"""The small parts of a block: norms, MLPs, rotary positions, and the dtype to compute in.

Shapes: B sequences, H heads, T tokens, C = n_embd, M = mlp_width, D = head width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slm.config import GPTConfig
from slm.model.dropout import Dropout

Rotation = tuple[Tensor, Tensor]
"""Cosines and sines of the tokens' positions, as `rotate` takes them."""


def compute_dtype(x: Tensor) -> torch.dtype:
    """The dtype of matrix multiplications with `x`: autocast's where it is on, else its own."""
    device_type = x.device.type
    if torch.amp.is_autocast_available(device_type) and torch.is_autocast_enabled(device_type):
        return torch.get_autocast_dtype(device_type)
    return x.dtype


def to_compute_dtype(x: Tensor) -> Tensor:
    """Convert `x` once where several matrix multiplications read it."""
    return x.to(compute_dtype(x))


class LayerNorm(nn.Module):
    """LayerNorm with an optional bias: `(x - mean) / sqrt(variance + eps) * weight + bias`.

    Over the last dimension of any shape. Ba, Kiros & Hinton 2016, https://arxiv.org/abs/1607.06450.
    """

    def __init__(self, width: int, *, eps: float, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        # One fused kernel for the formula above; a test compares the two.
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


class RMSNorm(nn.Module):
    """Root-mean-square norm: `x / sqrt(mean(x^2) + eps) * weight`, computed in float32.

    Over the last dimension of any shape. Zhang & Sennrich 2019, https://arxiv.org/abs/1910.07467.
    """

    def __init__(self, width: int, *, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        x32 = x.float()
        scale = torch.rsqrt(x32.square().mean(dim=-1, keepdim=True) + self.eps)
        return (x32 * scale * self.weight).to(x.dtype)


def build_norm(config: GPTConfig) -> nn.Module:
    """The norm that a config names, over the width of the residual stream."""
    if config.norm == "rmsnorm":
        return RMSNorm(config.n_embd, eps=config.norm_eps)
    return LayerNorm(config.n_embd, eps=config.norm_eps, bias=config.bias)


class GeluMLP(nn.Module):
    """Two linear layers with GELU between them, [B, T, C] -> [B, T, M] -> [B, T, C].

    GELU, or its tanh approximation as in GPT-2: Hendrycks & Gimpel 2016,
    https://arxiv.org/abs/1606.08415.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.up_proj = nn.Linear(config.n_embd, config.mlp_width, bias=config.bias)
        self.down_proj = nn.Linear(config.mlp_width, config.n_embd, bias=config.bias)
        self.dropout = Dropout(config.dropout)
        self.approximate = "tanh" if config.mlp == "gelu" else "none"

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = F.gelu(self.up_proj(x), approximate=self.approximate)
        projected: Tensor = self.dropout(self.down_proj(hidden))
        return projected


class SwiGLU(nn.Module):
    """A gated MLP, `down(silu(gate(x)) * up(x))`, [B, T, C] -> [B, T, M] -> [B, T, C].

    Shazeer 2020, https://arxiv.org/abs/2002.05202.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.n_embd, config.mlp_width, bias=config.bias)
        self.up_proj = nn.Linear(config.n_embd, config.mlp_width, bias=config.bias)
        self.down_proj = nn.Linear(config.mlp_width, config.n_embd, bias=config.bias)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = to_compute_dtype(x)
        hidden: Tensor = F.silu(self.gate_proj(x)) * self.up_proj(x)
        projected: Tensor = self.dropout(self.down_proj(hidden))
        return projected


def build_mlp(config: GPTConfig) -> nn.Module:
    """The MLP that the config names."""
    return SwiGLU(config) if config.mlp == "swiglu" else GeluMLP(config)


def rotary_tables(block_size: int, head_width: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines of all rotation angles, each [block_size, head_width / 2] in float32."""
    exponents = torch.arange(0, head_width, 2, dtype=torch.float32) / head_width
    frequencies = theta**-exponents
    angles = torch.arange(block_size, dtype=torch.float32)[:, None] * frequencies[None, :]
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate each pair of features by an angle that grows with the token's position.

    Pair i of a head's D features is rotated by `position * theta^(-2i/D)`, so that the dot product
    of a query and a key depends only on their distance. Su et al. 2021,
    https://arxiv.org/abs/2104.09864. The pairs are (i, i + D/2): the half-split layout of GPT-NeoX,
    of transformers' Llama, and of Qwen3.

    Args:
        x: [B, H, T, D].
        cos, sin: [T, D/2], or [B, 1, T, D/2] where the sequences of a batch differ in position.

    Returns:
        [B, H, T, D] in the dtype of `x`.
    """
    first, second = x.float().chunk(2, dim=-1)
    rotated = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
    return rotated.to(x.dtype)
