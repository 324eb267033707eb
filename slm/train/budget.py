"""How far a run has come: by steps, or by the clock."""

from __future__ import annotations

import time
from collections.abc import Callable

from slm.config import TrainingConfig


class Budget:
    """Progress of a run from 0 to 1, and its time so far.

    With `max_minutes` the clock decides: progress is the share of the time that has passed before
    the step at hand, and the last step is the one that still fits. Time spent before an
    interruption counts, time between two starts does not.

    Args:
        config: `max_steps` and `max_minutes`.
        elapsed_seconds: time that earlier starts of this run used.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        config: TrainingConfig,
        *,
        elapsed_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config
        self._clock = clock
        self._started_at = clock() - elapsed_seconds
        self._step_began_at = clock()
        self._recent_step_seconds = 0.0
        self._reserve = 0.0

    @property
    def elapsed_seconds(self) -> float:
        """Wall-clock seconds of the run so far, earlier starts included."""
        return self._clock() - self._started_at

    @property
    def step_seconds(self) -> float:
        """Running mean of the time that a step takes; 0 before the first."""
        return self._recent_step_seconds

    @property
    def follows_clock(self) -> bool:
        """Whether time, not the number of steps, ends the run."""
        return self.config.max_minutes is not None

    def begin_step(self) -> None:
        """Note the time at which a step begins."""
        self._step_began_at = self._clock()

    def end_step(self) -> None:
        """Note that the step has ended, for the estimate of the next one."""
        seconds = self._clock() - self._step_began_at
        if self._recent_step_seconds == 0.0:
            self._recent_step_seconds = seconds
        else:
            self._recent_step_seconds += 0.1 * (seconds - self._recent_step_seconds)

    def progress(self, step: int) -> float:
        """Share of the run that is done before a step, 0 to 1."""
        if self.config.max_minutes is None:
            return min(1.0, step / self.config.max_steps)
        budget = self.config.max_minutes * 60.0
        return min(1.0, self.elapsed_seconds / max(budget - self._reserve, 1e-9))

    def is_over(self, step: int) -> bool:
        """Whether the step at hand should not begin."""
        if self.config.max_minutes is None:
            return step >= self.config.max_steps
        remaining = self.config.max_minutes * 60.0 - self._reserve - self.elapsed_seconds
        return remaining <= 0.0 or remaining < self._recent_step_seconds

    def reserve(self, seconds: float) -> None:
        """Keep this much of the clock for what follows the last step."""
        self._reserve = seconds
