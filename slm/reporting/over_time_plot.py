"""The picture of a run over time: each score over the steps, which are on a logarithmic axis."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from slm.config.run_files import OVER_TIME_PLOT
from slm.evals.facts import HELD_OUT
from slm.reporting.over_time import OverTime, Panel
from slm.reporting.plots import TRAINING_COLOR, VALIDATION_COLOR
from slm.storage.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
PANEL_INCHES = (2.3, 1.6)


def write_plot(run: Path, found: OverTime) -> None:
    """Draw `over-time.png` in a run's folder; nothing if there are too few results.

    Raises:
        WriteError, NoSpaceError: it cannot be written.
    """
    panels = found.panels
    if not panels:
        return
    buffer = io.BytesIO()
    over_time_figure(panels).savefig(buffer, format="png", dpi=130)
    atomic_write(run / OVER_TIME_PLOT, buffer.getvalue())


def over_time_figure(panels: Sequence[Panel], *, columns: int = COLUMNS) -> Figure:
    """One small picture for each score, with its 95% interval, chance, and where it arrives."""
    from matplotlib.figure import Figure

    columns = min(columns, len(panels))
    rows = math.ceil(len(panels) / columns)
    size = PANEL_INCHES[0] * columns, PANEL_INCHES[1] * rows
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        _draw(axes, panel)
    for axes in list(grid.flat)[len(panels) :]:
        axes.axis("off")
    return figure


def _draw(axes: Axes, panel: Panel) -> None:
    if panel.chance is not None:
        axes.axhline(panel.chance, color="#b0b0b0", linewidth=1, linestyle=":")
    for curve in panel.curves:
        is_held_out = curve.name.endswith(HELD_OUT)
        color = VALIDATION_COLOR if is_held_out else TRAINING_COLOR
        low, high = [s.low for s in curve.scores], [s.high for s in curve.scores]
        axes.fill_between(curve.steps, low, high, color=color, alpha=0.25, linewidth=0)
        label = "held out" if is_held_out else "corpus"
        values = [score.value for score in curve.scores]
        axes.plot(curve.steps, values, color=color, linewidth=1.5, label=label)
        if curve.arrives_at is not None:
            value = values[curve.steps.index(curve.arrives_at)]
            axes.plot([curve.arrives_at], [value], "o", color=color, markersize=4)
    axes.set_xscale("log")
    axes.set_ylim(*panel.limits)
    axes.set_title(panel.title, fontsize=9)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    if len(panel.curves) > 1:
        axes.legend(frameon=False, fontsize=6, loc="lower right")
