"""Timing of repeated work on a device: training steps, and parts of them."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable

import torch


def step_seconds(
    step: Callable[[], object],
    device: str,
    *,
    warm_up: int,
    steps: float = math.inf,
    enough_seconds: float = math.inf,
) -> float:
    """Median seconds of a training step, over the later half of those that are timed.

    Args:
        step: performs one step.
        device: the device to wait for.
        warm_up: untimed steps before the others.
        steps: maximum number of timed steps.
        enough_seconds: stop when two or more steps have taken this long.
    """
    for _ in range(warm_up):
        _seconds(step, device)
    seconds: list[float] = []
    while len(seconds) < steps and (len(seconds) < 2 or sum(seconds) < enough_seconds):
        seconds.append(_seconds(step, device))
    return statistics.median(seconds[len(seconds) // 2 :])


def best_seconds(work: Callable[[], object], device: str, *, repeats: int) -> float:
    """The shortest time of `repeats` calls, after an untimed one."""
    return min([_seconds(work, device) for _ in range(repeats + 1)][1:])


def _seconds(work: Callable[[], object], device: str) -> float:
    started_at = time.perf_counter()
    work()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    elif device == "mps":
        torch.mps.synchronize()
    return time.perf_counter() - started_at
