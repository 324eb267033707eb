"""The plots of a run: losses, learning rate, speed."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slm.reporting.metrics import read_metrics
from slm.storage.files import atomic_write
from slm.training.events import Callback, EvaluationRecord, RunStart, TrainingResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLOT_SECONDS = 30.0
"""Minimum seconds between two plots during a run."""
TRAINING_COLOR, VALIDATION_COLOR = "#8fb3d9", "#c1440e"


def draw_losses(records: Sequence[dict[str, Any]]) -> bytes:
    """Training and validation loss over the steps, from records of `metrics.jsonl`, as a PNG."""
    buffer = io.BytesIO()
    loss_figure(records).savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def loss_figure(records: Sequence[dict[str, Any]]) -> Figure:
    """Training and validation loss over the steps, from records of `metrics.jsonl`."""
    # A figure without pyplot: no window, no global state, safe in any thread.
    from matplotlib.figure import Figure

    class LossFigure(Figure):
        """The image for a notebook, which otherwise displays only pyplot figures."""

        def _repr_png_(self) -> bytes:
            buffer = io.BytesIO()
            self.savefig(buffer, format="png", dpi=100)
            return buffer.getvalue()

    figure = LossFigure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    train_steps, train_losses = curve_of(records, "train", "loss")
    axes.plot(train_steps, train_losses, color=TRAINING_COLOR, linewidth=1, label="training")
    steps, losses = curve_of(records, "validation", "loss")
    axes.plot(steps, losses, color=VALIDATION_COLOR, marker="o", markersize=3, label="validation")
    if losses:
        best = min(range(len(losses)), key=losses.__getitem__)
        axes.annotate(
            f"best {losses[best]:.3f}",
            (steps[best], losses[best]),
            textcoords="offset points",
            xytext=(-8, 10),
            ha="right",
            color=VALIDATION_COLOR,
        )
    _label(axes, "loss (nats per token)")
    axes.legend(frameon=False)
    return figure


def step_figure(records: Sequence[dict[str, Any]], name: str, label: str) -> Figure:
    """A value of each training step, such as `learning_rate` or `tokens_per_second`.

    Args:
        records: of `metrics.jsonl`.
        name: of the value in the records.
        label: of its axis.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(*curve_of(records, "train", name), color=TRAINING_COLOR, linewidth=1.5)
    axes.set_ylim(bottom=0.0)
    _label(axes, label)
    return figure


def curve_of(
    records: Sequence[dict[str, Any]], kind: str, name: str
) -> tuple[list[int], list[float]]:
    """The steps of the records of a kind that have a value, and the values."""
    chosen = [r for r in records if r.get("kind") == kind and r.get(name) is not None]
    return [record["step"] for record in chosen], [record[name] for record in chosen]


def _label(axes: Axes, label: str) -> None:
    axes.set_xlabel("step")
    axes.set_ylabel(label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)


class LossPlot(Callback):
    """Writes `losses.png` from the metrics file at some evaluations and at the end."""

    is_vital = False

    def __init__(self, metrics_path: Path, plot_path: Path) -> None:
        self.metrics_path = metrics_path
        self.plot_path = plot_path
        self._drawn_at = -math.inf

    def on_start(self, start: RunStart) -> None:
        self._drawn_at = time.monotonic()  # there are too few points yet

    def on_evaluation(self, record: EvaluationRecord) -> None:
        if time.monotonic() - self._drawn_at >= PLOT_SECONDS:
            self._draw()

    def on_end(self, result: TrainingResult | None) -> None:
        self._draw()

    def _draw(self) -> None:
        records = read_metrics(self.metrics_path)
        if records:
            atomic_write(self.plot_path, draw_losses(records))
            self._drawn_at = time.monotonic()
