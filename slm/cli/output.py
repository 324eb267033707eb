"""What people and programs read: results on stdout, comments and progress on stderr."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from slm.data.prepare import PrepareProgress

LINE_SECONDS = 5.0
"""Least time between two plain lines of progress."""


def prepare_streams() -> None:
    """Let nothing end the program that is wrong with its standard streams.

    A stream that the parent process has closed becomes an empty one: the next file to be opened
    would get its descriptor, and what is written to the stream would end up in that file.
    Characters that a console cannot show are replaced.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)  # the lowest one that is free
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def say(comment: str) -> None:
    """A comment for people, on stderr; where nobody reads any longer, it is lost."""
    with contextlib.suppress(OSError):
        print(comment, file=sys.stderr, flush=True)


def one_line(text: str) -> str:
    """A text with its control characters escaped, as those in the name of a file may be."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def print_json(data: dict[str, Any]) -> None:
    """The result as one JSON object on stdout; numbers that are not finite become null."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    print(json.dumps(_finite(data), indent=2, ensure_ascii=not is_utf8, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def print_table(rows: Iterable[tuple[str, ...]], *, indent: str = "") -> None:
    """Rows of equal length in aligned columns on stdout."""
    rows = list(rows)
    if not rows:
        return
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print(indent + "  ".join(cells).rstrip())


class Display:
    """The progress of long work on stderr: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._stage = ""
        self._began_at = self._line_at = time.monotonic()

    def __enter__(self) -> Display:
        if sys.stderr.isatty():
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            from slm.terminal.console import StderrConsole

            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[figures]}"),
                TimeRemainingColumn(),
                console=StderrConsole(),
                transient=True,
            )
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, stage: str, fraction: float | None, done: float, unit: str) -> None:
        """Say how far a stage is.

        Args:
            stage: what is being done.
            fraction: share that is done; None: not known.
            done: how many units are done, for the rate.
            unit: what is counted, as `MB`.
        """
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._began_at = stage, now
            if self._bar is not None:
                if self._task is not None:
                    self._bar.remove_task(self._task)
                self._task = self._bar.add_task(stage, total=None, figures="")
        seconds = now - self._began_at
        rate = f"{done / seconds:,.1f} {unit}/s" if seconds > 0 else ""
        figures = f"{done:,.1f} {unit}  {rate}"
        if self._bar is not None and self._task is not None:
            total = None if fraction is None else 1.0
            self._bar.update(self._task, total=total, completed=fraction or 0.0, figures=figures)
        elif now - self._line_at >= LINE_SECONDS:
            self._line_at = now
            share = "" if fraction is None else f" {fraction:4.0%}"
            left = f"  {seconds / fraction - seconds:,.0f} s left" if fraction else ""
            say(f"{stage}{share}  {figures}{left}")

    def show_preparation(self, event: PrepareProgress) -> None:
        """Say how far the preparation of data is."""
        stages = {
            "tokenizer": "reading text for the tokenizer",
            "train": "encoding the training split",
            "validation": "encoding the validation split",
        }
        self.show(stages[event.stage], event.fraction, event.bytes / 1e6, "MB")
