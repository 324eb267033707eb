"""Fewer records of a run, for a picture: neighboring steps are merged."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

MAX_POINTS = 1500
"""Training steps that are kept; if there are more, neighboring steps are merged."""
MAX_STORIES = 200
"""Sample stories that are kept: the newest ones."""
MEANS = ("loss", "tokens_per_second")

Record = dict[str, Any]


def thinned(
    records: Sequence[Record], *, points: int = MAX_POINTS, stories: int = MAX_STORIES
) -> list[Record]:
    """All evaluations, the newest stories, and at most `points` training steps.

    Merged steps become the last of them, with the means of their losses and of their speeds.

    Args:
        records: of `metrics.jsonl`.
        points: training steps that are kept.
        stories: sample stories that are kept; at least 1.
    """
    steps = [record for record in records if record.get("kind") == "train"]
    samples = [record for record in records if record.get("kind") == "sample"]
    old_stories = {id(record) for record in samples[:-stories]}
    size = max(1, math.ceil(len(steps) / points))
    together = {
        id(group[-1]): group[0] if len(group) == 1 else _merged(group)
        for group in (steps[start : start + size] for start in range(0, len(steps), size))
    }
    return [
        together.get(id(record), record)
        for record in records
        if id(record) not in old_stories
        and (record.get("kind") != "train" or id(record) in together)
    ]


def _merged(steps: Sequence[Record]) -> Record:
    means = {name: _mean(step.get(name) for step in steps) for name in MEANS if name in steps[-1]}
    return {**steps[-1], **means}


def _mean(values: Iterable[Any]) -> float | None:
    numbers = [value for value in values if isinstance(value, int | float)]
    return math.fsum(numbers) / len(numbers) if numbers else None
