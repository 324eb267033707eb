"""The first signal ends what is being done, the second one the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from slm.errors import Interrupted
from slm.signals import Ended, EndOnSignal, SignalWatch, ending_signals, say_in_handler

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows cannot send these signals to a process"
)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
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
    code = "import os; os.close(2); from slm.signals import say_in_handler as s; s(b'x')"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
    say_in_handler(b"")


SECOND = """
import os, signal
from slm.signals import EndOnSignal
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
        [sys.executable, "-c", SECOND], capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stdout.split()) == (143, ["first"])
