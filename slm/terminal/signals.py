"""Signals of a command: the first one ends the program in good order, a second one at once.

`EndOnSignal` abandons what is being done, which leaves nothing behind. Training has its own
`slm.runs.stop.StopSignals` inside, which saves first. Only the command line uses them: called from
Python, no signal is handled (see `slm.runs.borrowed`).
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any, Self

from slm.errors import Interrupted

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
"""Signals that ask a program to end; Windows has no SIGHUP."""
LONGEST_IMPORT_SECONDS = 3.0
"""How long an import may continue after a signal; that of PyTorch takes one or two."""


def ending_signals() -> list[signal.Signals]:
    """The signals of `NAMES` that this system has, without those that this process must ignore.

    `nohup` starts a program that ignores SIGHUP.
    """
    known = [signal.Signals[name] for name in NAMES if name in signal.Signals.__members__]
    return [
        number
        for number in known
        if number.name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN
    ]


def say_in_handler(line: bytes) -> None:
    """Write to stderr from a signal handler, which may run in the middle of another write.

    The reader may be gone: Ctrl-C also ends the other programs of a pipe.
    """
    with contextlib.suppress(OSError):
        os.write(2, line)


class SignalWatch:
    """While the block runs, the first signal is recorded and calls `first`; a second one exits.

    It does nothing outside the main thread, where Python allows no handlers.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._previous: dict[int, Any] = {}

    def first(self, number: int, frame: FrameType | None) -> None:
        """Called in the handler at the first signal; it interrupted `frame`."""

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in ending_signals():
                outer = getattr(signal.getsignal(number), "__self__", None)
                if isinstance(outer, SignalWatch) and outer.signal_number is not None:
                    # Its exception may be lost in foreign code; its signal is not.
                    outer.hand_over()
                    self.signal_number = outer.signal_number
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def hand_over(self) -> None:
        """An inner watch takes over the signal that has come."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal_number is not None:
            if sys.stderr is not None and os.isatty(2):
                say_in_handler(b"\x1b[?25h")  # progress bars hide the cursor
            os._exit(128 + number)
        self.signal_number = number
        self.first(number, frame)


class Ended(BaseException):
    """Raised by a signal wherever the program is: what is being done is abandoned."""


class ExitOnSignal(SignalWatch):
    """While the block runs, a signal ends the process: nothing has begun that could be damaged."""

    def first(self, number: int, frame: FrameType | None) -> None:
        _exit_as_interrupted(number)


class EndOnSignal(SignalWatch):
    """While the block runs, the first signal raises `Ended` in it.

    An import is finished first: C modules that import others may turn an exception into another one
    or lose it. Whatever foreign code makes of the exception, it leaves the block as `Ended`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waits = threading.Event()
        self._is_repeated = False
        self._repeating = threading.Lock()

    def first(self, number: int, frame: FrameType | None) -> None:
        if not _is_importing(frame):
            raise Ended
        self._waits.set()
        # Not `threading`, whose lock may be held by what is interrupted here.
        _thread.start_new_thread(self._repeat, (number,))

    def _repeat(self, number: int) -> None:
        """Repeat a signal until no import is running."""
        deadline = time.monotonic() + LONGEST_IMPORT_SECONDS
        while time.monotonic() < deadline:
            time.sleep(0.005)
            with self._repeating:
                if not self._waits.is_set():
                    return
                self._is_repeated = True
                _thread.interrupt_main(signal.Signals(number))
        _exit_as_interrupted(number)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        is_repeated, self._is_repeated = self._is_repeated, False
        if not is_repeated:
            super()._handle(number, frame)
        elif self._waits.is_set() and not _is_importing(frame):
            self._waits.clear()
            raise Ended

    def hand_over(self) -> None:
        with self._repeating:
            self._waits.clear()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self.hand_over()
        super().__exit__(kind, error, traceback)
        if self.signal_number is not None and not isinstance(error, Ended | Interrupted):
            raise Ended from error


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _exit_as_interrupted(number: int) -> None:
    say_in_handler(b"interrupted\n")
    os._exit(128 + number)
