"""Ctrl-C and SIGTERM as a polite request: finish the micro-batch, save, and exit."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable, Iterator
from types import FrameType, TracebackType
from typing import Any, TypeVar

Item = TypeVar("Item")


class StopRequested(BaseException):
    """Raised between two micro-batches where a stop was requested; caught by the trainer."""


class StopSignals:
    """While the block runs, SIGINT and SIGTERM set `signal_number`; a second one exits at once.

    Outside the main thread, where Python allows no handlers, it does nothing.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._handle)
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
        self.signal_number = None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        # os.write, as a handler may run in the middle of anything that writes.
        if self.signal_number is not None:
            if os.isatty(2):
                os.write(2, b"\x1b[?25h")  # the progress bar hides the cursor
            os._exit(128 + number)
        self.signal_number = number
        os.write(2, b"\nstopping: the work is saved first; once more stops at once\n")

    def watch(self, items: Iterable[Item]) -> Iterator[Item]:
        """Pass items on until a stop is requested.

        Raises:
            StopRequested: before the next item, once a signal has come.
        """
        for item in items:
            self.check()
            yield item

    def check(self) -> None:
        """Raise StopRequested if a signal has come."""
        if self.signal_number is not None:
            raise StopRequested
