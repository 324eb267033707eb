"""The progress of long work: lines, or a bar on a terminal."""

from __future__ import annotations

import io
import sys
import threading

import pytest

from slm.data.prepare import PrepareProgress
from slm.reporting.display import Display, say, writing_progress
from slm.reporting.progress import ProgressDisplay


def test_progress_is_lines_where_there_is_no_terminal(capsys, monkeypatch):
    clock = iter([0.0, 0.0, 10.0, 11.0])
    monkeypatch.setattr("slm.reporting.display.time.monotonic", lambda: next(clock))
    with Display() as display:
        for stories in (1, 2, 3):
            display.show_preparation(PrepareProgress("train", stories, 40_000_000, 9, 0.25))

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "encoding the training split  25%  40.0 MB  4.0 MB/s  30 s left\n"


def test_a_stage_began_when_the_one_before_was_last_shown(capsys, monkeypatch):
    """The first report of a stage comes after some of its work."""
    clock = iter([0.0, 10.0, 20.0])
    monkeypatch.setattr("slm.reporting.display.time.monotonic", lambda: next(clock))
    with Display() as display:
        display.show("reading", 0.5, 40.0, "MB")
        display.show("writing", 0.25, 20.0, "MB")

    assert capsys.readouterr().err.splitlines() == [
        "reading  50%  40.0 MB  4.0 MB/s  10 s left",
        "writing  25%  20.0 MB  2.0 MB/s  30 s left",
    ]


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


def test_a_file_that_grows_is_watched_until_it_is_written(capsys, monkeypatch):
    for name in ("QUIET_SECONDS", "WATCH_SECONDS", "LINE_SECONDS"):
        monkeypatch.setattr(f"slm.reporting.display.{name}", 0.0)
    looks, has_seen_all = iter([10, 20, 40_000_000]), threading.Event()

    def written() -> int:
        found = next(looks, None)
        if found is None:
            has_seen_all.set()
        return found or 80_000_000

    with writing_progress(written, 80_000_000):
        assert has_seen_all.wait(60)
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith("writing  50%  40.0 MB") for line in lines)
    assert any(line.startswith("writing 100%  80.0 MB") for line in lines)
    assert not any(thread.name == "writing-progress" for thread in threading.enumerate())


def test_a_small_file_shows_nothing(capsys):
    with writing_progress(lambda: 1, 2):
        pass
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("stream", ["closed", "none"])
def test_without_a_stream_nothing_is_shown(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed if stream == "closed" else None)
    monkeypatch.setattr("slm.reporting.display.LINE_SECONDS", 0.0)
    say("a note")
    with Display() as display:
        display.show("scoring", 0.5, 2.0, "K tokens")
    ProgressDisplay().on_note("a note")
