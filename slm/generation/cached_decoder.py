"""The plain way to run a model: PyTorch, eagerly, with a key/value cache."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from slm.hardware import devices
from slm.model import GPT, KVCache
from slm.model.gpt import evaluating


class CachedDecoder:
    """See `slm.generation.decoder.Decoder`. Logits are tensors on the model's device.

    Args:
        model: where its parameters are, there the work is done.
        dtype: number format of the products and of the cache, as in `slm.hardware.devices.DTYPES`.
    """

    def __init__(self, model: GPT, dtype: str = "float32") -> None:
        self.model = model
        self.dtype = dtype
        self._cache: KVCache | None = None

    def running(self) -> AbstractContextManager[object]:
        """The model is in evaluation mode meanwhile."""
        return evaluating(self.model)

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
            dtype=devices.torch_dtype(self.dtype),
            pad=torch.tensor(padding, device=device) if any(padding) else None,
        )
        return self._logits(idx.to(device))

    def step(self, ids: Sequence[int]) -> Tensor:
        """See `Decoder`."""
        return self._logits(torch.tensor(ids, device=self.model.device)[:, None])

    def keep_sequences(self, rows: Sequence[int]) -> None:
        """See `Decoder`."""
        assert self._cache is not None
        self._cache.keep_sequences(torch.tensor(rows, device=self.model.device))

    def _logits(self, idx: Tensor) -> Tensor:
        with torch.inference_mode(), devices.autocast(idx.device.type, self.dtype):
            logits, _ = self.model(idx, cache=self._cache, last_only=True)
        assert isinstance(logits, Tensor)
        return logits[:, -1]
