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

from slm.model.precision import product_dtype

Kernel = Literal["auto", "sdpa", "plain"]

PLAIN_KEYS = 512
"""Up to this many keys, plain products in bfloat16 are faster on a CPU than its fused kernel."""


def fastest_kernel(q_bhtd: Tensor, n_keys: int) -> Kernel:
    """The implementation that takes the least time here, as measured; see docs/LOG.md."""
    if not hasattr(F, "scaled_dot_product_attention"):
        return "plain"
    in_bfloat16 = q_bhtd.device.type == "cpu" and product_dtype(q_bhtd) == torch.bfloat16
    return "plain" if in_bfloat16 and q_bhtd.size(2) > 1 and n_keys <= PLAIN_KEYS else "sdpa"


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
        kernel: PyTorch's fused `sdpa`, the `plain` formula, or `auto`: what is faster here.

    Returns:
        [B, H, T, D].
    """
    n_queries, n_keys = q_bhtd.size(2), k_bhsd.size(2)
    if kernel == "auto":
        kernel = fastest_kernel(q_bhtd, n_keys)
    if kernel == "plain":
        return attention_weights(q_bhtd, k_bhsd, visible, dropout) @ v_bhsd
    if visible is None and 1 < n_queries < n_keys:
        visible = causal_mask(n_queries, n_keys, device=q_bhtd.device)
    return F.scaled_dot_product_attention(
        q_bhtd,
        k_bhsd,
        v_bhsd,
        attn_mask=visible,
        dropout_p=dropout,
        is_causal=visible is None and n_queries > 1,
    )


def attention_weights(
    q_bhtd: Tensor, k_bhsd: Tensor, visible: Tensor | None, dropout: float = 0.0
) -> Tensor:
    """How much each query takes from each key: [B, H, T, S], every row summing to 1.

    Arguments as for `attend`.
    """
    n_queries, n_keys = q_bhtd.size(2), k_bhsd.size(2)
    if visible is None:
        visible = causal_mask(n_queries, n_keys, device=q_bhtd.device)
    heads = (*q_bhtd.shape[:2], n_queries, n_keys)
    # What a query may not see gets a score of minus infinity, added within the product.
    bias = q_bhtd.new_zeros(visible.shape).masked_fill(~visible, -math.inf).expand(heads)
    scores = torch.baddbmm(
        bias.flatten(0, 1),
        q_bhtd.flatten(0, 1),
        k_bhsd.flatten(0, 1).transpose(1, 2),
        alpha=1.0 / math.sqrt(q_bhtd.size(-1)),
    )
    weights_bhts = scores.softmax(dim=-1).view(heads)
    return F.dropout(weights_bhts, dropout) if dropout else weights_bhts


def causal_mask(n_queries: int, n_keys: int, *, device: torch.device) -> Tensor:
    """Boolean [T, S]: query t, the last T of S places, sees the keys up to its own place."""
    everything = torch.ones(n_queries, n_keys, dtype=torch.bool, device=device)
    return everything.tril(diagonal=n_keys - n_queries)


def story_mask(idx: Tensor, eot_id: int) -> Tensor:
    """Which places each place may see if stories do not see each other: boolean [B, 1, T, T].

    A place sees its own story up to itself. The end-of-text token that ends one story is what the
    next one begins with, as it is where a model is evaluated and where it generates.

    Args:
        idx: [B, T] ids.
        eot_id: the end-of-text token.
    """
    story = (idx == eot_id).cumsum(dim=1)
    same_story = story[:, :, None] == story[:, None, :]
    return (same_story & causal_mask(idx.size(1), idx.size(1), device=idx.device))[:, None]
