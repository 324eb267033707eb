"""Keys and values of the tokens seen so far, so that a new token costs one row and not the text.

Shapes: L layers, B sequences, K key heads, S slots, D head width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from slm.config import GPTConfig


class KVCache:
    """A fixed number of slots, filled from the left and shared by all rows of a batch.

    Prompts of unequal length are padded on their left: `pad` counts each row's padding slots, which
    nothing ever attends to, and positions count from a row's first real token.

    Args:
        config: the model's shape.
        batch_size: number of rows, B.
        capacity: number of slots, S; None: the model's context length.
        device, dtype: of the stored keys and values.
        pad: [B] integers, leading padding slots of each row; None: no padding.
    """

    def __init__(
        self,
        config: GPTConfig,
        batch_size: int,
        *,
        capacity: int | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        pad: Tensor | None = None,
    ) -> None:
        self.capacity = config.block_size if capacity is None else capacity
        shape = (config.n_layer, batch_size, config.kv_heads, self.capacity, config.head_width)
        self.keys = torch.zeros(shape, device=device, dtype=dtype)
        self.values = torch.zeros(shape, device=device, dtype=dtype)
        self.length = 0
        self.pad = pad
        self._context_length = config.block_size

    @property
    def room(self) -> int:
        """How many more tokens fit into the cache and, if rows are not padded, the context."""
        # Padded rows are shorter than the slots that they take; asking how much would cost a wait.
        context_ends = self.capacity if self.pad is not None else self._context_length
        return min(self.capacity, context_ends) - self.length

    @property
    def batch_size(self) -> int:
        """Number of rows."""
        return self.keys.size(1)

    def reset(self, pad: Tensor | None = None) -> None:
        """Forget everything; `pad` as at construction."""
        self.length = 0
        self.pad = pad

    def keep_rows(self, rows: Tensor) -> None:
        """Keep only these rows ([N] integer indices, each at most once), in this order.

        Where rows only move up into gaps that others left, no more than those rows are copied.
        """
        places = torch.arange(len(rows), device=rows.device)
        moved = rows != places
        fills_gaps = bool((rows[moved] >= len(rows)).all())
        for name in ("keys", "values"):
            kept: Tensor = getattr(self, name)
            if fills_gaps:
                kept[:, places[moved]] = kept[:, rows[moved]]
                kept = kept[:, : len(rows)]
            else:
                kept = kept[:, rows]
            setattr(self, name, kept)
        self.pad = None if self.pad is None else self.pad[rows]

    def append(self, layer: int, k_bktd: Tensor, v_bktd: Tensor) -> tuple[Tensor, Tensor]:
        """Store the keys and values of T new tokens of a layer.

        `length` stays as it is until every layer has stored its own: see `advance`.

        Returns:
            All keys and values of the layer so far, each [B, K, length + T, D].
        """
        end = self.length + k_bktd.size(2)
        self.keys[layer, :, :, self.length : end] = k_bktd
        self.values[layer, :, :, self.length : end] = v_bktd
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def advance(self, n_tokens: int) -> None:
        """Count T new tokens as stored."""
        self.length += n_tokens

    def positions(self, n_tokens: int) -> Tensor:
        """Positions of the next T tokens: [T], or [B, T] where rows are padded."""
        slots = torch.arange(self.length, self.length + n_tokens, device=self.keys.device)
        if self.pad is None:
            return slots
        return (slots[None, :] - self.pad[:, None]).clamp(min=0)

    def visible(self, n_tokens: int) -> Tensor | None:
        """Which slots the next T tokens may see: boolean [B, 1, T, S'], or None for plainly causal.

        A padding token sees itself only, so that its softmax is defined; nothing sees it.
        """
        if self.pad is None:
            return None
        device = self.keys.device
        keys = torch.arange(self.length + n_tokens, device=device)
        queries = torch.arange(self.length, self.length + n_tokens, device=device)[:, None]
        real = keys[None, None, :] >= self.pad[:, None, None]
        seen = ((keys <= queries) & real) | (keys == queries)
        return seen[:, None]
