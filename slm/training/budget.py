"""How far a run has come: by steps, or by the clock."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from slm.config import TrainingConfig
from slm.errors import TrainingError

RECENT_STEPS = 5
"""Of so many steps the shortest tells how long the next one will take at least."""
ENDING_SECONDS = 1.5
ENDING_SHARE = 0.05
"""Kept for saving, the last plot and leaving: so many seconds, but no larger share of a budget."""


@dataclass(frozen=True)
class Pace:
    """What a run knows of time, so that a new start ends when the first one would have."""

    elapsed_seconds: float = 0.0
    """Used so far, by all starts of the run."""
    step_seconds: float = 0.0
    """What a step takes at least; 0 before the first."""
    reserved_seconds: float = 0.0
    """Kept for what follows the last step."""


class Budget:
    """Progress of a run from 0 to 1, and its time so far.

    With `max_minutes` the clock decides: progress is the share of the time that has passed before
    the step at hand, and the last step is the one that still fits. Time spent before an
    interruption counts, time between two starts does not.

    Args:
        config: `max_steps` and `max_minutes`.
        pace: what earlier starts of this run used and found.
        began_at: when this start of the run began, on that clock; None: now. What came between, as
            preparing the data, has used up some of the budget.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        config: TrainingConfig,
        *,
        pace: Pace | None = None,
        began_at: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config
        self._clock = clock
        pace = pace or Pace()
        now = clock()
        self._started_at = (now if began_at is None else began_at) - pace.elapsed_seconds
        self._step_began_at = now
        self._recent_seconds = deque([pace.step_seconds] if pace.step_seconds else [], RECENT_STEPS)
        self._is_warm = bool(self._recent_seconds)
        self._reserve = pace.reserved_seconds

    @property
    def elapsed_seconds(self) -> float:
        """Wall-clock seconds of the run so far, earlier starts included."""
        return self._clock() - self._started_at

    @property
    def pace(self) -> Pace:
        """What the next start of this run must know."""
        return Pace(self.elapsed_seconds, self._step_seconds, self._reserve)

    @property
    def follows_clock(self) -> bool:
        """Whether time, not the number of steps, ends the run."""
        return self.config.max_minutes is not None

    def begin_step(self) -> None:
        """Note the time at which a step begins."""
        self._step_began_at = self._clock()

    def end_step(self) -> None:
        """Note that the step has ended, for the estimate of the next one."""
        self._is_warm = bool(self._recent_seconds)
        self._recent_seconds.append(self._clock() - self._step_began_at)

    @property
    def _step_seconds(self) -> float:
        """What a step takes at least; 0 before the first."""
        return min(self._recent_seconds, default=0.0)

    def progress(self, step: int) -> float:
        """Share of the run that is done before a step, 0 to 1."""
        if self.config.max_minutes is None:
            return min(1.0, step / self.config.max_steps)
        budget = self.config.max_minutes * 60.0
        return min(1.0, self.elapsed_seconds / max(budget - self._reserve, 1e-9))

    def is_over(self, step: int) -> bool:
        """Whether the step at hand should not begin; the first of a run always may."""
        if self.config.max_minutes is None:
            return step >= self.config.max_steps
        if step == 0:
            return False
        remaining = self.config.max_minutes * 60.0 - self._reserve - self.elapsed_seconds
        # The first step warms up or compiles: a later one may well take half as long.
        next_step = self._step_seconds if self._is_warm else self._step_seconds / 2.0
        return remaining <= 0.0 or remaining < next_step

    def require_time(self) -> None:
        """Refuse a run that has no time for its first step.

        Raises:
            TrainingError: what came before it has taken all the minutes.
        """
        minutes = self.config.max_minutes
        if minutes is not None and self.elapsed_seconds >= 60.0 * minutes:
            raise TrainingError(
                f"the {minutes:g} minutes were over before the first step",
                hint="starting and preparing the data count; the data are ready now: give the same "
                "command again, or more minutes",
            )

    def reserve(self, seconds: float) -> None:
        """Keep this much of the clock for what follows the last step, and a little to end in."""
        budget = (self.config.max_minutes or 0.0) * 60.0
        self._reserve = seconds + min(ENDING_SECONDS, ENDING_SHARE * budget)
