"""Normalisation and the two kinds of MLP.

Shapes: B sequences, T tokens, C = n_embd, M = mlp_width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slm.config import GPTConfig
from slm.model.precision import for_products


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
        # One fused kernel for the formula above; the tests hold it to the formula.
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

    GELU in its tanh form, as GPT-2 has it: Hendrycks & Gimpel 2016,
    https://arxiv.org/abs/1606.08415.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.up_proj = nn.Linear(config.n_embd, config.mlp_width, bias=config.bias)
        self.down_proj = nn.Linear(config.mlp_width, config.n_embd, bias=config.bias)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = F.gelu(self.up_proj(x), approximate="tanh")
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
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = for_products(x)
        hidden: Tensor = F.silu(self.gate_proj(x)) * self.up_proj(x)
        projected: Tensor = self.dropout(self.down_proj(hidden))
        return projected


def build_mlp(config: GPTConfig) -> nn.Module:
    """The MLP that a config names."""
    return SwiGLU(config) if config.mlp == "swiglu" else GeluMLP(config)
