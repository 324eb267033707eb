"""One meter for all racers of `bench/race.py`: bits per byte of the same text, and a clock.

A racer measures itself between two steps, at most every few seconds of its clock, and prints a line
that `reading_of` parses. The clock of a baseline starts when its first step is done, and stops
while it is measured: imports, compilation, its first step and measurements are free. The clock of
ours is that of the whole command, and nothing is free.

This module needs PyTorch and the standard library only, because it also runs in the environments of
other projects.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

IGNORED = -100
BATCH_POSITIONS = 2048
"""Positions of a batch: their logits take 0.4 GB with the vocabulary of GPT-2."""
TRIAL_SECONDS = 10.0
TRIAL_STEPS = 3
"""A trial of a racer's speed ends after this many seconds and steps, whichever comes last."""

_READING = re.compile(
    r"race: (\d+\.\d+) bits per byte of (the sample|all), (?:now|at (\d+\.\d+) s)$", re.MULTILINE
)
_PACE = re.compile(r"race: (\d+\.\d+) s per step$", re.MULTILINE)


class Reading(NamedTuple):
    """A measurement that a racer has printed.

    Attributes:
        bits: bits per byte.
        of_all: whether all held-out text was scored, or the sample.
        seconds: the racer's clock; None: that of whoever started its process.
    """

    bits: float
    of_all: bool
    seconds: float | None


def reading_of(line: str) -> Reading | None:
    """The measurement in a line of a racer's output, or None."""
    found = _READING.search(line)
    if found is None:
        return None
    seconds = None if found[3] is None else float(found[3])
    return Reading(float(found[1]), found[2] == "all", seconds)


def pace_of(output: str) -> float | None:
    """The seconds per step that a trial has printed, or None."""
    found = _PACE.search(output)
    return found and float(found[1])


@dataclass(frozen=True)
class HeldOut:
    """Held-out text as windows of one tokenizer's ids."""

    windows: Sequence[tuple[list[int], int]]
    """Ids of a window, [T + 1], and how many of its targets an earlier window has scored."""
    n_bytes: int

    def bits_per_byte(self, logits_of: Callable[[Any, Any], Any]) -> float:
        """Score every token once.

        Args:
            logits_of: called with inputs and targets, two tensors of int64 [B, T]; returns
                logits [B, T, vocabulary].
        """
        import torch
        import torch.nn.functional as F

        nats = 0.0
        for batch in self._batches():
            longest = max(len(ids) for ids, _ in batch) - 1
            inputs = torch.zeros((len(batch), longest), dtype=torch.int64)
            targets = torch.full((len(batch), longest), IGNORED)
            for row, (ids, n_scored) in enumerate(batch):
                inputs[row, : len(ids) - 1] = torch.tensor(ids[:-1])
                targets[row, n_scored : len(ids) - 1] = torch.tensor(ids[n_scored + 1 :])
            logits = logits_of(inputs, targets.clamp(min=0)).float()
            losses = F.cross_entropy(
                logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="none"
            )
            nats += float(losses.sum(dtype=torch.float64))
        return nats / math.log(2) / self.n_bytes

    def _batches(self) -> list[list[tuple[list[int], int]]]:
        """Windows of similar length together."""
        batches: list[list[tuple[list[int], int]]] = []
        for window in sorted(self.windows, key=lambda window: len(window[0])):
            if not batches or (len(batches[-1]) + 1) * len(window[0]) > BATCH_POSITIONS:
                batches.append([])
            batches[-1].append(window)
        return batches


def read_held_out(path: Path) -> tuple[HeldOut, HeldOut]:
    """The sample and all of the held-out text, from a file that `write_held_out` wrote."""
    content = json.loads(path.read_text("utf-8"))
    sample, everything = (
        HeldOut([(ids, n_scored) for ids, n_scored in part["windows"]], part["bytes"])
        for part in (content["sample"], content["all"])
    )
    return sample, everything


def write_held_out(path: Path, sample: HeldOut, everything: HeldOut) -> None:
    """Write both for the process of a racer."""
    parts = {"sample": sample, "all": everything}
    content = {
        name: {"windows": part.windows, "bytes": part.n_bytes} for name, part in parts.items()
    }
    path.write_text(json.dumps(content), "utf-8")


class Meter:
    """Measures a model while it trains.

    Args:
        held_out: returns the sample and all of the held-out text for a model; called once, when
            first needed.
        every: seconds of the racer's clock between two measurements of the sample.
        seconds: length of the race on the racer's clock; None: the racer ends by itself.
        all_counts: whether nothing is free; then the time of a measurement is when it is printed.
        is_trial: measure the time of some steps instead.
        logits_of: called with a model, inputs and targets; see `HeldOut.bits_per_byte`.
        now: a clock in seconds.
    """

    def __init__(
        self,
        held_out: Callable[[Any], tuple[HeldOut, HeldOut]],
        *,
        every: float,
        seconds: float | None = None,
        all_counts: bool = False,
        is_trial: bool = False,
        logits_of: Callable[[Any, Any, Any], Any] = lambda model, x, y: model(x),
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._held_out = held_out
        self._parts: tuple[HeldOut, HeldOut] | None = None
        self.every = every
        self.seconds = seconds
        self.all_counts = all_counts
        self.is_trial = is_trial
        self.logits_of = logits_of
        self._now = now
        self._began_at = now()
        self._free = 0.0
        self._due = 0.0
        self.steps = 0
        self.is_over = False
        """Whether the race or the trial is over."""

    @property
    def clock(self) -> float:
        """Seconds that count: 0 until the first step of a baseline is done."""
        if self.steps == 0 and not self.all_counts:
            return 0.0
        return self._now() - self._began_at - self._free

    def after_step(self, model: Any) -> None:
        """Call after every step: measures the sample where that is due.

        Raises:
            SystemExit: the race is over; the last measurement is printed.
        """
        if self.steps == 0 and not self.all_counts:
            self._free = self._now() - self._began_at
        self.steps += 1
        if self.is_trial:
            n_timed = self.steps - 1
            if n_timed >= TRIAL_STEPS and self.clock >= TRIAL_SECONDS:
                self.is_over = True
                print(f"race: {self.clock / n_timed:.6f} s per step", flush=True)
                raise SystemExit(0)
        elif self.seconds is not None and self.clock >= self.seconds:
            self.finish(model)
            raise SystemExit(0)
        elif self.clock >= self._due:
            self._measure(model, of_all=False)
            self._due = self.clock + self.every

    def finish(self, model: Any) -> None:
        """Measure the sample once more, and then all."""
        self.is_over = True
        self._measure(model, of_all=False)
        self._measure(model, of_all=True)

    def _measure(self, model: Any, *, of_all: bool) -> None:
        import torch

        began_at = self._now()
        when = "now" if self.all_counts else f"at {self.clock:.3f} s"
        if self._parts is None:
            self._parts = self._held_out(model)
        was_training = model.training
        model.eval()
        with torch.no_grad(), torch.compiler.set_stance("force_eager"):
            bits = self._parts[of_all].bits_per_byte(lambda x, y: self.logits_of(model, x, y))
        model.train(was_training)
        if not self.all_counts:
            self._free += self._now() - began_at
        what = "all" if of_all else "the sample"
        print(f"\nrace: {bits:.4f} bits per byte of {what}, {when}", flush=True)
