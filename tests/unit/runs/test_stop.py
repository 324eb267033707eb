"""The first signal is a request, the second an order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from slm.runs import stop as stop_module
from slm.runs.stop import StopRequested, StopSignals

needs_posix_signals = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows cannot send these signals to a process"
)


@needs_posix_signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_handlers_come_back(number: signal.Signals) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    seen = []
    with StopSignals() as stop:
        stop.check()
        with pytest.raises(StopRequested):
            for item in stop.watch(range(5)):
                seen.append(item)
                if item == 2:
                    os.kill(os.getpid(), number)
        assert stop.signal_number == number
        with pytest.raises(StopRequested):
            stop.check()
    assert seen == [0, 1, 2]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    stop.check()  # after the block there is nothing left to obey


def test_handlers_come_back_after_an_error() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), StopSignals():
        assert signal.getsignal(signal.SIGINT) != before
        _ = 1 / 0
    assert signal.getsignal(signal.SIGINT) == before


def test_a_request_is_no_exception_that_a_callback_could_swallow() -> None:
    assert not issubclass(StopRequested, Exception)


def test_in_another_thread_it_does_nothing() -> None:
    before = signal.getsignal(signal.SIGINT)
    during = []

    def run() -> None:
        with StopSignals() as stop:
            during.extend([signal.getsignal(signal.SIGINT), stop.signal_number])

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert during == [before, None]


SECOND = """
import importlib.util, os, signal
spec = importlib.util.spec_from_file_location("stop", {file!r})  # by itself, without PyTorch
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
try:
    with module.StopSignals() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        print(stop.signal_number, flush=True)
        os.kill(os.getpid(), signal.{name})
        print("still here", flush=True)
finally:
    print("cleaned up", flush=True)
"""


@pytest.mark.slow
@needs_posix_signals
@pytest.mark.parametrize(("name", "exit_code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_the_second_signal_exits_at_once(name: str, exit_code: int) -> None:
    code = SECOND.format(file=stop_module.__file__, name=name)
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert result.stdout.split() == ["15"], result.stderr
    assert result.returncode == exit_code


@needs_posix_signals
def test_in_the_midst_of_an_item_where_that_is_wished() -> None:
    reached = []
    with StopSignals() as stop, pytest.raises(StopRequested):
        for item in stop.watch(range(5), at_once=True):
            reached.append(item)
            if item == 1:
                os.kill(os.getpid(), signal.SIGTERM)
                reached.append(99)
    assert reached == [0, 1]


@needs_posix_signals
def test_after_the_last_item_it_is_no_longer_at_once() -> None:
    with StopSignals() as stop:
        assert list(stop.watch(range(2), at_once=True)) == [0, 1]
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.signal_number == signal.SIGTERM


@needs_posix_signals
def test_a_compiler_that_ctrl_c_ends_is_no_error() -> None:
    with StopSignals() as stop:
        with pytest.raises(StopRequested) as caught, stop.excusing_errors():
            for _ in stop.watch(range(2)):
                os.kill(os.getpid(), signal.SIGINT)
                raise ValueError("g++ was killed")
        assert isinstance(caught.value.__cause__, ValueError)
        with pytest.raises(ValueError, match="of itself"), stop.excusing_errors():
            raise ValueError("of itself")  # not while an item was worked on


def test_errors_without_a_signal_are_errors() -> None:
    with StopSignals() as stop, pytest.raises(ValueError, match="odd"), stop.excusing_errors():
        for _ in stop.watch(range(2)):
            raise ValueError("odd")
