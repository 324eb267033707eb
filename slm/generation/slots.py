"""Many texts at once that come and go independently: each has a slot with a cache of its own.

`slm.generation.generator` runs a batch whose rows begin together. A server needs independent slots:
a request may begin while others are in progress. V ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from slm.hardware import devices
from slm.model import GPT, KVCache


class Slots(Protocol):
    """A fixed number of slots, 0 to n_slots - 1, each empty or holding one text in progress.

    What a text's logits are never depends on the other slots: they are the same bits whatever runs
    beside it. Not for several threads at once.
    """

    @property
    def n_slots(self) -> int:
        """How many texts can be in progress."""

    @property
    def block_size(self) -> int:
        """Most ids that a slot can hold."""

    @property
    def vocab_size(self) -> int:
        """V, the model's; a tokenizer may have fewer ids."""

    def admit(self, slot: int, ids: Sequence[int]) -> Tensor:
        """Begin a text in an empty slot and return the logits [V] in float32 after its last id.

        Args:
            slot: an empty one.
            ids: at least one and at most block_size ids.
        """

    def advance(self, slots: Sequence[int], ids: Sequence[int]) -> Tensor:
        """Add one id to each of n texts and return the logits [n, V] in float32 after them.

        Args:
            slots: n different slots that hold a text with room for another id.
            ids: the id for each.
        """

    def release(self, slot: int) -> None:
        """Empty a slot; one that is empty stays so."""


class PlainSlots:
    """The model itself, called eagerly for one text after the other.

    So a text's arithmetic is the same alone and in company, at the price of reading the weights
    once a text and step.

    Args:
        model: is put into evaluation mode.
        n_slots: how many texts can be in progress.
        dtype: number format of the products and of the caches, as in `slm.hardware.devices.DTYPES`.
    """

    def __init__(self, model: GPT, n_slots: int, dtype: str = "float32") -> None:
        assert n_slots >= 1
        self.n_slots = n_slots
        self.block_size = model.config.block_size
        self.vocab_size = model.config.vocab_size
        self._model = model.eval()
        self._dtype = dtype
        self._caches: list[KVCache | None] = [None] * n_slots

    def admit(self, slot: int, ids: Sequence[int]) -> Tensor:
        """See `Slots`."""
        cache = self._caches[slot]
        if cache is None:
            cache = self._caches[slot] = KVCache(
                self._model.config,
                batch_size=1,
                device=self._model.device,
                dtype=devices.torch_dtype(self._dtype),
            )
        assert cache.length == 0, f"slot {slot} is taken"
        return self._logits(ids, cache)

    def advance(self, slots: Sequence[int], ids: Sequence[int]) -> Tensor:
        """See `Slots`."""
        return torch.stack(
            [
                self._logits([token_id], self._cache(slot))
                for slot, token_id in zip(slots, ids, strict=True)
            ]
        )

    def release(self, slot: int) -> None:
        """See `Slots`; the memory is kept for the next text."""
        cache = self._caches[slot]
        if cache is not None:
            cache.reset()

    def _cache(self, slot: int) -> KVCache:
        cache = self._caches[slot]
        assert cache is not None, f"slot {slot} is empty"
        assert cache.length > 0, f"slot {slot} is empty"
        return cache

    def _logits(self, ids: Sequence[int], cache: KVCache) -> Tensor:
        idx = torch.tensor([ids], device=self._model.device)
        with torch.inference_mode(), devices.autocast(idx.device.type, self._dtype):
            logits, _ = self._model(idx, cache=cache, last_only=True)
        assert isinstance(logits, Tensor)
        return logits[0, -1].float()
