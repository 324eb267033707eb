"""The progress of long work: lines, or a bar on a terminal."""

from __future__ import annotations

import io
import sys

from slm.data.prepare import PrepareProgress
from slm.reporting.display import Display


def test_progress_is_lines_where_there_is_no_terminal(capsys, monkeypatch):
    clock = iter([0.0, 0.0, 10.0, 11.0])
    monkeypatch.setattr("slm.reporting.display.time.monotonic", lambda: next(clock))
    with Display() as display:
        for stories in (1, 2, 3):
            display.show_preparation(PrepareProgress("train", stories, 40_000_000, 9, 0.25))

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "encoding the training split  25%  40.0 MB  4.0 MB/s  30 s left\n"


def test_progress_is_a_bar_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Display() as display:
        display.show("scoring", None, 1.0, "K tokens")
        display.show("scoring", 0.5, 2.0, "K tokens")

    assert "scoring" in terminal.getvalue()
