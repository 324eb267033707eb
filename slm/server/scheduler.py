"""Continuous batching: requests take slots as they become free and leave them when they end.

One thread owns the model and makes steps (`run`). Any other thread submits requests (`submit`) and
cancels them (`cancel`). A step extends every sequence in a slot by one token and reads waiting
sequences into free slots. Events are delivered after the step, or together with those of later
steps.
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

from slm.generation.engine import Engine
from slm.server.limits import Limits
from slm.server.request_queue import (
    BusyError,
    ClosedError,
    Deliver,
    Event,
    ModelError,
    QueuedRequest,
)
from slm.server.served_sequence import ServedSequence, TextDelta
from slm.server.slot_batch import SlotBatch

PREFILL_TOKENS_PER_STEP = 256
"""Once a step has read this many tokens into slots, further sequences wait for the next step, since
every running sequence waits for the reading."""

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
        engine: runs the model; from now on nothing else may use it.
        limits: bounds of the queue and of times.
        clock: returns seconds.
    """

    def __init__(
        self,
        engine: Engine,
        limits: Limits,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = Counts()
        self._engine = engine
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
        # Used by the scheduler's thread only:
        self._batch = SlotBatch(engine, on_delta=self._add, on_error=self._end)
        self._undelivered: dict[QueuedRequest, None] = {}  # an ordered set
        self._mean_seconds = 1.0
        self._step_began_at = math.inf  # finite during a step
        self._thread: threading.Thread | None = None

    # For any thread

    def submit(
        self, sequences: Sequence[ServedSequence], deliver: Deliver, *, pace: float = 0.0
    ) -> QueuedRequest:
        """Submit a request; see `QueuedRequest`.

        Raises:
            BusyError: the slots and the queue are full.
            ClosedError: the scheduler no longer accepts requests.
        """
        request = QueuedRequest(sequences, deliver, self._clock(), pace)
        with self._changed:
            self._check_room()
            self._requests.add(request)
            self._waiting.append(request)
            self._changed.notify()
        return request

    def check_room(self) -> None:
        """Report early that a request would be refused.

        Raises:
            BusyError, ClosedError: see `submit`.
        """
        with self._changed:
            self._check_room()

    def _check_room(self) -> None:
        if self._is_broken:
            raise ClosedError(after_failure=True)
        if self._closed or self._ends_at < math.inf:
            raise ClosedError
        if len(self._requests) >= self._limits.queue + self.n_slots:
            raise BusyError(
                f"all {self.n_slots} slots are in use and {self._limits.queue} requests wait",
                retry_after=self.retry_after(),
                refused_at_once=True,
            )

    def retry_after(self) -> float:
        """An estimate of the seconds until a slot becomes free, from 1 to 60."""
        turns = len(self._requests) / self.n_slots
        return min(60.0, max(1.0, turns * self._mean_seconds))

    def cancel(self, request: QueuedRequest) -> None:
        """Cancel a request, finished or not; its slots become free within one step."""
        with self._changed:
            if request in self._requests:
                request.cancelled = True
                self._changed.notify()

    def drain(self) -> None:
        """Accept no more requests, and finish the existing ones within `drain_seconds`."""
        with self._changed:
            self._ends_at = min(self._ends_at, self._clock() + self._limits.drain_seconds)

    @property
    def is_healthy(self) -> bool:
        """Whether requests are answered: the thread has not failed, and no step hangs."""
        step_seconds = self._clock() - self._step_began_at
        return not self._is_broken and step_seconds <= self._limits.request_seconds

    @property
    def n_slots(self) -> int:
        """How many sequences can be generated at once."""
        return self._batch.n_slots

    @property
    def busy_slots(self) -> int:
        """The number of slots that hold a sequence."""
        return self._batch.busy_slots

    @property
    def waiting_requests(self) -> int:
        """Requests of which no sequence has been in a slot yet."""
        with self._changed:
            return sum(not request.started for request in self._waiting)

    def close(self) -> None:
        """End `run` after its current step; unfinished requests end with `ClosedError`."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    # The scheduler's thread

    def start(self, post: Post) -> None:
        """Make steps in a thread of its own, until `close`.

        Args:
            post: runs a call on the thread where events are to be delivered.
        """
        assert self._thread is None
        self._post = post
        self._thread = threading.Thread(target=self.run, name="scheduler", daemon=True)
        self._thread.start()

    def run(self) -> None:
        """Make steps whenever there is work, until `close`.

        A step that fails ends all requests, and later requests find empty slots. If that fails as
        well, all requests are refused and `is_healthy` is false.
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

    def step(self) -> None:
        """Extend every sequence by one token, and read waiting sequences into free slots."""
        self._step_began_at = self._clock()
        try:
            self.counts.steps += 1
            self._drop_cancelled()
            self._end_late()
            self._batch.step()
            self._fill_free_slots()
            self._deliver()
        finally:
            self._step_began_at = math.inf

    def _wait_for_work(self) -> bool:
        """Wait until there is a step to make; False: the scheduler was closed."""
        with self._changed:
            while not (self._requests or self._closed):
                self._changed.wait()
            return not self._closed

    def _start_over(self) -> None:
        """After a failed step: end all requests, and empty all slots."""
        logger.exception("a step failed")
        self._batch.clear()
        with self._changed:
            requests = tuple(self._requests)
        for request in requests:
            self._end(request, ModelError("the model failed"))
        self._deliver()

    def _give_up(self) -> None:
        """After a failure that cannot be repaired: refuse all requests, present and future."""
        logger.critical("the scheduler stopped", exc_info=True)
        with self._changed:
            self._is_broken = True
            requests = tuple(self._requests)
            self._requests.clear()
            self._waiting.clear()
        for request in requests:
            self._emit(request, ClosedError(after_failure=True))
        self._deliver()

    def _drop_cancelled(self) -> None:
        with self._changed:
            cancelled = [request for request in self._requests if request.cancelled]
        for request in cancelled:
            self.counts.cancelled += 1
            self._undelivered.pop(request, None)
            self._forget(request)

    def _end_late(self) -> None:
        """Refuse requests that have waited too long, and cut those that take too long."""
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
        for request in self._batch.requests:
            if is_over or now - request.submitted_at > self._limits.request_seconds:
                for index, sequence in enumerate(request.sequences):
                    if not sequence.finished:
                        self._add(request, index, sequence.cut())

    def _fill_free_slots(self) -> None:
        tokens = 0
        while self._batch.has_free_slot and tokens < PREFILL_TOKENS_PER_STEP:
            with self._changed:
                if not self._waiting:
                    return
                # So a request of many sequences fills all slots only while no other one waits.
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
                tokens += len(sequence.context)
                self._batch.add(request, index)

    def _add(self, request: QueuedRequest, index: int, delta: TextDelta) -> None:
        """Emit a delta; after the last one the sequence's slot becomes free."""
        self._emit(request, (index, delta))
        if delta.finish is None:
            return
        self.counts.new_tokens += delta.new_tokens
        self._batch.remove(request, index)
        request.unfinished -= 1
        if request.unfinished == 0:
            seconds = self._clock() - request.submitted_at
            self._mean_seconds += 0.1 * (seconds - self._mean_seconds)
            self._forget(request)

    def _end(self, request: QueuedRequest, why: BusyError | ClosedError | ModelError) -> None:
        if isinstance(why, ModelError):
            self.counts.failed += 1
        self._emit(request, why)
        self._forget(request)

    def _forget(self, request: QueuedRequest) -> None:
        """Free everything that a request holds."""
        with self._changed:
            self._requests.discard(request)
            if request in self._waiting:
                self._waiting.remove(request)
        self._batch.remove(request)

    def _emit(self, request: QueuedRequest, event: Event) -> None:
        request.add_event(event)
        self._undelivered[request] = None

    def _deliver(self) -> None:
        """Deliver all events that are due, in one call."""
        now = self._clock()
        due = [request for request in self._undelivered if request.is_due(now)]
        if due:
            for request in due:
                del self._undelivered[request]
            events = [(request, request.take_events(now)) for request in due]
            self._post(partial(_deliver_each, events))


def _deliver_each(events: Sequence[tuple[QueuedRequest, Sequence[Event]]]) -> None:
    for request, of_request in events:
        if not request.cancelled:
            request.deliver(of_request)
