"""A request that the scheduler works on: its sequences, and its events until they are delivered."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

from slm.server.served_sequence import ServedSequence, TextDelta


class BusyError(Exception):
    """There is no room for a request, or none became free in time.

    Args:
        message: what was full.
        retry_after: seconds after which a retry may succeed.
        refused_at_once: the request never waited.
    """

    def __init__(self, message: str, *, retry_after: float, refused_at_once: bool) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.refused_at_once = refused_at_once


class ClosedError(Exception):
    """The scheduler has ended.

    Args:
        after_failure: because of an internal error, and not because it was closed.
    """

    def __init__(self, *, after_failure: bool = False) -> None:
        super().__init__()
        self.after_failure = after_failure


class ModelError(Exception):
    """The model failed: a bug in slm, or damaged weights."""


Event = tuple[int, TextDelta] | BusyError | ClosedError | ModelError
"""What a step has added to one of a request's sequences, or why the request has ended."""

Deliver = Callable[[Sequence[Event]], None]


class QueuedRequest:
    """A request and its undelivered events.

    Args:
        sequences: the sequences to generate.
        deliver: is called with events in their order, through the `post` of `Scheduler.start`.
        submitted_at: the time of the scheduler's clock when the request arrived.
        pace: minimum seconds between two deliveries. The first delivery and the end of a sequence
            do not wait.
    """

    def __init__(
        self,
        sequences: Sequence[ServedSequence],
        deliver: Deliver,
        submitted_at: float,
        pace: float = 0.0,
    ) -> None:
        self.sequences = sequences
        self.deliver = deliver
        self.submitted_at = submitted_at
        self.cancelled = False
        self.started = False
        """Whether one of its sequences has been in a slot."""
        self.unread = deque(range(len(sequences)))
        """The sequences that wait for a slot, by index."""
        self.in_slots = 0
        """The number of its sequences in slots."""
        self.unfinished = len(sequences)
        """The number of its sequences that have not ended."""
        self._pace = pace
        self._events: list[Event] = []
        self._ends = False
        self._next_at = -math.inf

    def add_event(self, event: Event) -> None:
        """Keep an event for the next delivery."""
        self._events.append(event)
        if isinstance(event, Exception) or event[1].finish is not None:
            self._ends = True

    def is_due(self, now: float) -> bool:
        """Whether its events are to be delivered now."""
        return self._ends or now >= self._next_at

    def take_events(self, now: float) -> Sequence[Event]:
        """Return the events to deliver now, and keep none of them."""
        events, self._events = self._events, []
        self._ends = False
        self._next_at = now + self._pace
        return events
