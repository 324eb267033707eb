"""Measures the baselines in turn, several times, and compares the medians.

In turn, because a shared machine is fast in one minute and slow in the next: a ratio is meaningful
only between figures that were measured side by side.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from slm.bench.baselines.registry import OURS, Baseline, Figures, GenerationTask
from slm.log import Log

TIMEOUT_SECONDS = 900
"""For one measurement of one baseline."""


@dataclass
class Comparison:
    """The figures of all baselines by name."""

    figures: dict[str, Figures] = field(default_factory=dict)
    """Medians over the repetitions."""
    absent: dict[str, str] = field(default_factory=dict)
    """Why a baseline has no figures."""


@dataclass(frozen=True)
class SpeedRatio:
    """How many times as fast ours is as a baseline whose weights have the same size."""

    ours: str
    baseline: str
    one: float
    together: float


def measure_in_turn(
    baselines: Sequence[Baseline],
    task: GenerationTask,
    repetitions: int,
    *,
    log: Log,
) -> Comparison:
    """Measure all baselines one after another, and repeat.

    Args:
        baselines: the ones to measure.
        task: what they do.
        repetitions: how often each is measured.
        log: called with a line before each measurement.
    """
    comparison = Comparison()
    ready = []
    for baseline in baselines:
        obstacle = baseline.obstacle(task.model)
        if obstacle is None:
            ready.append(baseline)
        else:
            comparison.absent[baseline.name] = obstacle
    found: dict[str, list[Figures]] = {baseline.name: [] for baseline in ready}
    for number in range(repetitions):
        for baseline in ready:
            if baseline.name in comparison.absent:
                continue
            log(f"round {number + 1} of {repetitions}: {baseline.name}")
            try:
                found[baseline.name].append(_measure_in_own_process(baseline, task))
            except _FailedError as error:
                comparison.absent[baseline.name] = str(error)
    for name, figures in found.items():
        if name not in comparison.absent:
            comparison.figures[name] = {
                key: statistics.median(each[key] for each in figures) for key in figures[0]
            }
    return comparison


def speed_ratios(baselines: Sequence[Baseline], figures: dict[str, Figures]) -> list[SpeedRatio]:
    """Ours over each baseline with the same number of bits per weight, where both have figures."""
    measured = [baseline for baseline in baselines if baseline.name in figures]
    return [
        SpeedRatio(
            ours.name,
            other.name,
            figures[ours.name]["one"] / figures[other.name]["one"],
            figures[ours.name]["together"] / figures[other.name]["together"],
        )
        for ours in measured
        for other in measured
        if ours.program == OURS and other.program != OURS and ours.bits == other.bits
    ]


class _FailedError(Exception):
    pass


def _measure_in_own_process(baseline: Baseline, task: GenerationTask) -> Figures:
    """The figures of one baseline, measured without memory or threads of another.

    Raises:
        _FailedError: the process failed or ran too long.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "slm.bench.baselines", baseline.name],
            input=json.dumps(task.to_json()),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _FailedError(f"did not finish within {TIMEOUT_SECONDS} s") from None
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        reasons = done.stderr.strip().splitlines()
        raise _FailedError(f"failed: {reasons[-1] if reasons else f'exit {done.returncode}'}")
    figures: Figures = json.loads(lines[-1])
    return figures
