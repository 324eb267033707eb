"""The loss plot of a run."""

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
    from matplotlib.figure import Figure

PLOT_FILE = "losses.png"
PLOT_SECONDS = 30.0
"""Least time between two drawings while a run goes on."""


def draw_losses(records: Sequence[dict[str, Any]]) -> bytes:
    """Training and validation loss over the steps, from records of `metrics.jsonl`, as a PNG."""
    buffer = io.BytesIO()
    loss_figure(records).savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def loss_figure(records: Sequence[dict[str, Any]]) -> Figure:
    """Training and validation loss over the steps, from records of `metrics.jsonl`."""
    # A figure of its own, without pyplot: no window, no global state, safe in any thread.
    from matplotlib.figure import Figure

    class LossFigure(Figure):
        """Notebooks ask for a picture; they know pyplot's figures only."""

        def _repr_png_(self) -> bytes:
            buffer = io.BytesIO()
            self.savefig(buffer, format="png", dpi=100)
            return buffer.getvalue()

    def curve(kind: str) -> tuple[list[int], list[float]]:
        chosen = [r for r in records if r.get("kind") == kind and r.get("loss") is not None]
        return [record["step"] for record in chosen], [record["loss"] for record in chosen]

    figure = LossFigure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    train_steps, train_losses = curve("train")
    axes.plot(train_steps, train_losses, color="#8fb3d9", linewidth=1, label="training")
    steps, losses = curve("validation")
    axes.plot(steps, losses, color="#c1440e", marker="o", markersize=3, label="validation")
    if losses:
        best = min(range(len(losses)), key=losses.__getitem__)
        axes.annotate(
            f"best {losses[best]:.3f}",
            (steps[best], losses[best]),
            textcoords="offset points",
            xytext=(-8, 10),
            ha="right",
            color="#c1440e",
        )
    axes.set_xlabel("step")
    axes.set_ylabel("loss (nats per token)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False)
    return figure


class LossPlot(Callback):
    """Writes `losses.png` at evaluations, now and then, and at the end, from the metrics file."""

    is_vital = False

    def __init__(self, metrics_path: Path, plot_path: Path) -> None:
        self.metrics_path = metrics_path
        self.plot_path = plot_path
        self._drawn_at = -math.inf

    def on_start(self, start: RunStart) -> None:
        self._drawn_at = time.monotonic()  # there is little to see yet

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
