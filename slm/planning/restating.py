"""What a plan promised, held against the steps that are made: said anew where they differ.

A plan rests on a few seconds of probing. Other programs may start or end afterwards, and a laptop
gets hot, so the first minute of a run says more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slm.planning.plan import EVALUATING_SHARE
from slm.planning.scaling_law import SCALING_LAW

LONGEST_WINDOW_SECONDS = 60.0
WINDOW_SHARE = 0.1
"""Steps are timed for so long, or for this share of a shorter run, before anything is said."""
FIRST_CHANGE = 1.2
"""How many times as many steps as planned, or as few, there will be for it to be said at first."""
LATER_CHANGE = 4 / 3
"""The same beside what was said last."""


@dataclass(frozen=True)
class Promise:
    """The figures of a plan that a run is held against."""

    minutes: float
    steps: int
    seconds_per_step: float
    tokens: float
    text_bytes: float
    non_embedding_parameters: float
    expected_bits_per_byte: float
    epochs: float | None

    @classmethod
    def from_json(cls, plan: Mapping[str, Any]) -> Promise | None:
        """The figures of `Plan.to_json`; None: not all are there, as in plans of older versions."""
        epochs = plan.get("epochs")
        names = [name for name in cls.__dataclass_fields__ if name != "epochs"]
        figures = [plan.get(name) for name in names]
        if not all(map(_is_positive, figures if epochs is None else [*figures, epochs])):
            return None
        return cls(**dict(zip(names, figures, strict=True)), epochs=epochs)  # type: ignore[arg-type]

    def restated(self, step: int, elapsed_seconds: float, seconds_per_step: float) -> Restatement:
        """What is to be expected of a run that has come so far.

        Args:
            step: steps done.
            elapsed_seconds: of the run's minutes.
            seconds_per_step: what a step takes now.
        """
        left = max(0.0, 60.0 * self.minutes - elapsed_seconds) * (1.0 - EVALUATING_SHARE)
        steps = step + int(left / seconds_per_step)
        tokens = steps * self.tokens / self.steps
        seen = tokens * self.text_bytes / self.tokens
        unique = math.inf if self.epochs is None else self.text_bytes / self.epochs
        return Restatement(
            step=step,
            elapsed_seconds=elapsed_seconds,
            seconds_per_step=seconds_per_step,
            steps=steps,
            tokens=round(tokens),
            expected_bits_per_byte=SCALING_LAW.bits_per_byte(
                self.non_embedding_parameters, seen, unique
            ),
        )


@dataclass(frozen=True)
class Restatement:
    """What is to be expected of a run after all."""

    step: int
    """Steps done when it was said."""
    elapsed_seconds: float
    seconds_per_step: float
    """Measured."""
    steps: int
    """In the whole run."""
    tokens: int
    expected_bits_per_byte: float

    @classmethod
    def from_json(cls, saved: object) -> Restatement | None:
        """What was saved; None: it is not whole."""
        if not isinstance(saved, dict) or saved.keys() != cls.__dataclass_fields__.keys():
            return None
        return cls(**saved) if all(map(_is_positive, saved.values())) else None


def _is_positive(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value > 0  # type: ignore[operator, arg-type]


class Outlook:
    """Notices when a run will make fewer steps, or more, than was said.

    Args:
        promise: what the plan says.
        restated: what was said last in an earlier start of the run.
    """

    def __init__(self, promise: Promise, restated: Restatement | None = None) -> None:
        self.promise = promise
        self.restated = restated
        self._window = min(LONGEST_WINDOW_SECONDS, WINDOW_SHARE * 60.0 * promise.minutes)
        self._change = FIRST_CHANGE
        self._is_warm = False
        self._seconds, self._steps = 0.0, 0

    @property
    def stated(self) -> Promise | Restatement:
        """What was said last."""
        return self.restated or self.promise

    def add(self, step: int, elapsed_seconds: float, seconds: float) -> Restatement | None:
        """Take in a step; returns what is to be expected where that must be said anew.

        The first step of a start, which warms up or compiles, does not count. After each statement
        steps are timed twice as long before the next.

        Args:
            step: steps done, this one included.
            elapsed_seconds: of the run's minutes.
            seconds: that the step took.
        """
        if not self._is_warm:
            self._is_warm = True
            return None
        self._seconds += seconds
        self._steps += 1
        if self._seconds < self._window:
            return None
        found = self.promise.restated(step, elapsed_seconds, self._seconds / self._steps)
        self._seconds, self._steps = 0.0, 0
        is_as_said = 1 / self._change < found.steps / self.stated.steps < self._change
        self._change = LATER_CHANGE
        if is_as_said:
            return None
        self.restated = found
        self._window *= 2
        return found
