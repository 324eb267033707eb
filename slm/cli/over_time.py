"""`slm eval --over-time`: test suites on every checkpoint that a run has kept."""

from __future__ import annotations

import time
from pathlib import Path

from slm.api.over_time import over_time
from slm.cli.output import print_json, print_table
from slm.cli.suites import suite_names
from slm.config.run_files import OVER_TIME_PLOT
from slm.config.run_paths import run_of
from slm.errors import UsageError
from slm.reporting.display import say
from slm.reporting.over_time import LOSS, OverTime, ScoreCurve

MOST_COLUMNS = 7
"""Checkpoints in the table; all of them are in the picture and in the JSON."""


def evaluate_over_time(
    run: Path | None,
    suites: str | None,
    source: str | None,
    limit: int | None,
    seed: int,
    device: str | None,
    *,
    as_json: bool,
) -> None:
    """Test every checkpoint of a run and print the curves of the scores.

    Args:
        run: its folder.
        suites: names, which commas separate; None: see `slm.api.over_time`.
        source, limit, seed, device: see `slm.api.over_time`.
        as_json: print one JSON object.

    Raises:
        UsageError: no run is given.
        SlmError: see `slm.api.over_time`.
    """
    if run is None:
        raise UsageError(
            "--over-time needs a run", hint="name one, for example: --checkpoint runs/demo"
        )
    names = None if suites is None else suite_names(suites)
    began_at = time.perf_counter()
    found = over_time(run, names, source=source, limit=limit, seed=seed, device=device or "auto")
    seconds = time.perf_counter() - began_at
    if as_json:
        arrivals = [
            {"suite": curve.suite, "name": curve.name, "half_at_step": curve.arrives_at}
            for curve in found.curves
        ]
        print_json({"run": str(run), **found.to_json(), "curves": arrivals, "seconds": seconds})
        return
    _print_curves(found)
    plot = run_of(run) / OVER_TIME_PLOT
    say(f"{len(found.checkpoints)} checkpoints in {seconds:.1f} s; the picture is {plot}")


def _print_curves(found: OverTime) -> None:
    """A line for each score: some of the steps, and where half of its change is done."""
    steps = _spread([each.step for each in found.checkpoints])
    rows = [("step", "", *(f"{step:,}" for step in steps), "half at")]
    for curve in found.curves:
        by_step = dict(zip(curve.steps, curve.scores, strict=True))
        pattern = "{:.3f}" if curve.suite == LOSS else "{:.1f}"
        cells = (pattern.format(by_step[s].value) if s in by_step else "" for s in steps)
        half = "" if curve.arrives_at is None else f"{curve.arrives_at:,}"
        rows.append((_suite_of(curve), curve.name, *cells, half))
    print_table(rows)


def _suite_of(curve: ScoreCurve) -> str:
    return "" if curve.name == curve.suite else curve.suite


def _spread(steps: list[int]) -> list[int]:
    """At most `MOST_COLUMNS` steps at equal distances, with the first and the last."""
    if len(steps) <= MOST_COLUMNS:
        return steps
    last = len(steps) - 1
    return [steps[round(n * last / (MOST_COLUMNS - 1))] for n in range(MOST_COLUMNS)]
