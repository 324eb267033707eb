"""The console on stderr falls silent and ends nothing."""

from __future__ import annotations

import errno
import io
import sys

import pytest
from rich.progress import Progress

from slm.terminal.console import StderrConsole


class Broken(io.StringIO):
    """A stream whose reader has gone, or whose disk is full."""

    def __init__(self, number: int, *, terminal: bool) -> None:
        super().__init__()
        self.number = number
        self.terminal = terminal
        self.attempts = 0

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        self.attempts += 1
        raise OSError(self.number, "broken")


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC])
def test_a_stream_that_breaks(monkeypatch: pytest.MonkeyPatch, number: int, terminal: bool) -> None:
    stream = Broken(number, terminal=terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    console = StderrConsole()
    with Progress(console=console) as bar:
        bar.add_task("work")
        for _ in range(3):
            console.print("hello")
    assert stream.attempts == 1
    assert console.quiet
