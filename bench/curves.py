"""Curves of bits per byte over time, the times to reach a target, and their ratios."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Curve = list[tuple[float, float]]
"""Seconds since the start, and bits per byte."""

TOLD = re.compile(
    r"step [\d,]+:.*?val(?:idation)? loss (\d+\.\d+)(?: \((\d+\.\d+) bits per byte\))?"
)


def bits_told(line: str, bytes_per_token: float | None) -> float | None:
    """The validation loss in a line, in bits per byte; None if there is none.

    Args:
        line: of a racer's output.
        bytes_per_token: converts a loss in nats to bits per byte; None: the line must contain them.
    """
    told = TOLD.search(line)
    if told is None:
        return None
    if told[2] is not None:
        return float(told[2])
    return None if bytes_per_token is None else float(told[1]) / math.log(2) / bytes_per_token


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
    task: str, curves: Mapping[str, list[Curve]], targets: Mapping[str, float]
) -> dict[str, Any]:
    """Curves, and for every target the times of each round and the ratios."""
    peers = [name for name in curves if not is_ours(name)]
    return {
        "task": task,
        "targets": dict(targets),
        "curves": dict(curves),
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
    for part in outcomes:
        if (part["task"], part["targets"]) != (first["task"], first["targets"]):
            raise ValueError("the files are of different tasks or texts")
        for name, rounds in part["curves"].items():
            curves.setdefault(name, []).extend(rounds)
    return outcome(first["task"], curves, first["targets"])


def draw(curves: Mapping[str, Sequence[Curve]], path: Path) -> None:
    """Plot all curves over time on a logarithmic scale."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    colours = ("#c1440e", "#8fb3d9", "#6b8e23", "#7a6a9b", "#d9a441", "#555555")
    for place, (name, rounds) in enumerate(curves.items()):
        for number, curve in enumerate(rounds):
            label = name if number == 0 else None
            seconds, bits = [s for s, _ in curve], [b for _, b in curve]
            axes.plot(seconds, bits, color=colours[place % len(colours)], label=label)
    axes.set_xscale("log")
    axes.set_xlabel("seconds since the command")
    axes.set_ylabel("bits per byte of the validation text")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def tell(result: Mapping[str, Any]) -> None:
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
