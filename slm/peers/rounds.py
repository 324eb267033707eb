"""The contenders in turn, several times, and what comes of it: medians and ratios.

In turn, because a shared machine is fast at one minute and slow at the next: what is to be told as
a ratio has to be measured side by side.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from slm.peers.contenders import OURS, Contender, Figures, Task

TIMEOUT_SECONDS = 900
"""For one contender in one round."""


@dataclass
class Results:
    """What was found, by the names of contenders."""

    figures: dict[str, Figures] = field(default_factory=dict)
    """Medians over the rounds."""
    absent: dict[str, str] = field(default_factory=dict)
    """Why one has no figures."""


@dataclass(frozen=True)
class Ratio:
    """How many times as fast ours is as a peer with weights of the same size."""

    ours: str
    peer: str
    one: float
    together: float


def run_rounds(
    contenders: Sequence[Contender],
    task: Task,
    rounds: int,
    *,
    say: Callable[[str], None],
) -> Results:
    """Measure all contenders, one after the other, and that so many times.

    Args:
        contenders: those that are wanted.
        task: what they do.
        rounds: how often each has its turn.
        say: is told who is measured.
    """
    results = Results()
    ready = []
    for contender in contenders:
        obstacle = contender.obstacle(task.model)
        if obstacle is None:
            ready.append(contender)
        else:
            results.absent[contender.name] = obstacle
    found: dict[str, list[Figures]] = {contender.name: [] for contender in ready}
    for number in range(rounds):
        for contender in ready:
            if contender.name in results.absent:
                continue
            say(f"round {number + 1} of {rounds}: {contender.name}")
            try:
                found[contender.name].append(_in_own_process(contender, task))
            except _FailedError as error:
                results.absent[contender.name] = str(error)
    for name, figures in found.items():
        if name not in results.absent:
            results.figures[name] = {
                key: statistics.median(round_[key] for round_ in figures) for key in figures[0]
            }
    return results


def ratios(contenders: Sequence[Contender], figures: dict[str, Figures]) -> list[Ratio]:
    """Ours over each peer of the same number of bits a weight, where both were measured."""
    measured = [contender for contender in contenders if contender.name in figures]
    return [
        Ratio(
            ours.name,
            peer.name,
            figures[ours.name]["one"] / figures[peer.name]["one"],
            figures[ours.name]["together"] / figures[peer.name]["together"],
        )
        for ours in measured
        for peer in measured
        if ours.program == OURS and peer.program != OURS and ours.bits == peer.bits
    ]


class _FailedError(Exception):
    pass


def _in_own_process(contender: Contender, task: Task) -> Figures:
    """A contender's figures; nobody's memory or threads are another's.

    Raises:
        _FailedError: it came to no end, or to a wrong one.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "slm.peers", contender.name],
            input=json.dumps(task.to_json()),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _FailedError(f"came to no end in {TIMEOUT_SECONDS} s") from None
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        reasons = done.stderr.strip().splitlines()
        raise _FailedError(f"failed: {reasons[-1] if reasons else f'exit {done.returncode}'}")
    figures: Figures = json.loads(lines[-1])
    return figures
