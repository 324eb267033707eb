"""The part of a report about what a model learned when: the results of `slm eval --over-time`."""

from __future__ import annotations

from slm.quantities import counted
from slm.reporting.over_time import LOSS, OverTime, ScoreCurve
from slm.reporting.over_time_plot import over_time_figure
from slm.reporting.report import Curve, Table
from slm.reporting.svg import inline_svg

DESCRIPTION = (
    "Each score over the steps, on a logarithmic axis, with its 95% interval. A dotted line is "
    "what guessing gives, a dot is where half of the change is done, and the red line is for "
    "held-out plots and names."
)


def over_time_curve(found: OverTime) -> Curve | None:
    """The picture; None: there are no results of several checkpoints."""
    panels = found.panels
    if not panels:
        return None
    title = f"Scores of {counted(len(found.checkpoints), 'checkpoint')}"
    svg = inline_svg(
        over_time_figure(panels), name="over-time", title=title, description=DESCRIPTION
    )
    return Curve(title, DESCRIPTION, svg)


def over_time_table(found: OverTime) -> Table | None:
    """The first and the last score, and the step at which half of the change is done."""
    curves = found.curves
    if not curves:
        return None
    ends = (f"step {found.checkpoints[number].step:,}" for number in (0, -1))
    head = ("", *ends, "half of the change by step")
    return Table("scores over time", head, tuple(map(_row, curves)))


def _row(curve: ScoreCurve) -> tuple[str, ...]:
    name = curve.name if curve.suite in (curve.name, LOSS) else f"{curve.suite}: {curve.name}"
    pattern = "{:.3f}" if curve.suite == LOSS else "{:.1f}"
    ends = (pattern.format(curve.scores[number].value) for number in (0, -1))
    half = "no certain change" if curve.arrives_at is None else f"{curve.arrives_at:,}"
    return name, *ends, half
