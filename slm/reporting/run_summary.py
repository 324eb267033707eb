"""The figures of a run, from the records of its `metrics.jsonl`, which may be damaged or odd."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST = 2.0**53
"""Larger numbers are not figures of a run; a plot cannot show them."""
FIGURES = (
    *("loss", "learning_rate", "tokens_per_second", "tokens", "elapsed_seconds", "progress"),
    *("bits_per_byte", "peak_memory_bytes"),
)

Record = dict[str, Any]


def number(record: Mapping[str, Any], name: str) -> float | None:
    """A finite number of a record; None: it is something else, or missing."""
    value = record.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= MOST and math.isfinite(value) else None


def usable(records: Sequence[Record]) -> list[Record]:
    """The records of possible steps; non-finite figures become None."""
    return [
        {**record, **{name: number(record, name) for name in FIGURES if name in record}}
        for record in records
        if 0 <= record["step"] <= MOST
    ]


@dataclass(frozen=True)
class RunSummary:
    """How a run went; None: not recorded."""

    steps: int
    tokens: int | None
    seconds: float | None
    tokens_per_second: float | None
    """Median over the steps."""
    progress: float | None
    """Share of its length that is done."""
    ends_evaluated: bool
    """Whether its last step was evaluated, as at the end of a run."""
    best_loss: float | None
    """Nats per token of the validation text."""
    best_bits_per_byte: float | None
    best_step: int | None
    scored_tokens: int | None
    """Validation tokens of the best evaluation."""
    peak_memory_bytes: float | None


def summary_of(records: Sequence[Record]) -> RunSummary:
    """The figures of a run.

    Args:
        records: from `usable`.
    """
    steps = [record for record in records if record.get("kind") == "train"]
    evaluations = [
        record
        for record in records
        if record.get("kind") == "validation" and record.get("loss") is not None
    ]
    best = min(evaluations, key=lambda record: float(record["loss"]), default=None)
    speeds = _all(steps, "tokens_per_second")
    tokens, progress = _all(steps, "tokens"), _all(steps, "progress")
    scored = None if best is None else number(best, "tokens")
    last = max((record["step"] for record in records), default=0)
    return RunSummary(
        steps=last,
        tokens=int(max(tokens)) if tokens else None,
        seconds=max(_all(records, "elapsed_seconds"), default=None),
        tokens_per_second=statistics.median(speeds) if speeds else None,
        progress=progress[-1] if progress else None,
        ends_evaluated=any(record["step"] == last for record in evaluations),
        best_loss=None if best is None else best["loss"],
        best_bits_per_byte=None if best is None else number(best, "bits_per_byte"),
        best_step=None if best is None else best["step"],
        scored_tokens=None if scored is None else int(scored),
        peak_memory_bytes=max(_all(evaluations, "peak_memory_bytes"), default=None),
    )


def _all(records: Sequence[Record], name: str) -> list[float]:
    return [value for record in records if (value := number(record, name)) is not None]
