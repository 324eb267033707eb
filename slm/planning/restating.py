"""Compares a plan with the run's own figures, and restates the plan when they differ.

A plan relies on a few seconds of probing. Other programs may start or end afterwards, and a laptop
gets hot, so the first minute of a run is more accurate. A plan also assumes text like TinyStories,
and other text is easier or harder, which the run's evaluations show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from slm.planning.learning_curve import bits_at_end
from slm.planning.scaling_law import SCALING_LAW
from slm.planning.steps import EVALUATING_SHARE

LONGEST_WINDOW_SECONDS = 60.0
WINDOW_SHARE = 0.1
"""Duration of the first measurement, in seconds and as a share of a short run."""
FIRST_CHANGE = 1.2
"""Ratio of expected to planned steps, in either direction, that causes the first restatement."""
LATER_CHANGE = 4 / 3
"""The same ratio to the last restatement."""
TEXT_CHANGE = 1.2
"""Ratio of the bits per byte at the end, as the evaluations suggest them, to those last stated, in
either direction, that causes a restatement."""


@dataclass(frozen=True)
class PlannedRun:
    """The figures of a plan that are compared with the run."""

    minutes: float
    steps: int
    seconds_per_step: float
    tokens: float
    text_bytes: float
    non_embedding_parameters: float
    expected_bits_per_byte: float
    epochs: float | None = None
    difficulty: float = 1.0
    """Bits per byte of this text, as a multiple of those of TinyStories."""

    @classmethod
    def from_json(cls, plan: Mapping[str, Any]) -> PlannedRun | None:
        """The figures of `Plan.to_json`.

        Returns:
            None if some are missing, as in older plans, and for a run that starts from given
            weights or has teachers: the law holds for runs that learn from the text alone.
        """
        settings = plan.get("settings")
        if isinstance(settings, dict) and (
            settings.get("parent") or settings.get("teacher_models")
        ):
            return None
        given = {"difficulty": 1.0, **plan}
        figures = {name: given.get(name) for name in cls.__dataclass_fields__}
        if figures["epochs"] is None:
            figures.pop("epochs")
        if not all(map(_is_positive, figures.values())):
            return None
        return cls(**figures)  # type: ignore[arg-type]

    def restated(
        self,
        step: int,
        elapsed_seconds: float,
        seconds_per_step: float,
        difficulty: float | None = None,
    ) -> Restatement:
        """The expected result from the current progress.

        Args:
            step: steps done.
            elapsed_seconds: of the run's minutes.
            seconds_per_step: currently measured.
            difficulty: of the text; default: that of the plan.
        """
        difficulty = difficulty or self.difficulty
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
            expected_bits_per_byte=difficulty
            * SCALING_LAW.bits_per_byte(self.non_embedding_parameters, seen, unique),
            difficulty=difficulty,
        )


@dataclass(frozen=True)
class Restatement:
    """The updated expected result of a run."""

    step: int
    """Steps done at the restatement."""
    elapsed_seconds: float
    seconds_per_step: float
    """Measured."""
    steps: int
    """Of the whole run."""
    tokens: int
    expected_bits_per_byte: float
    difficulty: float
    """Of the text, by the last evaluation that was a surprise."""

    @classmethod
    def from_json(cls, saved: object) -> Restatement | None:
        """The saved restatement; None if it is incomplete."""
        if not isinstance(saved, dict) or saved.keys() != cls.__dataclass_fields__.keys():
            return None
        return cls(**saved) if all(map(_is_positive, saved.values())) else None


def _is_positive(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value > 0  # type: ignore[operator, arg-type]


class Outlook:
    """Detects when a run will end otherwise than last stated.

    Args:
        planned: the figures of the plan.
        restated: the last restatement of an earlier start of the run.
    """

    def __init__(self, planned: PlannedRun, restated: Restatement | None = None) -> None:
        self.planned = planned
        self.restated = restated
        self._window = min(LONGEST_WINDOW_SECONDS, WINDOW_SHARE * 60.0 * planned.minutes)
        self._change = FIRST_CHANGE
        self._is_warm = False
        self._steps, self._seconds, self._slowest = 0, 0.0, 0.0
        self._evaluations: list[tuple[float, float]] = []

    @property
    def stated(self) -> PlannedRun | Restatement:
        """The last restatement, or the plan."""
        return self.restated or self.planned

    def add_step(self, step: int, elapsed_seconds: float, seconds: float) -> Restatement | None:
        """Add a step; returns a restatement if one is due.

        The first step of a start is ignored, and so is the slowest of each measurement: it may have
        compiled, for a longer context. Each restatement doubles the next measurement's duration.

        Args:
            step: steps done, this one included.
            elapsed_seconds: of the run's minutes.
            seconds: duration of the step.
        """
        if not self._is_warm:
            self._is_warm = True
            return None
        self._steps += 1
        self._seconds += seconds
        self._slowest = max(self._slowest, seconds)
        typical = self._seconds - self._slowest
        is_over = elapsed_seconds >= 60.0 * self.planned.minutes
        if is_over or self._steps < 2 or typical < self._window:
            return None
        mean = typical / (self._steps - 1)
        found = self.planned.restated(step, elapsed_seconds, mean, self.stated.difficulty)
        self._steps, self._seconds, self._slowest = 0, 0.0, 0.0
        is_as_said = 1 / self._change < found.steps / self.stated.steps < self._change
        self._change = LATER_CHANGE
        if is_as_said:
            return None
        self.restated = found
        self._window *= 2
        return found

    def add_evaluation(
        self, step: int, elapsed_seconds: float, bits_per_byte: float
    ) -> Restatement | None:
        """Add an evaluation; returns a restatement if the text is easier or harder than stated.

        Args:
            step: steps done.
            elapsed_seconds: of the run's minutes.
            bits_per_byte: of the validation text.
        """
        progress = min(1.0, elapsed_seconds / (60.0 * self.planned.minutes))
        if step == 0 or not 0.0 < bits_per_byte < math.inf:
            return None
        self._evaluations.append((progress, bits_per_byte))
        at_end = bits_at_end(self._evaluations)
        if at_end is None:
            return None
        stated = self.stated
        now = partial(self.planned.restated, step, elapsed_seconds, stated.seconds_per_step)
        of_stories = now(difficulty=1.0).expected_bits_per_byte
        difficulty = at_end / of_stories
        if 1 / TEXT_CHANGE < difficulty / stated.difficulty < TEXT_CHANGE:
            return None
        self.restated = now(difficulty=difficulty)
        return self.restated
