"""What generation asks of a model: read the contexts, then one token a row at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from slm import runtime
from slm.model import GPT, KVCache


class Decoder(Protocol):
    """A batch of texts in progress; B rows, V ids."""

    def prefill(self, contexts: Sequence[Sequence[int]], capacity: int) -> Tensor:
        """Begin a new batch and return the logits [B, V] after each context.

        Args:
            contexts: B lists of at least one and at most block_size ids, of any lengths.
            capacity: slots a row that this batch will need at most, padding included.
        """

    def step(self, ids: Tensor) -> Tensor:
        """Add one id a row ([B]) and return the logits [B, V] after it."""

    def keep_rows(self, rows: Tensor) -> None:
        """Go on with these rows only ([N] integer indices)."""


class CachedDecoder:
    """The model itself, called eagerly, with a key/value cache.

    Args:
        model: in evaluation mode while it decodes (see `evaluating`).
        dtype: number format of the products and of the cache, as in `slm.runtime.DTYPES`.
    """

    def __init__(self, model: GPT, dtype: str = "float32") -> None:
        self.model = model
        self.dtype = dtype
        self._cache: KVCache | None = None

    def prefill(self, contexts: Sequence[Sequence[int]], capacity: int) -> Tensor:
        """See `Decoder`; contexts of unequal length are padded on their left."""
        longest = max(map(len, contexts))
        device = self.model.device
        padding = [longest - len(context) for context in contexts]
        # The id in a padding slot does not matter: nothing attends to it.
        idx = torch.tensor([[0] * n + list(ids) for n, ids in zip(padding, contexts, strict=True)])
        self._cache = KVCache(
            self.model.config,
            len(contexts),
            capacity=capacity,
            device=device,
            dtype=runtime.torch_dtype(self.dtype),
            pad=torch.tensor(padding, device=device) if any(padding) else None,
        )
        return self._logits(idx.to(device))

    def step(self, ids: Tensor) -> Tensor:
        """See `Decoder`."""
        return self._logits(ids[:, None].to(self.model.device))

    def keep_rows(self, rows: Tensor) -> None:
        """See `Decoder`."""
        assert self._cache is not None
        self._cache.keep_rows(rows.to(self.model.device))

    def _logits(self, idx: Tensor) -> Tensor:
        with torch.inference_mode(), runtime.autocast(idx.device.type, self.dtype):
            logits, _ = self.model(idx, cache=self._cache, last_only=True)
        assert isinstance(logits, Tensor)
        return logits[:, -1]
