"""Curves of bits per byte over time, the times to reach a target, and their ratios."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Curve = list[tuple[float, float]]
"""Seconds of the racer's clock, and bits per byte."""


def seconds_to(curve: Curve, bits: float) -> float | None:
    """The time at which a curve first reached `bits`; None: never."""
    return next((seconds for seconds, found in curve if found <= bits), None)


def median_seconds(rounds: Sequence[Curve], bits: float) -> float:
    """Median time to `bits` over the rounds; infinite if most of them never reached it."""
    times = [seconds_to(curve, bits) for curve in rounds]
    return statistics.median(math.inf if time is None else time for time in times)


def time_ratio(ours: Sequence[Curve], peer: Sequence[Curve], bits: float) -> float | None:
    """Our median time to `bits` as a share of a baseline's; None if one never reached it."""
    if not ours or not peer:
        return None
    our_seconds, peer_seconds = median_seconds(ours, bits), median_seconds(peer, bits)
    if math.isinf(our_seconds) or math.isinf(peer_seconds):
        return None
    return our_seconds / peer_seconds


def is_ours(name: str) -> bool:
    """Whether a racer is `ours`, with or without arguments."""
    return name.split()[0] == "ours"


def outcome(
    task: str,
    curves: Mapping[str, list[Curve]],
    targets: Mapping[str, float],
    at_end: Mapping[str, list[float | None]],
) -> dict[str, Any]:
    """Curves, and for every target the times of each round and the ratios.

    Args:
        task: the race's name.
        curves: of each racer, one for each round.
        targets: bits per byte by name.
        at_end: of each racer, the bits per byte of more text at the end of each round.
    """
    peers = [name for name in curves if not is_ours(name)]
    return {
        "task": task,
        "targets": dict(targets),
        "curves": dict(curves),
        "at_end": dict(at_end),
        "seconds_to": {
            target: {name: [seconds_to(c, bits) for c in curves[name]] for name in curves}
            for target, bits in targets.items()
        },
        "ratios": {
            target: {
                name: {peer: time_ratio(curves[name], curves[peer], bits) for peer in peers}
                for name in curves
                if is_ours(name)
            }
            for target, bits in targets.items()
        },
    }


def joined(outcomes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Combine parts of a race: the rounds of a racer in several parts are concatenated.

    Raises:
        ValueError: they are parts of different races.
    """
    first = outcomes[0]
    curves: dict[str, list[Curve]] = {}
    at_end: dict[str, list[float | None]] = {}
    for part in outcomes:
        if (part["task"], part["targets"]) != (first["task"], first["targets"]):
            raise ValueError("the files are of different tasks or texts")
        for name, rounds in part["curves"].items():
            curves.setdefault(name, []).extend(rounds)
            at_end.setdefault(name, []).extend(part["at_end"][name])
    return outcome(first["task"], curves, first["targets"], at_end)


def draw(curves: Mapping[str, Sequence[Curve]], path: Path) -> None:
    """Plot all curves over time on a logarithmic scale."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    colours = ("#c1440e", "#8fb3d9", "#6b8e23", "#7a6a9b", "#d9a441", "#555555", "#2a9d8f")
    for place, (name, rounds) in enumerate(curves.items()):
        for number, curve in enumerate(rounds):
            label = name if number == 0 else None
            seconds, bits = [s for s, _ in curve], [b for _, b in curve]
            axes.plot(seconds, bits, color=colours[place % len(colours)], label=label)
    axes.set_xscale("log")
    axes.set_xlim(left=1.0)
    axes.set_xlabel("seconds")
    axes.set_ylabel("bits per byte of the validation text")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def print_outcome(result: Mapping[str, Any]) -> None:
    """Print when each racer reached each target, and how ours compares with each baseline."""
    for target, by_racer in result["seconds_to"].items():
        print(target)
        for name, times in by_racer.items():
            shown = ", ".join("never" if time is None else f"{time:.0f} s" for time in times)
            print(f"  {name:24} {shown}")
        for name, by_peer in result["ratios"][target].items():
            for peer, ratio in by_peer.items():
                if ratio is not None:
                    print(f"  {name} / {peer}: {ratio:.3f} of the time (1/{1 / ratio:.1f})")
    print("bits per byte at the end")
    for name, found in result["at_end"].items():
        print(f"  {name:24} {_joined(found)}")


def table(result: Mapping[str, Any]) -> str:
    """A table in Markdown: median seconds to each target, and the end of each racer."""
    names = [target.removesuffix(" bits per byte") for target in result["targets"]]
    lines = [
        f"| seconds to | {' | '.join(names)} | at the end |",
        "|" + "---|" * (len(names) + 2),
    ]
    for racer, rounds in result["curves"].items():
        medians = (median_seconds(rounds, bits) for bits in result["targets"].values())
        cells = ["" if math.isinf(seconds) else f"{seconds:.0f}" for seconds in medians]
        ends = [curve[-1][0] for curve in rounds if curve]
        end = f"{_joined(result['at_end'][racer])} after {statistics.median(ends):.0f} s"
        lines.append(f"| {racer} | {' | '.join(cells)} | {end} |")
    return "\n".join(lines)


def _joined(found: Sequence[float | None]) -> str:
    return ", ".join("unknown" if bits is None else f"{bits:.3f}" for bits in found)
