"""Validation loss over time of finished runs.

    python bench/run_curves.py runs/five-minutes runs/an-hour --plot docs/pictures/recipes.png

Prints a Markdown table of the bits per byte of each run after a tenth, a quarter and more of its
time, and plots the curves. The loss of a run with a time budget falls late: half of the improvement
comes while the learning rate decays to zero.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

SHARES = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
Curve = Sequence[tuple[float, float]]
"""Seconds since the command's start, and bits per byte on the tokens of an evaluation."""


def curve_of(run: Path) -> Curve:
    """The evaluations of a run, in order.

    Raises:
        SystemExit: it has none.
    """
    from slm.config.run_files import METRICS_FILE
    from slm.reporting.metrics import read_metrics

    records = read_metrics(run / METRICS_FILE)
    found = [
        (record["elapsed_seconds"], record["bits_per_byte"])
        for record in records
        if record.get("kind") == "validation" and record.get("bits_per_byte") is not None
    ]
    if not found:
        raise SystemExit(f"{run} has no evaluations")
    return found


def at(curve: Curve, seconds: float) -> float | None:
    """Bits per byte at a time, interpolated linearly; None before the first evaluation."""
    import numpy as np

    times, bits = zip(*curve, strict=True)
    if seconds < times[0]:
        return None
    return float(np.interp(seconds, times, bits))


def table(curves: Mapping[str, Curve]) -> list[str]:
    """Lines of a Markdown table: a row per run, a column per share of its time."""
    head = ["run", *(f"{share:.0%}" for share in SHARES)]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, curve in curves.items():
        whole = curve[-1][0]
        cells = [at(curve, share * whole) for share in SHARES]
        shown = ["" if bits is None else f"{bits:.2f}" for bits in cells]
        lines.append(f"| {' | '.join([name, *shown])} |")
    return lines


def draw(curves: Mapping[str, Curve], path: Path) -> None:
    """Plot all runs over minutes on a logarithmic scale."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import ScalarFormatter

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, curve in curves.items():
        minutes, bits = [seconds / 60 for seconds, _ in curve], [b for _, b in curve]
        (line,) = axes.plot(minutes, bits, marker="o", markersize=3, label=name)
        axes.annotate(
            f"{bits[-1]:.2f}",
            (minutes[-1], bits[-1]),
            textcoords="offset points",
            xytext=(6, -3),
            color=line.get_color(),
        )
    axes.set_xscale("log")
    axes.set_ylim(top=1.2)
    axes.set_xticks([1, 2, 5, 10, 20, 30, 60])
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.minorticks_off()
    axes.set_xlabel("minutes since the command")
    axes.set_ylabel("bits per byte of the validation text")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Print the table and draw the plot."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    names = [run.name for run in args.runs]
    curves = {
        name if names.count(name) == 1 else str(run): curve_of(run)
        for name, run in zip(names, args.runs, strict=True)
    }
    print("\n".join(table(curves)))
    if args.plot:
        draw(curves, args.plot)


if __name__ == "__main__":
    main()
