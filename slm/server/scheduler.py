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

import torch
from torch import Tensor

from slm.generation.engine import NO_ID, Engine
from slm.server.limits import Limits
from slm.server.streams import Piece, Stream, draw_ids
from slm.server.tickets import BusyError, ClosedError, Deliver, Event, ModelError, Ticket

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
        engine: runs the model; from `start` on it belongs to the scheduler alone.
        limits: how much, and how long.
        clock: seconds.
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
        self._tickets: set[Ticket] = set()
        self._waiting: deque[Ticket] = deque()
        self._closed = False
        self._is_broken = False
        self._ends_at = math.inf
        # Of the thread that makes the steps:
        self._free = list(range(engine.n_slots - 1, -1, -1))
        self._running: dict[int, tuple[Ticket, int]] = {}
        self._told: dict[Ticket, None] = {}  # those with events that are not delivered, in order
        self._mean_seconds = 1.0
        self._step_began_at = math.inf  # while a step is made
        self._thread: threading.Thread | None = None

    # For any thread

    def submit(self, streams: Sequence[Stream], deliver: Deliver, *, pace: float = 0.0) -> Ticket:
        """Hand in a request; see `Ticket`.

        Raises:
            BusyError: the slots and the queue are full.
            ClosedError: nothing is taken any longer.
        """
        ticket = Ticket(streams, deliver, self._clock(), pace)
        with self._changed:
            self._check_room()
            self._tickets.add(ticket)
            self._waiting.append(ticket)
            self._changed.notify()
        return ticket

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
        if len(self._tickets) >= self._limits.queue + self.n_slots:
            raise BusyError(
                f"all {self.n_slots} slots are taken and {self._limits.queue} requests wait",
                retry_after=self.retry_after(),
                refused_at_once=True,
            )

    def retry_after(self) -> float:
        """A guess when there will be room: seconds, 1 to 60."""
        turns = len(self._tickets) / self._engine.n_slots
        return min(60.0, max(1.0, turns * self._mean_seconds))

    def cancel(self, ticket: Ticket) -> None:
        """Take a request back, ended or not; its slots are free within one step."""
        with self._changed:
            if ticket in self._tickets:
                ticket.cancelled = True
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
        return self._engine.n_slots

    @property
    def busy_slots(self) -> int:
        """Slots that hold a text."""
        return len(self._running)

    @property
    def waiting_requests(self) -> int:
        """Requests of which no text has been in a slot yet."""
        with self._changed:
            return sum(not ticket.started for ticket in self._waiting)

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
            with self._engine.running():
                while self._wait_for_work():
                    try:
                        self.step()
                    except Exception:
                        self._start_over()
            for ticket in tuple(self._tickets):
                self._end(ticket, ClosedError())
            self._deliver()
        except BaseException:
            self._give_up()

    def _wait_for_work(self) -> bool:
        """Whether there is a step to make; otherwise the scheduler is closed."""
        with self._changed:
            while not (self._tickets or self._closed):
                self._changed.wait()
            return not self._closed

    def _start_over(self) -> None:
        """After a fault: end all requests, and empty all slots."""
        logger.exception("a step failed")
        self._running.clear()
        self._engine.free(range(self._engine.n_slots))
        self._free = list(range(self._engine.n_slots - 1, -1, -1))
        with self._changed:
            tickets = tuple(self._tickets)
        for ticket in tickets:
            self._end(ticket, ModelError("the model failed"))
        self._deliver()

    def _give_up(self) -> None:
        """After a worse fault: refuse all requests, those that are there and those to come."""
        logger.critical("the scheduler stopped", exc_info=True)
        with self._changed:
            self._is_broken = True
            tickets = tuple(self._tickets)
            self._tickets.clear()
            self._waiting.clear()
        for ticket in tickets:
            self._tell(ticket, ClosedError(by_fault=True))
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
        going_on = [slot for slot in self._running if self._stream_in(slot).next_id is not None]
        starting_over = [slot for slot in self._running if self._stream_in(slot).next_id is None]
        if going_on:
            self._advance(going_on)
        for slot in starting_over:
            if slot in self._running:  # unless another text of its request has failed just now
                # Its context was full: the older half is forgotten, the rest is read again.
                self._engine.free([slot])
                self._read(slot)

    def _stream_in(self, slot: int) -> Stream:
        ticket, index = self._running[slot]
        return ticket.streams[index]

    def _drop_cancelled(self) -> None:
        with self._changed:
            cancelled = [ticket for ticket in self._tickets if ticket.cancelled]
        for ticket in cancelled:
            self.counts.cancelled += 1
            self._told.pop(ticket, None)
            self._forget(ticket)

    def _end_late(self) -> None:
        """Refuse what has waited too long, and cut what has taken too long."""
        now = self._clock()
        is_over = now > self._ends_at
        with self._changed:
            unstarted = [ticket for ticket in self._waiting if not ticket.started]
        for ticket in unstarted:
            if is_over:
                self._end(ticket, ClosedError())
            elif now - ticket.submitted_at > self._limits.queue_seconds:
                waited = f"no slot became free within {self._limits.queue_seconds:g} s"
                again = self.retry_after()
                self._end(ticket, BusyError(waited, retry_after=again, refused_at_once=False))
        for ticket in {ticket for ticket, _ in self._running.values()}:
            if is_over or now - ticket.submitted_at > self._limits.request_seconds:
                for index, stream in enumerate(ticket.streams):
                    if not stream.finished:
                        self._add(ticket, index, stream.cut())

    def _advance(self, slots: list[int]) -> None:
        texts = [self._running[slot] for slot in slots]
        ids = [ticket.streams[index].next_id for ticket, index in texts]
        try:
            found = self._engine.decode(slots, [i for i in ids if i is not None])
            logits = torch.as_tensor(found).cpu()
        except Exception:
            # Which of them is at fault is not known, nor what state the slots are in.
            self._fail({ticket for ticket, _ in texts})
            return
        self._take(slots, logits)

    def _read(self, slot: int) -> None:
        ticket, index = self._running[slot]
        try:
            found = self._engine.prefill([slot], [ticket.streams[index].context])
            logits = torch.as_tensor(found).cpu()
        except Exception:
            self._fail({ticket})
            return
        self._take([slot], logits)

    def _take(self, slots: Sequence[int], logits: Tensor) -> None:
        """Let the texts in n slots go on by what their logits [n, V] say."""
        texts = [self._running[slot] for slot in slots]
        streams = [ticket.streams[index] for ticket, index in texts]
        try:
            ids = draw_ids(streams, logits, self._engine)
        except Exception:
            self._fail({ticket for ticket, _ in texts})
            return
        for row, (ticket, index) in enumerate(texts):
            if slots[row] not in self._running:  # another text of its request has failed just now
                continue
            if ids[row] == NO_ID:
                self._end(ticket, ModelError("the model's logits are not finite numbers"))
                continue
            stream = streams[row]
            try:
                piece = stream.take(ids[row], logits[row] if stream.looks_at_logits else None)
            except Exception:
                self._fail({ticket})
                continue
            self._add(ticket, index, piece)

    def _fill_free_slots(self) -> None:
        tokens = 0
        while self._free and tokens < READ_TOKENS_PER_STEP:
            with self._changed:
                if not self._waiting:
                    return
                # So a request of many texts has all slots only while nobody else wants one.
                ticket = min(self._waiting, key=lambda ticket: ticket.in_slots)
                index = ticket.unread.popleft()
                if not ticket.unread:
                    self._waiting.remove(ticket)
            stream = ticket.streams[index]
            ticket.started = True
            self.counts.prompt_tokens += stream.prompt_tokens
            first = stream.begin()
            if first is not None:
                self._add(ticket, index, first)
            if not stream.finished:
                slot = self._free.pop()
                self._running[slot] = (ticket, index)
                ticket.in_slots += 1
                tokens += len(stream.context)
                self._read(slot)

    def _add(self, ticket: Ticket, index: int, piece: Piece) -> None:
        """Note a piece; with the last one its slot becomes free."""
        self._tell(ticket, (index, piece))
        if piece.finish is None:
            return
        self.counts.new_tokens += piece.new_tokens
        for slot, text in tuple(self._running.items()):
            if text == (ticket, index):
                self._release(slot)
        ticket.unfinished -= 1
        if ticket.unfinished == 0:
            seconds = self._clock() - ticket.submitted_at
            self._mean_seconds += 0.1 * (seconds - self._mean_seconds)
            self._forget(ticket)

    def _fail(self, tickets: set[Ticket]) -> None:
        logger.exception("the model failed")
        for ticket in tickets:
            self._end(ticket, ModelError("the model failed"))

    def _end(self, ticket: Ticket, why: BusyError | ClosedError | ModelError) -> None:
        if isinstance(why, ModelError):
            self.counts.failed += 1
        self._tell(ticket, why)
        self._forget(ticket)

    def _forget(self, ticket: Ticket) -> None:
        """Free all that a request holds."""
        with self._changed:
            self._tickets.discard(ticket)
            if ticket in self._waiting:
                self._waiting.remove(ticket)
        for slot, (holder, _) in tuple(self._running.items()):
            if holder is ticket:
                self._release(slot)

    def _release(self, slot: int) -> None:
        ticket, _ = self._running.pop(slot)
        ticket.in_slots -= 1
        self._engine.free([slot])
        self._free.append(slot)

    def _tell(self, ticket: Ticket, event: Event) -> None:
        ticket.tell(event)
        self._told[ticket] = None

    def _deliver(self) -> None:
        """Deliver what is due, all of it in one call."""
        now = self._clock()
        due = [ticket for ticket in self._told if ticket.is_due(now)]
        if due:
            for ticket in due:
                del self._told[ticket]
            self._post(partial(_deliver_each, [(ticket, ticket.take(now)) for ticket in due]))


def _deliver_each(told: Sequence[tuple[Ticket, Sequence[Event]]]) -> None:
    for ticket, events in told:
        if not ticket.cancelled:
            ticket.deliver(events)
