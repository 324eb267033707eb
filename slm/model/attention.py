"""Causal self-attention: softmax(q k^T / sqrt(D)) v, with grouped queries and rotary positions.

Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, section 3.2.1. `attend` computes it with
PyTorch's fused kernel or with the formula itself; the tests hold the two equal.

Shapes: B sequences, T tokens (queries), C = n_embd, H query heads, K key and value heads, S keys,
D head width.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slm.config import GPTConfig
from slm.model.dropout import Dropout, drop
from slm.model.kv_cache import KVCache
from slm.model.layers import RMSNorm, Rotation, compute_dtype, rotate, to_compute_dtype

Kernel = Literal["auto", "sdpa", "plain"]

PLAIN_KEYS = 512
"""Up to this many keys, separate bfloat16 matrix multiplications beat the fused kernel on a CPU."""


class SelfAttention(nn.Module):
    """Every token reads from itself and the tokens before it, [B, T, C] -> [B, T, C].

    Grouped queries (Ainslie et al. 2023, https://arxiv.org/abs/2305.13245): H query heads share K
    key and value heads. Query and key norms: Henry et al. 2020, https://arxiv.org/abs/2010.04245.
    """

    def __init__(self, config: GPTConfig, window: int | None = None) -> None:
        super().__init__()
        self.window = window
        self.head_width = config.head_width
        self.queries_per_key = config.n_head // config.kv_heads
        q_width, kv_width = (heads * self.head_width for heads in (config.n_head, config.kv_heads))
        self.q_proj = nn.Linear(config.n_embd, q_width, bias=config.bias)
        self.k_proj = nn.Linear(config.n_embd, kv_width, bias=config.bias)
        self.v_proj = nn.Linear(config.n_embd, kv_width, bias=config.bias)
        self.o_proj = nn.Linear(q_width, config.n_embd, bias=config.bias)
        self.q_norm = RMSNorm(self.head_width, eps=config.norm_eps) if config.qk_norm else None
        self.k_norm = RMSNorm(self.head_width, eps=config.norm_eps) if config.qk_norm else None
        self.attention_dropout = config.dropout
        self.residual_dropout = Dropout(config.dropout)
        self.kernel: Kernel = "auto"

    def forward(
        self,
        x: Tensor,
        rotation: Rotation | None,
        cache: KVCache | None = None,
        layer: int = 0,
        attn_mask: Tensor | None = None,
    ) -> Tensor:
        """Attend over `x`, and over the cached tokens before it if there is a cache.

        Args:
            x: [B, T, C].
            rotation: cosines and sines of these tokens' positions; None: no rotary positions.
            cache: keys and values of the tokens so far; those of `x` are appended at `layer`.
            layer: number of this block.
            attn_mask: see `attend`; None: causal.
        """
        x = to_compute_dtype(x)
        q_bhtd = self._split_heads(self.q_proj(x), self.q_norm, rotation)
        k_bktd = self._split_heads(self.k_proj(x), self.k_norm, rotation)
        v_bktd = self._split_heads(self.v_proj(x), None, None)
        if cache is not None:
            k_bktd, v_bktd = cache.append(layer, k_bktd, v_bktd)
        attn_mask = local_mask(self.window, q_bhtd, k_bktd, attn_mask)
        mixed_bhtd = attend(
            q_bhtd,
            self._repeat_for_queries(k_bktd),
            self._repeat_for_queries(v_bktd),
            attn_mask=attn_mask,
            dropout=self.attention_dropout if self.training else 0.0,
            kernel=self.kernel,
        )
        mixed_btc = mixed_bhtd.transpose(1, 2).flatten(start_dim=2)
        projected: Tensor = self.residual_dropout(self.o_proj(mixed_btc))
        return projected

    def weights(self, x: Tensor, rotation: Rotation | None) -> Tensor:
        """The attention weights of every head, for inspection; `forward` need not compute them.

        Args:
            x, rotation: as for `forward`, without a cache.

        Returns:
            [B, H, T, T]; each row sums to 1 over the tokens up to its own position.
        """
        x = to_compute_dtype(x)
        q_bhtd = self._split_heads(self.q_proj(x), self.q_norm, rotation)
        k_bktd = self._split_heads(self.k_proj(x), self.k_norm, rotation)
        attn_mask = local_mask(self.window, q_bhtd, k_bktd, attn_mask=None)
        return attention_weights(q_bhtd, self._repeat_for_queries(k_bktd), attn_mask)

    def _split_heads(self, x: Tensor, norm: RMSNorm | None, rotation: Rotation | None) -> Tensor:
        """[B, T, heads * D] -> [B, heads, T, D], normalized and rotated."""
        by_head = x.view(*x.shape[:-1], -1, self.head_width)
        if norm is not None:
            by_head = norm(by_head)
        by_head = by_head.transpose(1, 2)
        return by_head if rotation is None else rotate(by_head, *rotation)

    def _repeat_for_queries(self, x_bksd: Tensor) -> Tensor:
        """[B, K, S, D] -> [B, H, S, D]: each key head repeated for its group of query heads."""
        if self.queries_per_key == 1:
            return x_bksd
        return torch.repeat_interleave(x_bksd, self.queries_per_key, dim=1)


def attend(
    q_bhtd: Tensor,
    k_bhsd: Tensor,
    v_bhsd: Tensor,
    *,
    attn_mask: Tensor | None,
    dropout: float,
    kernel: Kernel,
) -> Tensor:
    """Average the values, weighted by how well their keys match each query.

    Args:
        q_bhtd: queries [B, H, T, D].
        k_bhsd, v_bhsd: keys and values [B, H, S, D].
        attn_mask: True where a query may read a key: boolean, broadcastable to [B, H, T, S]. None:
            each query reads the keys up to its own position, the last query being at the last key.
        dropout: probability of dropping an attention weight.
        kernel: PyTorch's fused `sdpa`, the `plain` formula, or `auto`: the faster one here.

    Returns:
        [B, H, T, D].
    """
    n_queries, n_keys = q_bhtd.size(2), k_bhsd.size(2)
    if kernel == "auto":
        kernel = fastest_kernel(q_bhtd, n_keys, dropout)
    if kernel == "plain":
        return attention_weights(q_bhtd, k_bhsd, attn_mask, dropout) @ v_bhsd
    if attn_mask is None and 1 < n_queries < n_keys:
        attn_mask = causal_mask(n_queries, n_keys, device=q_bhtd.device)
    return F.scaled_dot_product_attention(
        q_bhtd,
        k_bhsd,
        v_bhsd,
        attn_mask=attn_mask,
        dropout_p=dropout,
        is_causal=attn_mask is None and n_queries > 1,
    )


def attention_weights(
    q_bhtd: Tensor, k_bhsd: Tensor, attn_mask: Tensor | None, dropout: float = 0.0
) -> Tensor:
    """The weight of each key for each query: [B, H, T, S], rows summing to 1; as for `attend`."""
    n_queries, n_keys = q_bhtd.size(2), k_bhsd.size(2)
    if attn_mask is None:
        attn_mask = causal_mask(n_queries, n_keys, device=q_bhtd.device)
    heads = (*q_bhtd.shape[:2], n_queries, n_keys)
    # Masked scores become minus infinity; the mask is added within the matrix multiplication.
    bias = q_bhtd.new_zeros(attn_mask.shape).masked_fill(~attn_mask, -math.inf).expand(heads)
    scores = torch.baddbmm(
        bias.flatten(0, 1),
        q_bhtd.flatten(0, 1),
        k_bhsd.flatten(0, 1).transpose(1, 2),
        alpha=1.0 / math.sqrt(q_bhtd.size(-1)),
    )
    weights_bhts = scores.softmax(dim=-1).view(heads)
    return drop(weights_bhts, dropout)


def fastest_kernel(q_bhtd: Tensor, n_keys: int, dropout: float) -> Kernel:
    """The implementation that is fastest here, as measured; see docs/LOG.md."""
    on_cpu = q_bhtd.device.type == "cpu"
    in_bfloat16 = on_cpu and compute_dtype(q_bhtd) == torch.bfloat16
    is_short = in_bfloat16 and q_bhtd.size(2) > 1 and n_keys <= PLAIN_KEYS
    # With dropout, PyTorch computes the formula as well, with slower random numbers.
    return "plain" if is_short or (on_cpu and dropout > 0.0) else "sdpa"


def causal_mask(n_queries: int, n_keys: int, *, device: torch.device) -> Tensor:
    """Boolean [T, S]: query t, at the last T of S positions, reads the keys up to its own."""
    everything = torch.ones(n_queries, n_keys, dtype=torch.bool, device=device)
    return everything.tril(diagonal=n_keys - n_queries)


def local_mask(window: int | None, q: Tensor, k: Tensor, attn_mask: Tensor | None) -> Tensor | None:
    """`attn_mask` without keys that are `window` or more positions before a query."""
    if window is None:
        return attn_mask
    n_queries, n_keys = q.size(2), k.size(2)
    local = causal_mask(n_queries, n_keys, device=q.device)
    local = local.triu(diagonal=n_keys - n_queries - window + 1)
    return local if attn_mask is None else local & attn_mask


def document_mask(idx: Tensor, eot_id: int) -> Tensor:
    """Causal mask that also separates documents: boolean [B, 1, T, T].

    Each position attends to its own document up to itself. The end-of-text token at the end of a
    document is also the first token of the next one, as in evaluation and generation.

    Args:
        idx: [B, T] ids.
        eot_id: the end-of-text token.
    """
    document = (idx == eot_id).cumsum(dim=1)
    same_document = document[:, :, None] == document[:, None, :]
    return (same_document & causal_mask(idx.size(1), idx.size(1), device=idx.device))[:, None]
