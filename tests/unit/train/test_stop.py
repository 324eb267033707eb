"""The first signal is a request, the second an order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from slm.train import stop as stop_module
from slm.train.stop import StopRequested, StopSignals

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


@needs_posix_signals
@pytest.mark.parametrize(("name", "exit_code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_the_second_signal_exits_at_once(name: str, exit_code: int) -> None:
    code = SECOND.format(file=stop_module.__file__, name=name)
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.stdout.split() == ["15"], result.stderr
    assert result.returncode == exit_code
