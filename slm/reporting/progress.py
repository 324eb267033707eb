"""Training progress on stderr: a live bar on a terminal, otherwise plain lines."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from slm.quantities import counted, duration, parameters
from slm.terminal.console import StderrConsole
from slm.training.events import (
    Callback,
    EvaluationRecord,
    RunStart,
    SampleRecord,
    StepRecord,
    TrainingResult,
)

LINE_SECONDS = 10.0
"""Minimum seconds between two plain lines."""


def one_line(text: str) -> str:
    """A text on one line; an untrained model may generate control characters."""
    return "".join(char if char.isprintable() else " " for char in text)


class RecentMean:
    """A running mean over about ten values: those of a single step are noisy."""

    def __init__(self) -> None:
        self.value = math.nan
        self._n_values = 0

    def add(self, value: float) -> None:
        self._n_values += 1
        before = value if self._n_values == 1 else self.value
        self.value = before + max(0.1, 1.0 / self._n_values) * (value - before)


def run_headline(start: RunStart) -> str:
    """Size, length and device of a run, on one line."""
    config = start.settings.train
    length = (
        counted(config.max_minutes, "minute")
        if config.max_minutes is not None
        else counted(config.max_steps, "step")
    )
    return (
        f"{parameters(start.costs.parameters)}, {length} of "
        f"{counted(start.tokens_per_step, 'token')} a step, {start.device} in {start.dtype}"
        f"{', compiled' if start.compiled else ''}, {counted(start.threads, 'thread')}"
        f"{f', {start.world_size} processes' if start.world_size > 1 else ''}"
    )


def validation_line(record: EvaluationRecord) -> str:
    """The losses of an evaluation, on one line."""
    training = "" if record.step == 0 else f"training loss {record.train_loss:.4f}, "
    return (
        f"step {record.step:,}: {training}"
        f"validation loss {record.loss:.4f} ({record.bits_per_byte:.4f} bits per byte)"
        f"{', best so far' if record.is_best else ''}, {duration(record.elapsed_seconds)}"
    )


class ProgressDisplay(Callback):
    """Loss, tokens per second and the time left; evaluations and samples on separate lines.

    A closed console disables the output and does not end the run.

    Args:
        console: the output; None: stderr.
        shows_notes: whether it shows notes.
    """

    def __init__(self, console: Console | None = None, *, shows_notes: bool = True) -> None:
        self.shows_notes = shows_notes
        self.console = console or StderrConsole()
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._started_at = 0.0
        self._last_line_at = 0.0
        self._first_progress: float | None = None
        self._rate, self._loss = RecentMean(), RecentMean()

    def on_start(self, start: RunStart) -> None:
        self._say(run_headline(start))
        if start.first_step:
            self._say(f"resuming at step {start.first_step:,}")
        self._started_at = self._last_line_at = time.monotonic()
        self._first_progress = None
        self._rate, self._loss = RecentMean(), RecentMean()
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:3.0f}%"),
                TextColumn("{task.fields[figures]}"),
                console=self.console,
                transient=False,
            )
            self._task = self._bar.add_task("training", total=1.0, figures="")
            with self._or_silence():
                self._bar.start()

    def on_step(self, record: StepRecord) -> None:
        now = time.monotonic()
        if self._first_progress is None:
            self._first_progress = record.progress
            self._started_at = now
        self._rate.add(record.tokens_per_second)
        if math.isfinite(record.loss):  # a skipped step's loss may not be
            self._loss.add(record.loss)
        figures = (
            f"step {record.step:,}  loss {self._loss.value:.3f}  "
            f"{self._rate.value:,.0f} tokens/s  "
            f"{self._time_left(record, now)} left"
        )
        if self._bar is not None:
            with self._or_silence():
                self._bar.update(self._task, completed=record.progress, figures=figures)
        elif now - self._last_line_at >= LINE_SECONDS:
            self._last_line_at = now
            self._say(f"{record.progress:4.0%}  {figures}")

    def _time_left(self, record: StepRecord, now: float) -> str:
        assert self._first_progress is not None
        done = record.progress - self._first_progress
        if done <= 0.0:
            return "?"
        return duration((1.0 - record.progress) * (now - self._started_at) / done)

    def on_evaluation(self, record: EvaluationRecord) -> None:
        self._say(validation_line(record))

    def on_sample(self, record: SampleRecord) -> None:
        text = Text("  ")
        text.append(one_line(record.prompt), style="bold")
        text.append(one_line(record.text), style="dim")
        with self._or_silence():
            self.console.print(text, soft_wrap=True)

    def on_note(self, text: str) -> None:
        if self.shows_notes:
            self._say(f"note: {text}")

    def on_end(self, result: TrainingResult | None) -> None:
        if self._bar is not None:
            with self._or_silence():
                if result is not None:
                    self._bar.update(self._task, completed=1.0)
                self._bar.stop()
            self._bar = None

    def _say(self, line: str) -> None:
        with self._or_silence():
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    @contextlib.contextmanager
    def _or_silence(self) -> Iterator[None]:
        """Disable the output if the console fails; rich would exit on a broken pipe."""
        try:
            yield
        except (OSError, ValueError, SystemExit):
            self.console.quiet = True
