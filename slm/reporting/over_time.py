"""`over-time.json`: what each kept checkpoint of a run reached in test suites.

{"format": "slm-over-time", "version": 1, "conditions": {"facts": {"limit": 50, ...}},
 "checkpoints": [{"step": 10, "tokens": 20480, "seconds": 12.5, "weights_sha256": "...",
                  "results": {"facts": {...}}}]}

The results of a suite were all made under the same conditions, so that they can be compared.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeGuard

from slm.config.run_files import OVER_TIME_FILE
from slm.evals.facts import HELD_OUT
from slm.evals.suite import Score, SuiteResult
from slm.reporting.suite_file import plain_json, result_from_json
from slm.storage.files import atomic_write
from slm.storage.safe_reading import read_bounded, strict_json

FORMAT, VERSION = "slm-over-time", 1
LARGEST_BYTES = 32 << 20
LOSS = "loss"
"""The name under which bits per byte are kept: not a suite, and lower is better."""

Conditions = Mapping[str, Any]


@dataclass(frozen=True)
class ScoredCheckpoint:
    """A checkpoint of a run, and its results by suite, without their details."""

    step: int
    tokens: int
    """Tokens trained on so far."""
    seconds: float
    """Seconds of training so far."""
    weights_sha256: str
    results: Mapping[str, SuiteResult]


@dataclass(frozen=True)
class ScoreCurve:
    """One score over the steps of a run."""

    suite: str
    name: str
    steps: tuple[int, ...]
    scores: tuple[Score, ...]

    @property
    def arrives_at(self) -> int | None:
        """The first step from which on at least half of the whole change is done.

        None: the first and the last interval overlap, so nothing certain has changed, or the score
        got worse. Bits per byte get better downwards, all other scores upwards.
        """
        if self.suite == LOSS:
            rises = [(-score.value, -score.high, -score.low) for score in self.scores]
        else:
            rises = [(score.value, score.low, score.high) for score in self.scores]
        first, last = rises[0], rises[-1]
        if last[1] <= first[2] or last[0] <= first[0]:  # a file may hold anything
            return None
        half = (first[0] + last[0]) / 2
        below = [number for number, (value, _, _) in enumerate(rises) if value < half]
        return self.steps[below[-1] + 1]


@dataclass(frozen=True)
class Panel:
    """Curves that belong in one picture: a score, and the same one on held-out items."""

    title: str
    curves: tuple[ScoreCurve, ...]

    @property
    def chance(self) -> float | None:
        """What guessing gives, if that is defined."""
        return self.curves[0].scores[0].chance

    @property
    def limits(self) -> tuple[float, float]:
        """The range of the axis: 0 to 100, or from 0 to the first value of bits per byte."""
        if self.curves[0].suite == LOSS:
            return 0.0, max(score.high for curve in self.curves for score in curve.scores)
        return 0.0, 100.0


@dataclass(frozen=True)
class OverTime:
    """The kept checkpoints of a run and their results; the first step comes first."""

    checkpoints: tuple[ScoredCheckpoint, ...] = ()
    conditions: Mapping[str, Conditions] = field(default_factory=dict)
    """Of each suite: what its results depend on besides the model."""

    def under(self, conditions: Mapping[str, Conditions]) -> OverTime:
        """These results, without those of suites that were tested under other conditions."""
        both = {**self.conditions, **conditions}
        valid = {name for name, value in self.conditions.items() if both[name] == value}
        checkpoints = (
            replace(each, results={k: v for k, v in each.results.items() if k in valid})
            for each in self.checkpoints
        )
        return OverTime(tuple(checkpoints), both)

    def of_weights(self, weights: Mapping[int, str]) -> OverTime:
        """These results, without those of other weights than these, given by step."""
        valid = (each for each in self.checkpoints if weights.get(each.step) == each.weights_sha256)
        return replace(self, checkpoints=tuple(valid))

    def has_result(self, step: int, suite: str) -> bool:
        """Whether the checkpoint of a step has a result of a suite."""
        return any(each.step == step and suite in each.results for each in self.checkpoints)

    def with_results(self, more: ScoredCheckpoint) -> OverTime:
        """These results, and more of one checkpoint."""
        by_step = {each.step: each for each in self.checkpoints}
        before = by_step[more.step].results if more.step in by_step else {}
        by_step[more.step] = replace(more, results={**before, **more.results})
        return replace(self, checkpoints=tuple(by_step[step] for step in sorted(by_step)))

    @property
    def curves(self) -> list[ScoreCurve]:
        """Each score that at least two checkpoints have, over the steps."""
        found: dict[tuple[str, str], list[tuple[int, Score]]] = {}
        for checkpoint in self.checkpoints:
            for result in checkpoint.results.values():
                headline = () if result.score is None else (result.score,)
                for score in (*result.parts, *headline):
                    if score.n:
                        points = found.setdefault((result.suite, score.name), [])
                        points.append((checkpoint.step, score))
        return [
            ScoreCurve(suite, name, tuple(step for step, _ in points), tuple(s for _, s in points))
            for (suite, name), points in found.items()
            if len(points) > 1
        ]

    @property
    def panels(self) -> list[Panel]:
        """The curves, grouped for pictures."""
        grouped: dict[tuple[str, str], list[ScoreCurve]] = {}
        for curve in self.curves:
            name = curve.name.removesuffix(HELD_OUT)
            grouped.setdefault((curve.suite, name), []).append(curve)
        return [
            Panel(name if suite in (name, LOSS) else f"{suite}: {name}", tuple(curves))
            for (suite, name), curves in grouped.items()
        ]

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON data, with null for NaN."""
        content: dict[str, Any] = plain_json(
            {
                "conditions": self.conditions,
                "checkpoints": [
                    {
                        "step": each.step,
                        "tokens": each.tokens,
                        "seconds": each.seconds,
                        "weights_sha256": each.weights_sha256,
                        "results": {
                            name: result.to_json() for name, result in each.results.items()
                        },
                    }
                    for each in self.checkpoints
                ],
            }
        )
        return content


def read_over_time(run: Path) -> OverTime:
    """The saved results of a run; without those that cannot be read."""
    try:
        saved = strict_json(read_bounded(run / OVER_TIME_FILE, LARGEST_BYTES))
    except (OSError, ValueError):
        return OverTime()
    if not isinstance(saved, dict) or (saved.get("format"), saved.get("version")) != (
        FORMAT,
        VERSION,
    ):
        return OverTime()
    conditions, checkpoints = saved.get("conditions"), saved.get("checkpoints")
    if not isinstance(conditions, dict) or not isinstance(checkpoints, list):
        return OverTime()
    return OverTime(
        tuple(sorted(_checkpoints(checkpoints), key=lambda each: each.step)),
        {name: value for name, value in conditions.items() if isinstance(value, dict)},
    )


def write_over_time(run: Path, contents: OverTime) -> None:
    """Save results.

    Raises:
        WriteError, NoSpaceError: they cannot be written.
    """
    content = {"format": FORMAT, "version": VERSION, **contents.to_json()}
    atomic_write(run / OVER_TIME_FILE, json.dumps(content, indent=1, allow_nan=False) + "\n")


def _checkpoints(saved: Sequence[Any]) -> Iterator[ScoredCheckpoint]:
    steps = set()
    for each in saved:
        if not isinstance(each, dict) or not isinstance(each.get("results"), dict):
            continue
        step, tokens, seconds = each.get("step"), each.get("tokens"), each.get("seconds")
        sha256 = each.get("weights_sha256")
        if not _is_count(step) or not _is_count(tokens) or step in steps:
            continue
        if not _is_number(seconds) or not isinstance(sha256, str):
            continue
        steps.add(step)
        results = ((name, result_from_json(data)) for name, data in each["results"].items())
        known = {name: found for name, found in results if found is not None}
        yield ScoredCheckpoint(step, tokens, float(seconds), sha256, known)


def _is_count(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < 2**63


def _is_number(value: Any) -> TypeGuard[float]:
    return type(value) in (int, float) and math.isfinite(value)
