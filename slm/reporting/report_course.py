"""The part of a report about what a model learned when: the results of `slm eval --over-time`."""

from __future__ import annotations

from slm.quantities import counted
from slm.reporting.over_time import LOSS, Course, OverTime
from slm.reporting.over_time_plot import over_time_figure
from slm.reporting.report import Curve, Table
from slm.reporting.svg import inline_svg

DESCRIPTION = (
    "Each score over the steps, on a logarithmic axis, with its 95% interval. A dotted line is "
    "what guessing gives, a dot is where half of the change is done, and the red line is for "
    "held-out plots and names."
)


def course_curve(found: OverTime) -> Curve | None:
    """The picture; None: there are no results of several checkpoints."""
    panels = found.panels
    if not panels:
        return None
    title = f"Scores of {counted(len(found.checkpoints), 'checkpoint')}"
    svg = inline_svg(over_time_figure(panels), name="course", title=title, description=DESCRIPTION)
    return Curve(title, DESCRIPTION, svg)


def course_table(found: OverTime) -> Table | None:
    """The first and the last score, and the step at which half of the change is done."""
    courses = found.courses
    if not courses:
        return None
    ends = (f"step {found.checkpoints[number].step:,}" for number in (0, -1))
    head = ("", *ends, "half of the change by step")
    return Table("scores over time", head, tuple(map(_row, courses)))


def _row(course: Course) -> tuple[str, ...]:
    name = course.name if course.suite in (course.name, LOSS) else f"{course.suite}: {course.name}"
    pattern = "{:.3f}" if course.suite == LOSS else "{:.1f}"
    ends = (pattern.format(course.scores[number].value) for number in (0, -1))
    half = "no certain change" if course.arrives_at is None else f"{course.arrives_at:,}"
    return name, *ends, half
