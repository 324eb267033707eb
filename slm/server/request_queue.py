"""A request in the scheduler's hands: its texts, and what is told of them, when."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

from slm.server.served_sequence import ServedSequence, TextDelta


class BusyError(Exception):
    """There is no room for a request, or none came in time.

    Args:
        message: what was full.
        retry_after: seconds after which another try has a chance.
        refused_at_once: it never waited.
    """

    def __init__(self, message: str, *, retry_after: float, refused_at_once: bool) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.refused_at_once = refused_at_once


class ClosedError(Exception):
    """The scheduler has ended.

    Args:
        by_fault: nobody asked it to.
    """

    def __init__(self, *, by_fault: bool = False) -> None:
        super().__init__()
        self.by_fault = by_fault


class ModelError(Exception):
    """The model failed: a fault of ours, or of its weights."""


Event = tuple[int, TextDelta] | BusyError | ClosedError | ModelError
"""What a step has added to one of a request's texts, or why the request has ended."""

Deliver = Callable[[Sequence[Event]], None]


class QueuedRequest:
    """A request, and the events that are not delivered yet.

    Args:
        sequences: its texts.
        deliver: is given events in their order, by way of the `post` that `Scheduler.start` was
            given.
        submitted_at: when it came, by the scheduler's clock.
        pace: seconds between two deliveries at least. The first one is not kept waiting, nor the
            end of a text.
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
        """Whether a text of it has been in a slot."""
        self.unread = deque(range(len(sequences)))
        """Its texts that wait for a slot."""
        self.in_slots = 0
        """How many of its texts are in slots."""
        self.unfinished = len(sequences)
        """Its texts that have not ended."""
        self._pace = pace
        self._told: list[Event] = []
        self._ends = False
        self._next_at = -math.inf

    def tell(self, event: Event) -> None:
        """Note an event for the next delivery."""
        self._told.append(event)
        if isinstance(event, Exception) or event[1].finish is not None:
            self._ends = True

    def is_due(self, now: float) -> bool:
        """Whether its events are to be delivered now."""
        return self._ends or now >= self._next_at

    def take(self, now: float) -> Sequence[Event]:
        """The events to deliver now."""
        told, self._told = self._told, []
        self._ends = False
        self._next_at = now + self._pace
        return told
