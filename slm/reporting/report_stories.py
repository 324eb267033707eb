"""The stories of a report: ranked by the suite `stories`, or as the training recorded them.

Both come from files, which may hold anything.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slm.reporting.report import Story
from slm.reporting.run_summary import Record, number

if TYPE_CHECKING:
    from slm.evals.suite import SuiteResult

N_STORIES = 10
MOST_CHARACTERS = 20_000
"""Of a story in a file; the program writes none that is longer."""


def ranked_stories(result: SuiteResult) -> list[Story]:
    """The best and the worst stories of a suite, by the mean of their measures, best first.

    Empty if the result has no stories.
    """
    stories = result.details.get("stories")
    measures = [score.name for score in result.parts]
    found = []
    for each in stories if isinstance(stories, list) else []:
        if isinstance(each, dict) and isinstance(each.get("text"), str):
            values = {name: v for name in measures if (v := number(each, name)) is not None}
            if values:
                found.append((statistics.fmean(values.values()), values, each))
    found.sort(key=lambda story: -story[0])  # stable: equal ones stay in their order
    half = N_STORIES // 2
    shown = found if len(found) <= N_STORIES else [*found[:half], *found[-half:]]
    return [
        Story(_label(place, len(found), mean, values), _text(each, "prompt"), _text(each, "text"))
        for (mean, values, each), place in zip(shown, _places(len(found)), strict=True)
    ]


def _places(n: int) -> list[int]:
    half = N_STORIES // 2
    return [*range(n)] if n <= N_STORIES else [*range(half), *range(n - half, n)]


def _label(place: int, n: int, mean: float, values: Mapping[str, float]) -> str:
    low = ", ".join(f"{name} {value:.0f}" for name, value in values.items() if value < 100.0)
    details = f"; {low}" if low else ""
    return f"rank {place + 1:,} of {n:,}: mean {mean:.1f}{details}"


def last_samples(records: Sequence[Record]) -> list[Story]:
    """The last samples that a run recorded."""
    samples = [record for record in records if record.get("kind") == "sample"][-N_STORIES:]
    return [
        Story(f"at step {sample['step']:,}", _text(sample, "prompt"), _text(sample, "text"))
        for sample in samples
    ]


def _text(record: Mapping[str, Any], name: str) -> str:
    text = str(record.get(name, ""))
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}..."
