"""The PyTorch engine: the model itself, run eagerly with a key/value cache.

Sequences that are prefilled together form a batch: one row of a cache each, with padding on the
left where contexts differ in length. That is fastest for many sequences that start at the same
time. Sequences that are prefilled one by one are computed one by one: a sequence then has the same
bits alone and in company, which the server relies on.

Letters: n sequences, B rows of a batch, V ids of the model.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from slm.generation.engine import NO_ID
from slm.generation.options import GenerationOptions
from slm.generation.sampling import filter_logits, penalize_repetition, sample
from slm.hardware import devices
from slm.model import GPT, KVCache
from slm.model.dropout import evaluating

INITIAL_ROOM = 128
"""A cache has room for this many new tokens at first, and doubles when it is full."""


@dataclass
class _Batch:
    """Sequences that were prefilled together."""

    slots: list[int]
    """Of each row of the cache."""
    cache: KVCache
    max_capacity: int

    def drop(self, slots: Collection[int]) -> None:
        """Remove the rows of these slots."""
        rows = [row for row, slot in enumerate(self.slots) if slot not in slots]
        if rows and len(rows) < len(self.slots):
            rows = fill_gaps(rows)
            self.cache.keep_sequences(torch.tensor(rows, device=self.cache.keys.device))
        self.slots = [self.slots[row] for row in rows]


class TorchEngine:
    """See `slm.generation.engine.Engine`. Logits are tensors on the model's device.

    Args:
        model: runs where its parameters are.
        n_slots: how many sequences can run at the same time.
        dtype: of the matrix multiplications and of the cache, see `slm.hardware.devices.DTYPES`.
    """

    def __init__(self, model: GPT, n_slots: int = 32, dtype: str = "float32") -> None:
        assert n_slots >= 1
        self.model = model
        self.n_slots = n_slots
        self.block_size = model.config.block_size
        self.vocab_size = model.config.vocab_size
        self.dtype = dtype
        self._batches: list[_Batch] = []

    def prefill(self, slots: Sequence[int], contexts: Sequence[Sequence[int]]) -> Tensor:
        """See `Engine`; the sequences become one batch."""
        taken = {slot for batch in self._batches for slot in batch.slots}
        assert taken.isdisjoint(slots), f"one of the slots {slots} is taken"
        device = self.model.device
        longest = max(map(len, contexts))
        padding = [longest - len(context) for context in contexts]
        # The id at a padding position does not matter: nothing attends to it.
        idx = torch.tensor([[0] * n + list(ids) for n, ids in zip(padding, contexts, strict=True)])
        max_capacity = max(padding) + self.block_size
        cache = KVCache(
            self.model.config,
            len(contexts),
            capacity=min(longest + INITIAL_ROOM, max_capacity),
            device=device,
            dtype=devices.torch_dtype(self.dtype),
            pad=torch.tensor(padding, device=device) if any(padding) else None,
        )
        logits = self._forward(idx.to(device), cache)
        self._batches.append(_Batch(list(slots), cache, max_capacity))
        return logits

    def decode(self, slots: Sequence[int], ids: Sequence[int]) -> Tensor:
        """See `Engine`; a batch is decoded as a whole."""
        id_of = dict(zip(slots, ids, strict=True))
        batches = [batch for batch in self._batches if batch.slots[0] in id_of]
        order = [slot for batch in batches for slot in batch.slots]
        assert sorted(order) == sorted(slots), f"a slot of {slots} is empty, or its batch is split"
        logits = torch.cat([self._decode_batch(batch, id_of) for batch in batches])
        if order == list(slots):
            return logits
        row_of = {slot: row for row, slot in enumerate(order)}
        return logits[[row_of[slot] for slot in slots]]

    def free(self, slots: Sequence[int]) -> None:
        """See `Engine`."""
        for batch in self._batches:
            batch.drop(slots)
        self._batches = [batch for batch in self._batches if batch.slots]

    def sample(
        self,
        logits: Tensor,
        options: Sequence[GenerationOptions],
        uniforms: Sequence[float],
        seen: Sequence[Collection[int]] | None = None,
    ) -> list[int]:
        """See `Engine`."""
        return sample_ids(logits, options, uniforms, seen)

    def _decode_batch(self, batch: _Batch, id_of: Mapping[int, int]) -> Tensor:
        cache = batch.cache
        if cache.length == cache.capacity:
            cache.grow(min(2 * cache.capacity, batch.max_capacity))
        idx = torch.tensor([[id_of[slot]] for slot in batch.slots], device=self.model.device)
        return self._forward(idx, cache)

    def _forward(self, idx: Tensor, cache: KVCache) -> Tensor:
        """Append ids [B, T] and return the logits after the last of each row, [B, V]."""
        with (
            evaluating(self.model),
            torch.inference_mode(),
            devices.autocast(idx.device.type, self.dtype),
        ):
            logits, _ = self.model(idx, cache=cache, last_only=True)
        assert isinstance(logits, Tensor)
        return logits[:, -1].float()


def fill_gaps(rows: list[int]) -> list[int]:
    """Order the remaining rows so that most keep their place and the last ones fill the gaps.

    The cache then has to copy only those that move.
    """
    n_rows = len(rows)
    movers = [row for row in rows if row >= n_rows]
    in_place = set(rows)
    return [row if row in in_place else movers.pop() for row in range(n_rows)]


def sample_ids(
    logits: Tensor,
    options: Sequence[GenerationOptions],
    uniforms: Sequence[float],
    seen: Sequence[Collection[int]] | None = None,
) -> list[int]:
    """See `Engine.sample`; the logits may be on any device."""
    logits = torch.as_tensor(logits)
    if seen is not None:
        logits = _penalized(logits, options, seen)
    rows_by_filters: dict[tuple[float | None, ...], list[int]] = {}
    for row, each in enumerate(options):
        filters = (each.temperature, each.top_k, each.top_p, each.min_p)
        rows_by_filters.setdefault(filters, []).append(row)
    if len(rows_by_filters) == 1:
        ids = _sample_alike(logits, options[0], uniforms)
    else:
        ids = torch.empty(len(options), dtype=torch.long)
        for rows in rows_by_filters.values():
            numbers = [uniforms[row] for row in rows]
            ids[rows] = _sample_alike(logits[rows], options[rows[0]], numbers)
    sampled: list[int] = ids.where(logits.amax(dim=-1).isfinite().cpu(), NO_ID).tolist()
    return sampled


def _penalized(
    logits: Tensor, options: Sequence[GenerationOptions], seen: Sequence[Collection[int]]
) -> Tensor:
    """A copy [n, V] with the repetition penalty of each sequence on its seen ids."""
    pairs = [(row, token_id) for row, ids in enumerate(seen) for token_id in ids]
    rows, ids = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2).T.to(logits.device)
    penalties = torch.tensor([each.repetition_penalty for each in options], device=logits.device)
    found = logits[rows, ids]
    all_seen = torch.ones_like(found, dtype=torch.bool)
    logits = logits.clone()
    logits[rows, ids] = penalize_repetition(found, penalties[rows].to(found.dtype), all_seen)
    return logits


def _sample_alike(logits: Tensor, options: GenerationOptions, uniforms: Sequence[float]) -> Tensor:
    """The ids of sequences with the same filters; any ids where the logits are not finite."""
    if options.temperature == 0.0:
        return logits.argmax(dim=-1).cpu()
    numbers = torch.tensor(uniforms, dtype=torch.float64)
    if not options.top_k or options.top_k >= logits.size(-1):
        return sample(filter_logits(logits, options).cpu(), numbers)
    # The k most likely tokens are the same at any temperature, and no others matter.
    top_logits, top_ids = logits.topk(options.top_k, dim=-1)
    columns = sample(filter_logits(top_logits, options).cpu(), numbers)
    return top_ids.cpu().gather(1, columns[:, None])[:, 0]
