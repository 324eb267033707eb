"""Losses that jump up: told, as they point at bad data, or at a learning rate that is too high."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

MEMORY = 100
"""About how many of the last losses the mean and the deviation are of."""
LEAST_SEEN = 20
"""Losses before the first that may count as a spike."""
DEVIATIONS = 6.0
"""A spike lies this many standard deviations above the mean,"""
LEAST_JUMP = 0.2
"""and this many nats: where the losses hardly vary, small steps are no spikes."""


@dataclass
class LossWatch:
    """Running mean and variance of about the last `MEMORY` losses of a run."""

    mean: float = 0.0
    variance: float = 0.0
    n_seen: int = 0

    @property
    def deviation(self) -> float:
        """The standard deviation."""
        return math.sqrt(self.variance)

    @property
    def limit(self) -> float:
        """The loss above which the next one is a spike; infinite while too few are known."""
        if self.n_seen < LEAST_SEEN:
            return math.inf
        return self.mean + max(DEVIATIONS * self.deviation, LEAST_JUMP)

    def take_in(self, loss: float) -> None:
        """Count a finite loss, a spike too: where losses stay high, only the first are told."""
        self.n_seen = min(self.n_seen + 1, MEMORY)
        rate = 1.0 / self.n_seen
        difference = loss - self.mean
        # The exponentially weighted form of Welford's method: Finch 2009, "Incremental calculation
        # of weighted mean and variance", section 9.
        self.mean += rate * difference
        self.variance = (1.0 - rate) * (self.variance + rate * difference * difference)

    def to_json(self) -> dict[str, Any]:
        """All of it, for a checkpoint; `LossWatch(**data)` is the same again."""
        return asdict(self)
