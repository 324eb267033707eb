"""Adapts training to other programs that use the same CPUs.

The threads of a step wait for each other after each operation. If one of them shares its processor
with another program, all are as slow as the slowest, and waiting threads spin and take CPU time
from it. Two modes are better: waiting threads sleep, or one thread less runs for each processor
that others keep busy. Which mode is faster depends on the model and the system, so a run with a
time budget tries both. The last bits of a result may depend on the number of threads, so a run with
a number of steps keeps it and only sleeps.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from typing import Literal

import torch

from slm.hardware.resources import Cpus, busy_cpu_seconds, usable_cpus
from slm.log import Log
from slm.training.events import Callback, RunStart, StepRecord, TrainingResult

WINDOW_SECONDS = 1.0
"""Seconds over which the CPU time of other programs is averaged."""
BUSY, FREE = 0.5, 0.25
"""Thresholds for the processors that others use beyond those left to them: above `BUSY` one thread
less computes, below `FREE` one more."""
TRIAL_SECONDS = 2.0
"""Seconds of steps for the trial of a mode."""
SECONDS_BETWEEN_NOTES = 60.0
WAIT_VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
"""Variables with which a user chooses how threads wait."""


class FreeProcessors:
    """The number of threads that have their own processor.

    Args:
        wanted: number of threads on an idle machine.
        processors: number of processors on which they may run.
    """

    def __init__(self, wanted: int, processors: int) -> None:
        self.wanted = wanted
        self.threads = wanted
        self._processors = processors

    @property
    def is_crowded(self) -> bool:
        """Whether there are fewer threads than wanted."""
        return self.threads < self.wanted

    def update(self, others: float) -> int:
        """Update and return the number of threads, at least one.

        Args:
            others: number of processors that other programs have used.
        """
        free = self._processors - others
        if free < self.threads - BUSY:
            self.threads = max(1, int(free + BUSY))
        elif free >= self.threads + 1 - FREE:
            self.threads = min(self.wanted, int(free + FREE))
        return self.threads


Way = Literal["sleep", "fewer"]
"""Modes of sharing the processors: waiting threads sleep, or fewer threads compute."""


class Trial:
    """Selects the fastest mode: each is tried for some steps, then the best is kept.

    Args:
        ways: the modes, in the order in which they are tried.
    """

    def __init__(self, ways: Sequence[Way]) -> None:
        self.way = ways[0]
        self._to_try = list(ways[1:])
        self._means: dict[Way, float] = {}
        self._is_over = len(ways) == 1
        self._seconds: list[float] | None = None

    def add(self, seconds: float) -> None:
        """Add a step of the current mode; the first one after a change is ignored."""
        if self._is_over:
            return
        if self._seconds is None:
            self._seconds = []
            return
        self._seconds.append(seconds)
        if sum(self._seconds) < TRIAL_SECONDS:
            return
        self._means[self.way] = statistics.fmean(self._seconds)
        self._seconds = None
        if self._to_try:
            self.way = self._to_try.pop(0)
        else:
            self._is_over = True
            self.way = min(self._means, key=self._means.__getitem__)


class OtherPrograms:
    """Measures how many processors other programs use between two calls.

    Args:
        busy: CPU seconds of all programs; returns None if unknown.
        own: CPU seconds of this program, and of compilers that it started and that have ended.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        busy: Callable[[], float | None] = busy_cpu_seconds,
        own: Callable[[], float] = lambda: sum(os.times()[:4]),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._busy, self._own, self._clock = busy, own, clock
        self._last = self._read()

    def use(self) -> float | None:
        """Processors in use since the last result; None: too little time has passed."""
        if self._last is None or self._clock() - self._last[0] < WINDOW_SECONDS:
            return None
        now = self._read()
        if now is None:
            return None
        seconds, busy, own = (new - old for new, old in zip(now, self._last, strict=True))
        self._last = now
        return max(0.0, busy - own) / seconds

    def _read(self) -> tuple[float, float, float] | None:
        busy = self._busy()
        return None if busy is None else (self._clock(), busy, self._own())


class SleepingWaits:
    """Lets the threads of GNU's OpenMP library sleep while they wait, from `begin` to `end`.

    The library does so while it manages more threads than processors (GCC's manual of libgomp,
    GOMP_SPINCOUNT). Idle threads that it counts as its own cause this.

    Args:
        threads: number of computing threads.
        processors: number that the library counts.
    """

    def __init__(self, threads: int, processors: int) -> None:
        self._helpers = -(-(processors + 1 - threads) // threads)
        self._over: threading.Event | None = None

    def begin(self) -> None:
        """Let waiting threads sleep."""
        if self._over is not None:
            return
        self._over = threading.Event()
        for _ in range(self._helpers):
            helper = threading.Thread(target=_hold_threads, args=(self._over,), daemon=True)
            helper.start()

    def end(self) -> None:
        """Let waiting threads spin."""
        if self._over is not None:
            self._over.set()
            self._over = None


def _hold_threads(over: threading.Event) -> None:
    """Make the library create a team of idle threads for this thread, and wait."""
    torch.zeros(1 << 20).add_(1.0)
    over.wait()


class ContentionWatch(Callback):
    """Adapts a training run on a CPU to the load of other programs, and reports it.

    Runs with several processes, and runs for which the user chose the number of threads or how they
    wait, are not changed.

    Args:
        log: called with a sentence for the user.
        others: measures the load of other programs; None: created when the run starts.
        clock: monotonic seconds.
    """

    is_vital = False

    def __init__(
        self,
        log: Log,
        *,
        others: OtherPrograms | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log, self._others, self._clock = log, others, clock
        self._ways: list[Way] = []
        self._trial: Trial | None = None
        self._free = FreeProcessors(1, 1)
        self._sleeping = SleepingWaits(1, 1)
        self._tokens_per_step = 0
        self._noted_at = -SECONDS_BETWEEN_NOTES

    def on_start(self, start: RunStart) -> None:
        cpus = usable_cpus()
        self._ways, self._trial, self._tokens_per_step = [], None, start.tokens_per_step
        if start.device != "cpu" or start.world_size > 1 or start.threads < 2:
            return
        if may_change_threads(start, cpus):
            self._ways.append("fewer")
        if not any(os.environ.get(name) for name in WAIT_VARIABLES):
            self._ways.append("sleep")
        if self._ways:
            self._free = FreeProcessors(start.threads, cpus.allowed)
            self._sleeping = SleepingWaits(start.threads, cpus.allowed)
            self._others = self._others or OtherPrograms()

    def on_step(self, record: StepRecord) -> None:
        if not self._ways or self._others is None:
            return
        if self._trial is not None:
            self._trial.add(self._tokens_per_step / record.tokens_per_second)
        others = self._others.use()
        if others is not None:
            self._free.update(others)
            if self._free.is_crowded is (self._trial is None):
                self._trial = Trial(self._ways) if self._free.is_crowded else None
                self._say(others)
        self._apply()

    def _apply(self) -> None:
        """Apply the chosen mode."""
        way = None if self._trial is None else self._trial.way
        threads = self._free.threads if way == "fewer" else self._free.wanted
        if threads != torch.get_num_threads():
            torch.set_num_threads(threads)
        if way == "sleep":
            self._sleeping.begin()
        else:
            self._sleeping.end()

    def _say(self, others: float) -> None:
        now = self._clock()
        if now - self._noted_at < SECONDS_BETWEEN_NOTES:
            return
        self._noted_at = now
        if self._trial is None:
            self._log("other programs no longer use the CPUs")
        else:
            self._log(
                f"other programs keep {others:.1f} CPUs busy: training is slower until they end"
            )

    def on_end(self, result: TrainingResult | None) -> None:
        if self._trial is not None:
            self._trial = None
            self._apply()
        self._ways = []


def may_change_threads(start: RunStart, cpus: Cpus) -> bool:
    """Whether the number of threads may change.

    The results of a run with a time budget depend on the machine anyway. Compiled blocks are
    compiled for one number of threads, and a user's number is kept.
    """
    train = start.settings.train
    is_chosen = train.threads is not None or cpus.chosen is not None
    return train.max_minutes is not None and not start.compiled and not is_chosen
