"""The sequences in the slots of a model: prefill, one decoding step for all of them, sampling."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from slm.generation.engine import NO_ID, Engine
from slm.server.request_queue import ModelError, QueuedRequest
from slm.server.served_sequence import ServedSequence, TextDelta, sampled_ids

logger = logging.getLogger(__name__)


class SlotBatch:
    """Runs sequences of several requests in the slots of one model. One thread may use it.

    Args:
        engine: runs the model; from now on nothing else may use it.
        on_delta: called with a request, the index of its sequence, and the text that was added.
            It calls `remove` for a sequence that has ended.
        on_error: called with a request that failed. It calls `remove` for that request.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        on_delta: Callable[[QueuedRequest, int, TextDelta], None],
        on_error: Callable[[QueuedRequest, ModelError], None],
    ) -> None:
        self._engine = engine
        self._on_delta = on_delta
        self._on_error = on_error
        self._free = self._all_slots()
        self._running: dict[int, tuple[QueuedRequest, int]] = {}

    def _all_slots(self) -> list[int]:
        return list(range(self._engine.n_slots - 1, -1, -1))

    @property
    def n_slots(self) -> int:
        """The number of slots."""
        return self._engine.n_slots

    @property
    def busy_slots(self) -> int:
        """The number of slots that hold a sequence."""
        return len(self._running)

    @property
    def has_free_slot(self) -> bool:
        """Whether another sequence fits."""
        return bool(self._free)

    @property
    def requests(self) -> set[QueuedRequest]:
        """The requests that have a sequence in a slot."""
        return {request for request, _ in self._running.values()}

    def add(self, request: QueuedRequest, index: int) -> None:
        """Put a request's sequence into a free slot and read its context."""
        slot = self._free.pop()
        self._running[slot] = (request, index)
        request.in_slots += 1
        self._prefill(slot)

    def step(self) -> None:
        """Extend every sequence by one token, all of them in one call of the model."""
        in_progress = [slot for slot in self._running if self._sequence(slot).next_id is not None]
        full = [slot for slot in self._running if self._sequence(slot).next_id is None]
        if in_progress:
            self._decode(in_progress)
        for slot in full:
            if slot in self._running:  # another sequence of its request may have failed just now
                # The context was full: the older half is dropped and the rest is read again.
                self._engine.free([slot])
                self._prefill(slot)

    def remove(self, request: QueuedRequest, index: int | None = None) -> None:
        """Free the slots of one sequence of a request, or of all its sequences."""
        for slot, (holder, place) in tuple(self._running.items()):
            if holder is request and index in (None, place):
                del self._running[slot]
                request.in_slots -= 1
                self._engine.free([slot])
                self._free.append(slot)

    def clear(self) -> None:
        """Free all slots, whatever state the model is in."""
        for request, _ in self._running.values():
            request.in_slots -= 1
        self._running.clear()
        self._engine.free(range(self.n_slots))
        self._free = self._all_slots()

    def _sequence(self, slot: int) -> ServedSequence:
        request, index = self._running[slot]
        return request.sequences[index]

    def _decode(self, slots: Sequence[int]) -> None:
        ids = [self._sequence(slot).next_id for slot in slots]
        try:
            found = self._engine.decode(slots, [i for i in ids if i is not None])
            logits = torch.as_tensor(found).cpu()
        except Exception:
            # It is unknown which sequence caused this, and what state the slots are in.
            self._fail({self._running[slot][0] for slot in slots})
            return
        self._sample(slots, logits)

    def _prefill(self, slot: int) -> None:
        try:
            found = self._engine.prefill([slot], [self._sequence(slot).context])
            logits = torch.as_tensor(found).cpu()
        except Exception:
            self._fail({self._running[slot][0]})
            return
        self._sample([slot], logits)

    def _sample(self, slots: Sequence[int], logits: Tensor) -> None:
        """Extend the sequences in n slots by ids sampled from their logits [n, V]."""
        holders = [self._running[slot] for slot in slots]
        sequences = [self._sequence(slot) for slot in slots]
        try:
            ids = sampled_ids(sequences, logits, self._engine)
        except Exception:
            self._fail({request for request, _ in holders})
            return
        for row, (request, index) in enumerate(holders):
            if slots[row] not in self._running:  # another sequence of its request has failed
                continue
            if ids[row] == NO_ID:
                self._on_error(request, ModelError("the model's logits are non-finite"))
                continue
            sequence = sequences[row]
            try:
                delta = sequence.take(ids[row], logits[row] if sequence.looks_at_logits else None)
            except Exception:
                self._fail({request})
                continue
            self._on_delta(request, index, delta)

    def _fail(self, requests: Iterable[QueuedRequest]) -> None:
        logger.exception("the model failed")
        for request in requests:
            self._on_error(request, ModelError("the model failed"))
