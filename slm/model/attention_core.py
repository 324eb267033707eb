"""The core of attention: softmax(q k^T / sqrt(D)) v, by PyTorch's fused kernel or in plain sight.

Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, section 3.2.1. Both ways are tested equal;
this file is the only place that knows more than one.

Shapes: B sequences, H query heads, T queries, S keys, D head width.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Kernel = Literal["sdpa", "plain"]


def best_kernel() -> Kernel:
    """`sdpa` where this PyTorch has it, else `plain`."""
    return "sdpa" if hasattr(F, "scaled_dot_product_attention") else "plain"


def attend(
    q_bhtd: Tensor,
    k_bhsd: Tensor,
    v_bhsd: Tensor,
    *,
    visible: Tensor | None,
    dropout: float,
    kernel: Kernel,
) -> Tensor:
    """Mix the values by how well their keys fit each query.

    Args:
        q_bhtd: queries [B, H, T, D].
        k_bhsd, v_bhsd: keys and values [B, H, S, D].
        visible: which key each query may see, boolean, broadcastable to [B, H, T, S]. None: query t
            sees the keys up to its own place, the last query being at the last key.
        dropout: probability of dropping an attention weight.
        kernel: which implementation.

    Returns:
        [B, H, T, D].
    """
    n_queries, n_keys = q_bhtd.size(2), k_bhsd.size(2)
    if visible is None and 1 < n_queries < n_keys:
        visible = causal_mask(n_queries, n_keys, device=q_bhtd.device)
    if kernel == "sdpa":
        return F.scaled_dot_product_attention(
            q_bhtd,
            k_bhsd,
            v_bhsd,
            attn_mask=visible,
            dropout_p=dropout,
            is_causal=visible is None and n_queries > 1,
        )
    if visible is None and n_queries > 1:
        visible = causal_mask(n_queries, n_keys, device=q_bhtd.device)
    return attention_weights(q_bhtd, k_bhsd, visible, dropout) @ v_bhsd


def attention_weights(
    q_bhtd: Tensor, k_bhsd: Tensor, visible: Tensor | None, dropout: float = 0.0
) -> Tensor:
    """How much each query takes from each key: [B, H, T, S], every row summing to 1."""
    scores_bhts = q_bhtd @ k_bhsd.transpose(-2, -1) / math.sqrt(q_bhtd.size(-1))
    if visible is not None:
        scores_bhts = scores_bhts.masked_fill(~visible, -math.inf)
    weights_bhts = scores_bhts.float().softmax(dim=-1).to(q_bhtd.dtype)
    return F.dropout(weights_bhts, dropout) if dropout else weights_bhts


def causal_mask(n_queries: int, n_keys: int, *, device: torch.device) -> Tensor:
    """Boolean [T, S]: query t, the last T of S places, sees the keys up to its own place."""
    everything = torch.ones(n_queries, n_keys, dtype=torch.bool, device=device)
    return everything.tril(diagonal=n_keys - n_queries)
