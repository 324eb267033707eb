"""`plan.json`: what was planned for a run, and what was said anew once it ran."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from slm.files import atomic_write
from slm.planning.restating import Promise, Restatement, StepTimes
from slm.reading import read_bounded, strict_json
from slm.training.events import Callback, RunStart, StepRecord

PLAN_FILE = "plan.json"
LARGEST_BYTES = 1 << 20


def read_plan(out_dir: Path) -> dict[str, Any] | None:
    """The plan that a run was started with; None where there is none that can be read."""
    try:
        plan = strict_json(read_bounded(out_dir / PLAN_FILE, LARGEST_BYTES))
    except (OSError, ValueError):
        return None
    return plan if isinstance(plan, dict) else None


class PlanFile(Callback):
    """Writes a plan into the run's directory, and says when steps take longer, or less long.

    Args:
        plan: as `Plan.to_json` gives it, or as it was saved.
        note: is called with a sentence for the user.
    """

    def __init__(self, plan: Mapping[str, Any], note: Callable[[str], None]) -> None:
        self.plan = dict(plan)
        self.promise = Promise.from_json(plan)
        said = plan.get("restatements")
        self._said: list[Any] = said if isinstance(said, list) else []
        self.restated = Restatement.from_json(self._said[-1]) if self._said else None
        self._note = note
        self._path = Path(PLAN_FILE)
        self._times: StepTimes | None = None
        self._tokens_per_step = 0

    def on_start(self, start: RunStart) -> None:
        self._path = start.out_dir / PLAN_FILE
        self._tokens_per_step = start.tokens_per_step
        if self.promise is None or self.promise.minutes != start.settings.train.max_minutes:
            self.promise = self.restated = None  # the run was given another length
        else:
            stated = self.restated or self.promise
            self._times = StepTimes(stated.seconds_per_step, self.promise.minutes)
        self._write()

    def on_step(self, record: StepRecord) -> None:
        if self._times is None or self.promise is None:
            return
        found = self._times.add(self._tokens_per_step / record.tokens_per_second)
        if found is None:
            return
        before = self.restated or self.promise
        self.restated = self.promise.restated(record.step, record.elapsed_seconds, found)
        self._said.append(asdict(self.restated))
        self._write()
        self._note(
            f"a step takes {_seconds(found)} instead of {_seconds(before.seconds_per_step)}: "
            f"expect about {self.restated.steps:,} steps instead of {before.steps:,}, and "
            f"{self.restated.expected_bits_per_byte:.2f} bits per byte instead of "
            f"{before.expected_bits_per_byte:.2f}"
        )

    def _write(self) -> None:
        content = {**self.plan, "restatements": self._said}
        atomic_write(self._path, json.dumps(content, indent=2) + "\n")


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1.0 else f"{1e3 * seconds:.0f} ms"
