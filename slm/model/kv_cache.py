"""Keys and values of the tokens so far, so that a new token is processed alone.

Shapes: L layers, B sequences, K key heads, S slots, D head width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from slm.config import GPTConfig


class KVCache:
    """A fixed number of slots, filled from the left and shared by all sequences of a batch.

    Prompts of unequal length are padded on their left: `pad` counts the padding slots of each
    sequence. No token attends to them, and positions count from the first real token.

    Args:
        config: the shape of the model.
        batch_size: number of sequences, B.
        capacity: number of slots, S; None: the model's context length.
        device, dtype: of the stored keys and values.
        pad: [B] integers, leading padding slots of each sequence; None: no padding.
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
        """Number of tokens that still fit into the cache and, without padding, the context."""
        # Padded sequences are shorter than their slots; by how much is known only on the device.
        context_ends = self.capacity if self.pad is not None else self._context_length
        return min(self.capacity, context_ends) - self.length

    @property
    def batch_size(self) -> int:
        """Number of sequences."""
        return self.keys.size(1)

    def grow(self, capacity: int) -> None:
        """Extend the cache to `capacity` slots; what it holds stays."""
        added = (0, 0, 0, capacity - self.capacity)
        self.keys, self.values = F.pad(self.keys, added), F.pad(self.values, added)
        self.capacity = capacity

    def keep_sequences(self, indices: Tensor) -> None:
        """Keep only the sequences with these indices ([N] integers, no duplicates), in this order.

        Where sequences only move into gaps that others left, nothing else is copied.
        """
        targets = torch.arange(len(indices), device=indices.device)
        moved = indices != targets
        fills_gaps = bool((indices[moved] >= len(indices)).all())
        for name in ("keys", "values"):
            kept: Tensor = getattr(self, name)
            if fills_gaps:
                kept[:, targets[moved]] = kept[:, indices[moved]]
                kept = kept[:, : len(indices)]
            else:
                kept = kept[:, indices]
            setattr(self, name, kept)
        self.pad = None if self.pad is None else self.pad[indices]

    def append(self, layer: int, k_bktd: Tensor, v_bktd: Tensor) -> tuple[Tensor, Tensor]:
        """Store the keys and values of T new tokens of a layer.

        `length` does not change until `advance` is called, once all layers have stored theirs.

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
        """Positions of the next T tokens: [T], or [B, T] with padding."""
        slots = torch.arange(self.length, self.length + n_tokens, device=self.keys.device)
        if self.pad is None:
            return slots
        return (slots[None, :] - self.pad[:, None]).clamp(min=0)

    def attn_mask(self, n_tokens: int) -> Tensor | None:
        """The slots that the next T tokens may read: boolean [B, 1, T, S']; None: causal.

        A padding token reads only itself, so that its softmax is defined; no other token reads it.
        """
        if self.pad is None:
            return None
        device = self.keys.device
        keys = torch.arange(self.length + n_tokens, device=device)
        queries = torch.arange(self.length, self.length + n_tokens, device=device)[:, None]
        real = keys[None, None, :] >= self.pad[:, None, None]
        readable = ((keys <= queries) & real) | (keys == queries)
        return readable[:, None]
