"""The progress of a run in a notebook: a bar and a plot of the losses, updated in place.

IPython's display handles work in every notebook program, without an extension.
"""

from __future__ import annotations

import html
import importlib
import io
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from slm.quantities import duration
from slm.reporting.plots import loss_figure
from slm.reporting.progress import RecentMean, one_line, run_headline, validation_line
from slm.training.events import (
    Callback,
    EvaluationRecord,
    RunStart,
    SampleRecord,
    StepRecord,
    TrainingResult,
)

BAR_SECONDS = 0.5
"""Minimum seconds between two updates of the bar."""
PLOT_SECONDS = 2.0
PLOT_SHARE = 0.02
"""Minimum seconds between two plots, and their maximum share of the training time."""
MOST_POINTS = 500
"""Maximum number of training steps in the plot; of more, every second one is dropped."""


class NotebookDisplay(Callback):
    """A live bar, a live plot of the losses, and lines for evaluations, samples and notes.

    Args:
        shows_notes: whether it shows notes.
    """

    is_vital = False

    def __init__(self, *, shows_notes: bool = True) -> None:
        self.shows_notes = shows_notes
        # Always loaded: this program runs in IPython.
        self._display: Any = importlib.import_module("IPython.display")
        self._bar: Any = None
        self._plot: Any = None
        self._records: list[dict[str, Any]] = []
        self._n_steps = 0
        self._every = 1
        self._figures = ""
        self._progress = 0.0
        self._bar_at = self._plot_at = -math.inf
        self._plot_seconds = 0.0
        self._first: tuple[float, float] | None = None
        self._rate, self._loss = RecentMean(), RecentMean()

    def on_start(self, start: RunStart) -> None:
        print(run_headline(start))
        if start.first_step:
            print(f"resuming at step {start.first_step:,}")
        self._records, self._n_steps, self._every, self._first = [], 0, 1, None
        self._rate, self._loss = RecentMean(), RecentMean()
        self._figures, self._progress = "", 0.0
        self._bar = self._display.display(self._html(), display_id=True)
        self._plot = None
        self._bar_at = self._plot_at = -math.inf

    def on_step(self, record: StepRecord) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now, record.progress
        self._rate.add(record.tokens_per_second)
        if math.isfinite(record.loss):
            self._loss.add(record.loss)
            self._add("train", record.step, record.loss)
        self._progress = record.progress
        if now - self._bar_at >= BAR_SECONDS:
            self._bar_at = now
            began_at, before = self._first
            done = record.progress - before
            left = (1.0 - record.progress) * (now - began_at) / done if done > 0.0 else math.nan
            self._figures = (
                f"step {record.step:,}  loss {self._loss.value:.3f}  "
                f"{self._rate.value:,.0f} tokens/s"
                f"{f'  {duration(left)} left' if math.isfinite(left) else ''}"
            )
            self._bar.update(self._html())
        if now - self._plot_at >= max(PLOT_SECONDS, self._plot_seconds / PLOT_SHARE):
            self._draw()

    def on_evaluation(self, record: EvaluationRecord) -> None:
        print(validation_line(record))
        if math.isfinite(record.loss):
            self._records.append({"kind": "validation", "step": record.step, "loss": record.loss})

    def on_sample(self, record: SampleRecord) -> None:
        print(f"  {one_line(record.prompt)}{one_line(record.text)}")

    def on_note(self, text: str) -> None:
        if self.shows_notes:
            print(f"note: {text}")

    def on_end(self, result: TrainingResult | None) -> None:
        if self._bar is None:
            return
        if result is not None:
            self._progress = 1.0
        self._bar.update(self._html())
        self._draw()
        self._bar = None

    def _add(self, kind: str, step: int, loss: float) -> None:
        """Add a point to a curve, and drop every second point if it gets too long."""
        self._n_steps += 1
        if self._n_steps % self._every == 0:
            self._records.append({"kind": kind, "step": step, "loss": loss})
        train = [record for record in self._records if record["kind"] == "train"]
        if len(train) > MOST_POINTS:
            self._every *= 2
            dropped = {record["step"] for record in train[1::2]}
            self._records = [
                record
                for record in self._records
                if record["kind"] != "train" or record["step"] not in dropped
            ]

    def _html(self) -> Any:
        return self._display.HTML(
            f'<progress value="{self._progress:.4f}" max="1" style="width: 20em"></progress> '
            f"{self._progress:.0%} <code>{html.escape(self._figures)}</code>"
        )

    def _draw(self) -> None:
        if not self._records:
            return
        with self._timed():
            content = io.BytesIO()
            loss_figure(self._records).savefig(content, format="png", dpi=80)
            image = self._display.Image(content.getvalue())
            if self._plot is None:
                self._plot = self._display.display(image, display_id=True)
            else:
                self._plot.update(image)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began_at = time.monotonic()
        yield
        self._plot_at = time.monotonic()
        self._plot_seconds = self._plot_at - began_at
