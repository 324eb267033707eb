"""The first signal ends what is being done, the second one the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from slm.errors import Interrupted
from slm.terminal.signals import Ended, EndOnSignal, SignalWatch, ending_signals, say_in_handler

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows cannot send these signals to a process"
)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.usefixtures("heeds_hangup")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", 1)])
def test_the_first_signal_raises_where_the_program_is(number: int) -> None:
    before = [signal.getsignal(known) for known in ending_signals()]
    watch = EndOnSignal()
    cleaned_up = False
    with pytest.raises(Ended), watch:
        try:
            send(number)
        finally:
            cleaned_up = True
    assert cleaned_up
    assert watch.signal_number == number
    assert [signal.getsignal(known) for known in ending_signals()] == before


@pytest.mark.parametrize("other", [None, ValueError("foreign code"), SystemExit(1)])
def test_what_foreign_code_makes_of_it_does_not_matter(other: BaseException | None) -> None:
    with pytest.raises(Ended) as caught, EndOnSignal():
        try:
            send(signal.SIGTERM)
        except Ended:
            if other is not None:
                raise other from None
    assert caught.value.__cause__ is other


def test_a_run_that_was_saved_says_so() -> None:
    with pytest.raises(Interrupted), EndOnSignal():
        try:
            send(signal.SIGTERM)
        except Ended:
            raise Interrupted("saved", signal_number=15) from None


def test_an_inner_watch_decides_and_knows_of_what_came_before() -> None:
    outer = EndOnSignal()
    with pytest.raises(Ended), outer:
        with SignalWatch() as inner:
            send(signal.SIGINT)
            assert inner.signal_number == signal.SIGINT
        assert outer.signal_number is None
        try:
            send(signal.SIGTERM)
        except Ended:
            with SignalWatch() as inner:
                assert inner.signal_number == signal.SIGTERM


@pytest.mark.usefixtures("heeds_hangup")
def test_nohup_is_heeded() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert signal.SIGHUP not in ending_signals()
        with EndOnSignal():
            send(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert signal.SIGHUP in ending_signals()


def test_words_that_nobody_reads_are_lost() -> None:
    code = "import os; os.close(2); from slm.terminal.signals import say_in_handler as s; s(b'x')"
    assert subprocess.run([sys.executable, "-c", code], timeout=300, check=False).returncode == 0
    say_in_handler(b"")


SECOND = """
import os, signal
from slm.terminal.signals import EndOnSignal
with EndOnSignal():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        print("first", flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
        print("still here", flush=True)
"""


def test_the_second_signal_exits_at_once() -> None:
    result = subprocess.run(
        [sys.executable, "-c", SECOND], capture_output=True, text=True, timeout=300, check=False
    )
    assert (result.returncode, result.stdout.split()) == (143, ["first"])


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, an import may take long; else this process would end."""
    monkeypatch.setattr("slm.terminal.signals.LONGEST_IMPORT_SECONDS", 120.0)


IMPORTED = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(10):
        time.sleep({seconds} / 10)
except BaseException:
    pass
done = True
"""


@pytest.mark.usefixtures("patient")
def test_an_import_is_finished_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here is one that would swallow the exception, as some in C do."""
    (tmp_path / "swallowing.py").write_text(IMPORTED.format(seconds=0.2), "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    ended, after = False, time.monotonic()
    with pytest.raises(Ended), EndOnSignal():
        import swallowing  # type: ignore[import-not-found]

        try:
            while time.monotonic() < after + 60:
                time.sleep(0.01)
        finally:
            ended = True
            time.sleep(0.1)  # nor does a second exception disturb what is cleaned up
    assert ended
    assert swallowing.done
    assert time.monotonic() < after + 30


@pytest.mark.usefixtures("patient")
def test_an_import_is_finished_by_the_end_of_the_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "swallowing_at_the_end.py").write_text(IMPORTED.format(seconds=0.0), "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Ended), EndOnSignal():
        import swallowing_at_the_end  # type: ignore[import-not-found]  # noqa: F401
    time.sleep(0.1)  # nothing comes afterwards


ENDLESS = """
import sys
from slm.terminal import signals
signals.LONGEST_IMPORT_SECONDS = 0.1
sys.path.insert(0, {folder!r})
with signals.{watch}():
    import endless
"""


@pytest.mark.parametrize("watch", ["EndOnSignal", "ExitOnSignal"])
def test_an_import_that_takes_too_long_is_not_waited_for(tmp_path: Path, watch: str) -> None:
    (tmp_path / "endless.py").write_text(IMPORTED.format(seconds=60), "utf-8")
    result = subprocess.run(
        [sys.executable, "-c", ENDLESS.format(folder=str(tmp_path), watch=watch)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (result.returncode, result.stderr) == (143, "interrupted\n")


@pytest.mark.usefixtures("patient")
def test_a_signal_that_waits_is_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a watch that is entered while the import goes on, which is not told of it twice."""
    (tmp_path / "entering.py").write_text(ENTERING, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Ended), EndOnSignal():
        import entering  # type: ignore[import-not-found]

        assert entering.found == signal.SIGTERM


ENTERING = """
import os, signal, time
from slm.terminal.signals import SignalWatch
os.kill(os.getpid(), signal.SIGTERM)
with SignalWatch() as watch:
    found = watch.signal_number
    for _ in range(20):  # a second one would end the process
        time.sleep(0.01)
"""
