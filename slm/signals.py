"""Ctrl-C and its kin: the first signal ends the program in good order, the second one at once.

What "in good order" means depends on where the program is. `EndOnSignal` gives up what is being
done, which leaves nothing behind; training watches with its own `slm.train.stop.StopSignals`,
which saves first. The inner one of the two decides.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from slm.errors import Interrupted

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
"""What asks a program to end; Windows has no SIGHUP."""


def ending_signals() -> list[signal.Signals]:
    """The signals of `NAMES` that this system has and this process heeds.

    `nohup` starts a program that ignores SIGHUP, and it shall.
    """
    known = [signal.Signals[name] for name in NAMES if name in signal.Signals.__members__]
    return [
        number
        for number in known
        if number.name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN
    ]


def say_in_handler(line: bytes) -> None:
    """Write to stderr from a signal handler, which may run in the middle of anything that writes.

    Nobody may be reading any longer: Ctrl-C ends the other programs of a pipe, too.
    """
    with contextlib.suppress(OSError):
        os.write(2, line)


class SignalWatch:
    """While the block runs, the first signal is noted and told to `first`; a second one exits.

    Outside the main thread, where Python allows no handlers, it does nothing.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._previous: dict[int, Any] = {}

    def first(self, number: int) -> None:
        """What to do at the first signal, besides noting it; runs in the handler."""

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in ending_signals():
                previous = signal.signal(number, self._handle)
                self._previous[number] = previous
                # Had the outer watch's exception got lost in foreign code, its signal has not.
                outer = getattr(previous, "__self__", None)
                if isinstance(outer, SignalWatch) and outer.signal_number is not None:
                    self.signal_number = outer.signal_number
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal_number is not None:
            if sys.stderr is not None and os.isatty(2):
                say_in_handler(b"\x1b[?25h")  # progress bars hide the cursor
            os._exit(128 + number)
        self.signal_number = number
        self.first(number)


class Ended(BaseException):
    """Raised by a signal wherever the program is: what is being done is given up."""


class EndOnSignal(SignalWatch):
    """While the block runs, the first signal raises `Ended` in it.

    Foreign code may make another error of that, or nothing; it leaves the block as `Ended` still.
    """

    def first(self, number: int) -> None:
        raise Ended

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, traceback)
        if self.signal_number is not None and not isinstance(error, Ended | Interrupted):
            raise Ended from error
