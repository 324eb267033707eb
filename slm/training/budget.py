"""Progress of a run, by steps or by time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from slm.config import TrainingConfig
from slm.errors import TrainingError
from slm.quantities import counted
from slm.train_state import TimeState

RECENT_STEPS = 5
"""Window for the minimum step time, used to predict the next step."""
ENDING_SECONDS = 1.5
ENDING_SHARE = 0.05
"""Time reserved for saving, the last plot and exiting; the smaller of the two applies."""


class Budget:
    """Progress of a run from 0 to 1, and its elapsed time.

    With `max_minutes`, progress is the share of the time that has passed before the current step,
    and the last step is the last one that fits. Time before an interruption counts, time between
    two starts does not.

    Args:
        config: `max_steps` and `max_minutes`.
        time_state: of earlier starts of this run.
        began_at: when this start of the run began, on that clock; None: now. Work since then, such
            as preparing the data, counts as elapsed time.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        config: TrainingConfig,
        *,
        time_state: TimeState | None = None,
        began_at: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config
        self._clock = clock
        saved = time_state or TimeState()
        now = clock()
        self._started_at = (now if began_at is None else began_at) - saved.elapsed_seconds
        self._step_began_at = now
        self._recent_seconds = deque(
            [saved.step_seconds] if saved.step_seconds else [], RECENT_STEPS
        )
        self._is_warm = bool(self._recent_seconds)
        self._reserve = saved.reserved_seconds

    @property
    def elapsed_seconds(self) -> float:
        """Wall-clock seconds of the run so far, earlier starts included."""
        return self._clock() - self._started_at

    @property
    def time_state(self) -> TimeState:
        """The state for the next start of this run."""
        return TimeState(self.elapsed_seconds, self._step_seconds, self._reserve)

    def begin_step(self) -> None:
        """Record the start of a step."""
        self._step_began_at = self._clock()

    def end_step(self) -> None:
        """Record the end of a step, for the estimate of the next one."""
        self._is_warm = bool(self._recent_seconds)
        self._recent_seconds.append(self._clock() - self._step_began_at)

    @property
    def _step_seconds(self) -> float:
        """Minimum duration of a step in seconds; 0 before the first."""
        return min(self._recent_seconds, default=0.0)

    def progress(self, step: int) -> float:
        """Share of the run that is done before a step, 0 to 1."""
        if self.config.max_minutes is None:
            return min(1.0, step / self.config.max_steps)
        budget = self.config.max_minutes * 60.0
        return min(1.0, self.elapsed_seconds / max(budget - self._reserve, 1e-9))

    def is_over(self, step: int) -> bool:
        """Whether the next step should not begin; the first of a run always may."""
        if self.config.max_minutes is None:
            return step >= self.config.max_steps
        if step == 0:
            return False
        remaining = self.config.max_minutes * 60.0 - self._reserve - self.elapsed_seconds
        # The first step warms up or compiles: later ones may take half as long.
        next_step = self._step_seconds if self._is_warm else self._step_seconds / 2.0
        return remaining <= 0.0 or remaining < next_step

    def require_time(self) -> None:
        """Reject a run that has no time for its first step.

        Raises:
            TrainingError: the work before it has used up the budget.
        """
        minutes = self.config.max_minutes
        if minutes is not None and self.elapsed_seconds >= 60.0 * minutes:
            raise TrainingError(
                f"the time budget of {counted(minutes, 'minute')} ended before the first step",
                hint="startup and data preparation count; the data are ready now: run the same "
                "command again, or give it more minutes",
            )

    def reserve(self, seconds: float) -> None:
        """Reserve time for the work after the last step, and for exiting."""
        budget = (self.config.max_minutes or 0.0) * 60.0
        self._reserve = seconds + min(ENDING_SECONDS, ENDING_SHARE * budget)
