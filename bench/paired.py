"""Whether B differs from A by more than noise, from paired values."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

T_QUANTILES = (
    *(12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281),
    *(2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860),
    *(2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423),
)
"""The 97.5% quantile of Student's t with 1, 2, ... 30 degrees of freedom."""


@dataclass(frozen=True)
class Difference:
    """A mean difference over pairs, and its 95% confidence interval."""

    mean: float
    half_width: float | None
    """Half of the interval; None for one pair, which says nothing about noise."""
    n_pairs: int

    @property
    def verdict(self) -> str:
        """The verdict in words; lower is better."""
        if self.half_width is None:
            return "noise unknown with one seed"
        if self.mean + self.half_width < 0.0:
            return "better"
        if self.mean - self.half_width > 0.0:
            return "worse"
        return f"no significant difference with {self.n_pairs} seeds"


def paired_difference(a: Sequence[float], b: Sequence[float]) -> Difference:
    """The mean of `b` - `a` over paired values.

    The interval is that of the paired t test: mean +- t * s / sqrt(n) with n - 1 degrees of
    freedom (Student 1908). More than 31 pairs use the quantile of 31, at most 4% too large.
    """
    differences = [y - x for x, y in zip(a, b, strict=True)]
    n, mean = len(differences), statistics.fmean(differences)
    if n == 1:
        return Difference(mean, None, 1)
    quantile = T_QUANTILES[min(n - 1, len(T_QUANTILES)) - 1]
    return Difference(mean, quantile * statistics.stdev(differences) / math.sqrt(n), n)


def order_of_runs(names: Sequence[str], seeds: Sequence[int]) -> list[tuple[int, str]]:
    """All runs as (seed, variant), by seed; each seed begins with the next variant."""
    return [
        (seed, names[(number + place) % len(names)])
        for number, seed in enumerate(seeds)
        for place in range(len(names))
    ]


def against(a: Mapping[int, float], b: Mapping[int, float]) -> dict[str, Any]:
    """The figures of the difference of B to A, over the seeds for which both have a value."""
    shared = sorted(a.keys() & b.keys())
    if not shared:
        unknown = dict.fromkeys(("difference", "share", "interval"))
        return {"differences": {}, **unknown, "verdict": "nothing to compare"}
    found = paired_difference([a[seed] for seed in shared], [b[seed] for seed in shared])
    half = found.half_width
    return {
        "differences": {seed: b[seed] - a[seed] for seed in shared},
        "difference": found.mean,
        "share": found.mean / statistics.fmean(a[seed] for seed in shared),
        "interval": None if half is None else [found.mean - half, found.mean + half],
        "verdict": found.verdict,
    }


def draw(found: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Plot the results of `against`: a dot for each seed, the mean, and its interval."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.4 + 0.6 * len(found)), layout="constrained")
    axes = figure.subplots()
    for row, figures in enumerate(found.values()):
        dots = list(figures["differences"].values())
        axes.plot(dots, [row] * len(dots), "o", color="#8fb3d9", zorder=1)
        if figures["interval"] is not None:
            axes.plot(figures["interval"], [row, row], color="#c1440e", linewidth=2)
        if figures["difference"] is not None:
            axes.plot(figures["difference"], row, "d", color="#c1440e")
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(found)), list(found))
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.set_xlabel("bits per byte minus A, with 95% interval; left is better")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=120)
