"""The report of a run: one HTML file without scripts, which needs no network.

Everything in it is untrusted: stories, settings and paths come from models, files and users. The
template escapes all of it, and a content security policy forbids everything but the page's own
styles.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slm.errors import UsageError, command_line
from slm.storage.files import atomic_write
from slm.storage.safe_reading import open_regular, status_of
from slm.version import __version__

if TYPE_CHECKING:
    from jinja2 import Template

GENERATOR = b'<meta name="generator" content="slm '
"""Identifies a report, within its first bytes."""
HEAD_BYTES = 1024

Rows = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """A table with a caption; all columns but the first hold numbers, or short text."""

    name: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Curve:
    """A curve over the steps of a run."""

    title: str
    description: str
    """What it shows, in words."""
    svg: str = field(repr=False)
    """Markup that is not escaped: only from `slm.reporting.svg`."""


@dataclass(frozen=True)
class Story:
    """A story that the model wrote, uncut."""

    label: str
    prompt: str
    text: str
    """The continuation."""


@dataclass(frozen=True)
class Report:
    """The contents of a report. An empty part is left out of the page."""

    name: str
    lead: str
    figures: Rows
    """The most important figures: name and value."""
    notes: Sequence[str]
    """What a reader must know before reading on."""
    model: Rows
    text: Rows
    plan: Table | None
    restatements: Sequence[str]
    curves: Sequence[Curve]
    anomalies: Table | None
    over_time: Curve | None
    """Scores of the kept checkpoints."""
    over_time_table: Table | None
    suites: Sequence[Table]
    stories: Sequence[Story]
    stories_note: str
    cost: Rows
    commands: Rows
    """What each does, and the command."""
    conditions: Rows
    settings: Table | None

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON data, without the pictures."""
        curves = [{"title": each.title, "description": each.description} for each in self.curves]
        over_time = None if self.over_time is None else self.over_time.title
        return {**asdict(self), "curves": curves, "over_time": over_time}

    def to_html(self) -> str:
        """The page."""
        return _template().render(report=self, version=__version__)


def write_report(report: Report, path: Path) -> None:
    """Write a report; an older report is replaced.

    Raises:
        UsageError: the file is something else.
        WriteError, NoSpaceError: it cannot be written.
    """
    refuse_other_file(path)
    atomic_write(path, report.to_html())


def refuse_other_file(path: Path) -> None:
    """Refuse to write a report over a file that is none.

    Raises:
        UsageError: there is such a file.
    """
    if status_of(path) is not None and not _is_report(path):
        raise UsageError(
            f"{path} exists and is not a report of slm",
            hint=f"name another file with {command_line('--out', path.with_name('report-2.html'))}",
        )


def _is_report(path: Path) -> bool:
    try:
        with open_regular(path) as stream:
            return GENERATOR in stream.read(HEAD_BYTES)
    except OSError:
        return False


_IMPOSSIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr((plane << 16) | 0xFFFE)}{chr((plane << 16) | 0xFFFF)}" for plane in range(17))
    + "]"
)
"""Characters that HTML forbids, even escaped: controls, surrogates and noncharacters."""


def _possible_in_html(value: Any) -> Any:
    """A value of the template, with the replacement character for what HTML forbids."""
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return _IMPOSSIBLE.sub("\ufffd", value) if is_text else value


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("slm.reporting", "."),
        autoescape=True,
        finalize=_possible_in_html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")
