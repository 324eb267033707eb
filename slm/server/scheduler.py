"""Continuous batching: requests take slots as they become free, and leave them when they end.

One thread owns the model and makes steps (`run`). Any other thread hands in requests (`submit`) and
takes them back (`cancel`). In a step every text in a slot goes on by one token, and texts that wait
are read into free slots. What comes of it is delivered after the step, or with that of later ones.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from slm.generation.batch_sampling import draw
from slm.generation.decoder import NO_ID, Draw
from slm.generation.slots import Slots
from slm.server.limits import Limits
from slm.server.request_queue import (
    BusyError,
    ClosedError,
    Deliver,
    Event,
    ModelError,
    QueuedRequest,
)
from slm.server.served_sequence import ServedSequence, TextDelta, draw_ids

READ_TOKENS_PER_STEP = 256
"""Once so many are read into slots in a step, further texts wait for the next: those that are being
told wait meanwhile."""

Post = Callable[[Callable[[], None]], object]

logger = logging.getLogger(__name__)


@dataclass
class Counts:
    """What the scheduler has done so far; written by its thread, read by any."""

    steps: int = 0
    prompt_tokens: int = 0
    new_tokens: int = 0
    cancelled: int = 0
    failed: int = 0


class Scheduler:
    """Shares the slots of a model among requests.

    Args:
        slots: the model; from `start` on it is the scheduler's alone.
        limits: how much, and how long.
        draw: how ids are drawn from logits.
        clock: seconds.
    """

    def __init__(
        self,
        slots: Slots,
        limits: Limits,
        *,
        draw: Draw = draw,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = Counts()
        self._slots = slots
        self._draw = draw
        self._limits = limits
        self._post: Post = lambda call: call()
        self._clock = clock
        self._changed = threading.Condition()
        # Under the lock of `_changed`:
        self._requests: set[QueuedRequest] = set()
        self._waiting: deque[QueuedRequest] = deque()
        self._closed = False
        self._is_broken = False
        self._ends_at = math.inf
        # Of the thread that makes the steps:
        self._free = list(range(slots.n_slots - 1, -1, -1))
        self._running: dict[int, tuple[QueuedRequest, int]] = {}
        self._told: dict[QueuedRequest, None] = {}  # with undelivered events, in order
        self._mean_seconds = 1.0
        self._step_began_at = math.inf  # while a step is made
        self._thread: threading.Thread | None = None

    # For any thread

    def submit(
        self, sequences: Sequence[ServedSequence], deliver: Deliver, *, pace: float = 0.0
    ) -> QueuedRequest:
        """Hand in a request; see `QueuedRequest`.

        Raises:
            BusyError: the slots and the queue are full.
            ClosedError: nothing is taken any longer.
        """
        request = QueuedRequest(sequences, deliver, self._clock(), pace)
        with self._changed:
            self._check_room()
            self._requests.add(request)
            self._waiting.append(request)
            self._changed.notify()
        return request

    def check_room(self) -> None:
        """Say early that a request would be refused.

        Raises:
            BusyError, ClosedError: as `submit`.
        """
        with self._changed:
            self._check_room()

    def _check_room(self) -> None:
        if self._is_broken:
            raise ClosedError(by_fault=True)
        if self._closed or self._ends_at < math.inf:
            raise ClosedError
        if len(self._requests) >= self._limits.queue + self._slots.n_slots:
            raise BusyError(
                f"all {self._slots.n_slots} slots are taken and {self._limits.queue} requests wait",
                retry_after=self.retry_after(),
                refused_at_once=True,
            )

    def retry_after(self) -> float:
        """A guess when there will be room: seconds, 1 to 60."""
        turns = len(self._requests) / self._slots.n_slots
        return min(60.0, max(1.0, turns * self._mean_seconds))

    def cancel(self, request: QueuedRequest) -> None:
        """Take a request back, ended or not; its slots are free within one step."""
        with self._changed:
            if request in self._requests:
                request.cancelled = True
                self._changed.notify()

    def drain(self) -> None:
        """Take no more requests, and bring those that are there to an end within their time."""
        with self._changed:
            self._ends_at = min(self._ends_at, self._clock() + self._limits.drain_seconds)

    @property
    def is_well(self) -> bool:
        """Whether requests are answered: no fault has ended the thread, and no step hangs."""
        step_seconds = self._clock() - self._step_began_at
        return not self._is_broken and step_seconds <= self._limits.request_seconds

    @property
    def n_slots(self) -> int:
        """How many texts can be written at once."""
        return self._slots.n_slots

    @property
    def busy_slots(self) -> int:
        """Slots that hold a text."""
        return len(self._running)

    @property
    def waiting_requests(self) -> int:
        """Requests of which no text has been in a slot yet."""
        with self._changed:
            return sum(not request.started for request in self._waiting)

    # The thread that makes the steps

    def start(self, post: Post) -> None:
        """Make steps in a thread of their own, until `close`.

        Args:
            post: runs a call on the thread where events are to be delivered.
        """
        assert self._thread is None
        self._post = post
        self._thread = threading.Thread(target=self.run, name="scheduler", daemon=True)
        self._thread.start()

    def run(self) -> None:
        """Make steps whenever there is work, until `close`.

        A step that fails ends all requests, and the next ones find empty slots. If even that
        fails, nothing more is taken, and `is_well` is false.
        """
        try:
            while self._wait_for_work():
                try:
                    self.step()
                except Exception:
                    self._start_over()
            for request in tuple(self._requests):
                self._end(request, ClosedError())
            self._deliver()
        except BaseException:
            self._give_up()

    def _wait_for_work(self) -> bool:
        """Whether there is a step to make; otherwise the scheduler is closed."""
        with self._changed:
            while not (self._requests or self._closed):
                self._changed.wait()
            return not self._closed

    def _start_over(self) -> None:
        """After a fault: end all requests, and empty all slots."""
        logger.exception("a step failed")
        self._running.clear()
        for slot in range(self._slots.n_slots):
            self._slots.release(slot)
        self._free = list(range(self._slots.n_slots - 1, -1, -1))
        with self._changed:
            requests = tuple(self._requests)
        for request in requests:
            self._end(request, ModelError("the model failed"))
        self._deliver()

    def _give_up(self) -> None:
        """After a worse fault: refuse all requests, those that are there and those to come."""
        logger.critical("the scheduler stopped", exc_info=True)
        with self._changed:
            self._is_broken = True
            requests = tuple(self._requests)
            self._requests.clear()
            self._waiting.clear()
        for request in requests:
            self._tell(request, ClosedError(by_fault=True))
        self._deliver()

    def close(self) -> None:
        """End `run` after its step; what is unfinished then ends with `ClosedError`."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def step(self) -> None:
        """Let every text go on by one token, and read waiting ones into free slots."""
        self._step_began_at = self._clock()
        try:
            self.counts.steps += 1
            self._drop_cancelled()
            self._end_late()
            self._continue_running()
            self._fill_free_slots()
            self._deliver()
        finally:
            self._step_began_at = math.inf

    def _continue_running(self) -> None:
        going_on = [slot for slot in self._running if self._sequence_in(slot).next_id is not None]
        starting_over = [slot for slot in self._running if self._sequence_in(slot).next_id is None]
        if going_on:
            self._advance(going_on)
        for slot in starting_over:
            if slot in self._running:  # unless another text of its request has failed just now
                # Its context was full: the older half is forgotten, the rest is read again.
                self._slots.release(slot)
                self._read(slot)

    def _sequence_in(self, slot: int) -> ServedSequence:
        request, index = self._running[slot]
        return request.sequences[index]

    def _drop_cancelled(self) -> None:
        with self._changed:
            cancelled = [request for request in self._requests if request.cancelled]
        for request in cancelled:
            self.counts.cancelled += 1
            self._told.pop(request, None)
            self._forget(request)

    def _end_late(self) -> None:
        """Refuse what has waited too long, and cut what has taken too long."""
        now = self._clock()
        is_over = now > self._ends_at
        with self._changed:
            unstarted = [request for request in self._waiting if not request.started]
        for request in unstarted:
            if is_over:
                self._end(request, ClosedError())
            elif now - request.submitted_at > self._limits.queue_seconds:
                waited = f"no slot became free within {self._limits.queue_seconds:g} s"
                again = self.retry_after()
                self._end(request, BusyError(waited, retry_after=again, refused_at_once=False))
        for request in {request for request, _ in self._running.values()}:
            if is_over or now - request.submitted_at > self._limits.request_seconds:
                for index, sequence in enumerate(request.sequences):
                    if not sequence.finished:
                        self._add(request, index, sequence.cut())

    def _advance(self, slots: list[int]) -> None:
        texts = [self._running[slot] for slot in slots]
        ids = [request.sequences[index].next_id for request, index in texts]
        try:
            logits = self._slots.advance(slots, [i for i in ids if i is not None]).cpu()
        except Exception:
            # Which of them is at fault is not known, nor what state the slots are in.
            self._fail({request for request, _ in texts})
            return
        self._take(slots, logits)

    def _read(self, slot: int) -> None:
        request, index = self._running[slot]
        try:
            logits = self._slots.admit(slot, request.sequences[index].context).cpu()
        except Exception:
            self._fail({request})
            return
        self._take([slot], logits[None])

    def _take(self, slots: Sequence[int], logits: Tensor) -> None:
        """Let the texts in n slots go on by what their logits [n, V] say."""
        texts = [self._running[slot] for slot in slots]
        sequences = [request.sequences[index] for request, index in texts]
        try:
            ids = draw_ids(sequences, logits, self._draw)
        except Exception:
            self._fail({request for request, _ in texts})
            return
        for row, (request, index) in enumerate(texts):
            if slots[row] not in self._running:  # another text of its request has failed just now
                continue
            if ids[row] == NO_ID:
                self._end(request, ModelError("the model's logits are not finite numbers"))
                continue
            sequence = sequences[row]
            try:
                delta = sequence.take(ids[row], logits[row] if sequence.looks_at_logits else None)
            except Exception:
                self._fail({request})
                continue
            self._add(request, index, delta)

    def _fill_free_slots(self) -> None:
        tokens = 0
        while self._free and tokens < READ_TOKENS_PER_STEP:
            with self._changed:
                if not self._waiting:
                    return
                # So a request of many texts has all slots only while nobody else wants one.
                request = min(self._waiting, key=lambda request: request.in_slots)
                index = request.unread.popleft()
                if not request.unread:
                    self._waiting.remove(request)
            sequence = request.sequences[index]
            request.started = True
            self.counts.prompt_tokens += sequence.prompt_tokens
            first = sequence.begin()
            if first is not None:
                self._add(request, index, first)
            if not sequence.finished:
                slot = self._free.pop()
                self._running[slot] = (request, index)
                request.in_slots += 1
                tokens += len(sequence.context)
                self._read(slot)

    def _add(self, request: QueuedRequest, index: int, delta: TextDelta) -> None:
        """Note a delta; with the last one its slot becomes free."""
        self._tell(request, (index, delta))
        if delta.finish is None:
            return
        self.counts.new_tokens += delta.new_tokens
        for slot, text in tuple(self._running.items()):
            if text == (request, index):
                self._release(slot)
        request.unfinished -= 1
        if request.unfinished == 0:
            seconds = self._clock() - request.submitted_at
            self._mean_seconds += 0.1 * (seconds - self._mean_seconds)
            self._forget(request)

    def _fail(self, requests: set[QueuedRequest]) -> None:
        logger.exception("the model failed")
        for request in requests:
            self._end(request, ModelError("the model failed"))

    def _end(self, request: QueuedRequest, why: BusyError | ClosedError | ModelError) -> None:
        if isinstance(why, ModelError):
            self.counts.failed += 1
        self._tell(request, why)
        self._forget(request)

    def _forget(self, request: QueuedRequest) -> None:
        """Free all that a request holds."""
        with self._changed:
            self._requests.discard(request)
            if request in self._waiting:
                self._waiting.remove(request)
        for slot, (holder, _) in tuple(self._running.items()):
            if holder is request:
                self._release(slot)

    def _release(self, slot: int) -> None:
        request, _ = self._running.pop(slot)
        request.in_slots -= 1
        self._slots.release(slot)
        self._free.append(slot)

    def _tell(self, request: QueuedRequest, event: Event) -> None:
        request.tell(event)
        self._told[request] = None

    def _deliver(self) -> None:
        """Deliver what is due, all of it in one call."""
        now = self._clock()
        due = [request for request in self._told if request.is_due(now)]
        if due:
            for request in due:
                del self._told[request]
            self._post(partial(_deliver_each, [(request, request.take(now)) for request in due]))


def _deliver_each(told: Sequence[tuple[QueuedRequest, Sequence[Event]]]) -> None:
    for request, events in told:
        if not request.cancelled:
            request.deliver(events)
