"""Causal self-attention with grouped queries, optional norms on heads, and rotary positions.

Shapes: B sequences, T tokens, C = n_embd, H query heads, K key heads, D head width, S cached keys.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from slm.config import GPTConfig
from slm.model.attention_core import Kernel, attend, attention_weights
from slm.model.kv_cache import KVCache
from slm.model.layers import RMSNorm
from slm.model.precision import for_products
from slm.model.rope import rotate

Rotation = tuple[Tensor, Tensor]
"""Cosines and sines of the positions at hand, as `slm.model.rope.rotate` takes them."""


class SelfAttention(nn.Module):
    """Every token gathers from the tokens before it, [B, T, C] -> [B, T, C].

    Grouped queries (Ainslie et al. 2023, https://arxiv.org/abs/2305.13245): H query heads share K
    key and value heads. Norms on heads: Henry et al. 2020, https://arxiv.org/abs/2010.04245.
    """

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
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
        self.residual_dropout = nn.Dropout(config.dropout)
        self.kernel: Kernel = "auto"

    def forward(
        self,
        x: Tensor,
        rotation: Rotation | None,
        cache: KVCache | None = None,
        layer: int = 0,
        visible: Tensor | None = None,
    ) -> Tensor:
        """Attend over `x`, and over the cached tokens before it where there is a cache.

        Args:
            x: [B, T, C].
            rotation: cosines and sines of these tokens' positions; None: no rotary positions.
            cache: keys and values of the tokens so far; these tokens' are added at `layer`.
            layer: which block this is.
            visible: see `attend`; None: causal.
        """
        x = for_products(x)
        q_bhtd = self._heads(self.q_proj(x), self.q_norm, rotation)
        k_bktd = self._heads(self.k_proj(x), self.k_norm, rotation)
        v_bktd = self._heads(self.v_proj(x), None, None)
        if cache is not None:
            k_bktd, v_bktd = cache.append(layer, k_bktd, v_bktd)
        mixed_bhtd = attend(
            q_bhtd,
            self._for_every_query(k_bktd),
            self._for_every_query(v_bktd),
            visible=visible,
            dropout=self.attention_dropout if self.training else 0.0,
            kernel=self.kernel,
        )
        mixed_btc = mixed_bhtd.transpose(1, 2).flatten(start_dim=2)
        projected: Tensor = self.residual_dropout(self.o_proj(mixed_btc))
        return projected

    def weights(self, x: Tensor, rotation: Rotation | None) -> Tensor:
        """How much each token takes from each token of its text, by head; for looking inside.

        `forward` mixes the values by these weights, and need not have them at any one time.

        Args:
            x, rotation: as for `forward`, without a cache.

        Returns:
            [B, H, T, T], every row summing to 1 over the tokens up to its own.
        """
        x = for_products(x)
        q_bhtd = self._heads(self.q_proj(x), self.q_norm, rotation)
        k_bktd = self._heads(self.k_proj(x), self.k_norm, rotation)
        return attention_weights(q_bhtd, self._for_every_query(k_bktd), visible=None)

    def _heads(self, x: Tensor, norm: RMSNorm | None, rotation: Rotation | None) -> Tensor:
        """[B, T, heads * D] -> [B, heads, T, D], normed and turned."""
        by_head = x.view(*x.shape[:-1], -1, self.head_width)
        if norm is not None:
            by_head = norm(by_head)
        by_head = by_head.transpose(1, 2)
        return by_head if rotation is None else rotate(by_head, *rotation)

    def _for_every_query(self, x_bksd: Tensor) -> Tensor:
        """[B, K, S, D] -> [B, H, S, D]: each key head repeated for its group of query heads."""
        if self.queries_per_key == 1:
            return x_bksd
        return torch.repeat_interleave(x_bksd, self.queries_per_key, dim=1)
