"""`plan.json`: the plan of a run and its restatements."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from slm.config.run_files import PLAN_FILE
from slm.log import Log
from slm.planning.restating import Outlook, PlannedRun, Restatement
from slm.storage.files import atomic_write
from slm.storage.safe_reading import read_bounded, strict_json
from slm.training.events import Callback, EvaluationRecord, RunStart, StepRecord

LARGEST_BYTES = 1 << 20


def read_plan(out_dir: Path) -> dict[str, Any] | None:
    """The plan of a run; None if it is missing or cannot be read."""
    try:
        plan = strict_json(read_bounded(out_dir / PLAN_FILE, LARGEST_BYTES))
    except (OSError, ValueError):
        return None
    return plan if isinstance(plan, dict) else None


class PlanFile(Callback):
    """Writes a plan to the run's directory, and reports when the expected result changes.

    Args:
        plan: from `Plan.to_json`, or as saved.
        log: called with a sentence for the user.
    """

    def __init__(self, plan: Mapping[str, Any], log: Log) -> None:
        self.plan = dict(plan)
        restatements = plan.get("restatements")
        self._restatements: list[Any] = restatements if isinstance(restatements, list) else []
        planned = PlannedRun.from_json(plan)
        last = Restatement.from_json(self._restatements[-1]) if self._restatements else None
        self.outlook = None if planned is None else Outlook(planned, last)
        self._log = log
        self._path = Path(PLAN_FILE)
        self._tokens_per_step = 0

    def on_start(self, start: RunStart) -> None:
        self._path = start.out_dir / PLAN_FILE
        self._tokens_per_step = start.tokens_per_step
        minutes = start.settings.train.max_minutes
        if self.outlook is not None and self.outlook.planned.minutes != minutes:
            self.outlook = None  # the run has another length now
        self._write()

    def on_step(self, record: StepRecord) -> None:
        if self.outlook is None:
            return
        before = self.outlook.stated
        seconds = self._tokens_per_step / record.tokens_per_second
        now = self.outlook.add_step(record.step, record.elapsed_seconds, seconds)
        if now is None:
            return
        self._add(now)
        left = 60.0 * self.outlook.planned.minutes - now.elapsed_seconds
        self._log(
            f"a step takes {_time(now.seconds_per_step)} instead of "
            f"{_time(before.seconds_per_step)}, and {left:,.0f} s are left: expect about "
            f"{now.steps:,} steps instead of {before.steps:,}, and "
            f"{now.expected_bits_per_byte:.2f} bits per byte instead of "
            f"{before.expected_bits_per_byte:.2f}"
        )

    def on_evaluation(self, record: EvaluationRecord) -> None:
        if self.outlook is None:
            return
        before = self.outlook.stated
        now = self.outlook.add_evaluation(record.step, record.elapsed_seconds, record.bits_per_byte)
        if now is None:
            return
        self._add(now)
        kind = "easier" if now.difficulty < before.difficulty else "harder"
        self._log(
            f"by its evaluation at {record.bits_per_byte:.2f} bits per byte, this text is {kind} "
            f"than the plan assumed: expect about {now.expected_bits_per_byte:.2f} bits per byte "
            f"instead of {before.expected_bits_per_byte:.2f}"
        )

    def _add(self, restatement: Restatement) -> None:
        self._restatements.append(asdict(restatement))
        self._write()

    def _write(self) -> None:
        content = {**self.plan, "restatements": self._restatements}
        atomic_write(self._path, json.dumps(content, indent=2) + "\n")


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1.0 else f"{1e3 * seconds:.0f} ms"
