"""Progress displays and notes for people, separate from the results.

Notes and progress go to stderr; in a notebook, which shows stderr as an error, to stdout.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from slm.data.prepare import PrepareProgress

LINE_SECONDS = 5.0
"""Minimum seconds between two plain lines of progress."""

QUIET_SECONDS, WATCH_SECONDS = 1.0, 0.2
"""Before the first look at a file that is written, and between two of them."""


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = None if get_shell is None else get_shell()
    return getattr(shell, "kernel", None) is not None


def say(comment: str) -> None:
    """Print a comment for people; it is dropped if the stream is closed."""
    with contextlib.suppress(OSError, ValueError):
        print(comment, file=sys.stdout if in_notebook() else sys.stderr, flush=True)


def _is_terminal() -> bool:
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # it is closed
        return False


class Display:
    """The progress of long work on stderr: a bar on a terminal, otherwise occasional lines."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._stage = ""
        self._began_at = self._shown_at = self._line_at = time.monotonic()

    def __enter__(self) -> Display:
        if _is_terminal():
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

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, stage: str, fraction: float | None, done: float, unit: str) -> None:
        """Report the progress of a stage.

        Args:
            stage: name of the work.
            fraction: share that is done; None: unknown.
            done: number of finished units, for the rate.
            unit: name of the unit, such as `MB`.
        """
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._began_at = stage, self._shown_at
            if self._bar is not None:
                if self._task is not None:
                    self._bar.remove_task(self._task)
                self._task = self._bar.add_task(stage, total=None, figures="")
        self._shown_at, seconds = now, now - self._began_at
        rate = f"{done / seconds:,.1f} {unit}/s" if seconds > 0 else ""
        figures = f"{done:,.1f} {unit}  {rate}"
        if self._bar is not None and self._task is not None:
            total = None if fraction is None else 1.0
            self._bar.update(self._task, total=total, completed=fraction or 0.0, figures=figures)
        elif now - self._line_at >= LINE_SECONDS:
            self._line_at = now
            share = "" if fraction is None else f" {fraction:4.0%}"
            left = f"  {seconds / fraction - seconds:,.0f} s left" if fraction and seconds else ""
            say(f"{stage}{share}  {figures}{left}")

    def show_preparation(self, event: PrepareProgress) -> None:
        """Report the progress of data preparation."""
        stages = {
            "tokenizer": "reading text for the tokenizer",
            "train": "encoding the training split",
            "validation": "encoding the validation split",
        }
        self.show(stages[event.stage], event.fraction, event.bytes / 1e6, "MB")


@contextlib.contextmanager
def preparation_progress(*, shown: bool = True) -> Iterator[Callable[[PrepareProgress], None]]:
    """Show the progress of data preparation."""
    with Display() if shown else contextlib.nullcontext() as display:
        yield (lambda event: None) if display is None else display.show_preparation


@contextlib.contextmanager
def writing_progress(written: Callable[[], int], n_bytes: int) -> Iterator[None]:
    """Show how much of a file is there while it is written; nothing in the first second.

    Args:
        written: returns the bytes that are written so far, called from another thread.
        n_bytes: about how many there will be.
    """
    is_over = threading.Event()

    def watch() -> None:
        if is_over.wait(QUIET_SECONDS):
            return
        with Display() as display:
            while not is_over.wait(WATCH_SECONDS):
                done = written()
                if done >= n_bytes / 100:
                    display.show("writing", min(1.0, done / n_bytes), done / 1e6, "MB")

    watcher = threading.Thread(target=watch, name="writing-progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


@contextlib.contextmanager
def scoring_progress(*, shown: bool = True) -> Iterator[Callable[[float | None, int], None]]:
    """Show the progress of an evaluation: called with the share done and the tokens scored."""
    with Display() if shown else contextlib.nullcontext() as display:

        def report(fraction: float | None, tokens: int) -> None:
            if display is not None:
                display.show("scoring", fraction, tokens / 1e3, "K tokens")

        yield report


Stages = Callable[[str, float | None, float, str], None]
"""Called with the values of `Display.show`."""


@contextlib.contextmanager
def stage_progress(*, shown: bool = True) -> Iterator[Stages]:
    """Show the progress of work in stages, such as a test suite."""
    with Display() if shown else contextlib.nullcontext() as display:
        yield (lambda *values: None) if display is None else display.show
