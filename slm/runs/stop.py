"""Ctrl-C and its kin as a polite request: finish the micro-batch, save, and exit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from types import FrameType, TracebackType
from typing import TypeVar

from slm.signals import SignalWatch, say_in_handler

Item = TypeVar("Item")


class StopRequested(BaseException):
    """Raised between two micro-batches where a stop was requested; caught by the trainer."""


class StopSignals(SignalWatch):
    """While the block runs, a signal sets `signal_number`, which the work looks at now and then."""

    def __init__(self) -> None:
        super().__init__()
        self._at_work = False
        self._at_once = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, traceback)
        self.signal_number = None

    def first(self, number: int, frame: FrameType | None) -> None:
        say_in_handler(b"\nstopping: the work is saved first; once more stops at once\n")
        if self._at_once:
            raise StopRequested

    def watch(self, items: Iterable[Item], *, at_once: bool = False) -> Iterator[Item]:
        """Pass items on until a stop is requested.

        Args:
            items: what is worked on.
            at_once: while an item is worked on, a signal raises right there: for work that takes
                long and leaves nothing half done, such as compiling.

        Raises:
            StopRequested: before the next item, once a signal has come.
        """
        for item in items:
            self.check()
            self._at_work, self._at_once = True, at_once
            yield item
            self._at_work = self._at_once = False

    def check(self) -> None:
        """Raise StopRequested if a signal has come."""
        if self.signal_number is not None:
            raise StopRequested

    @contextlib.contextmanager
    def excusing_errors(self) -> Iterator[None]:
        """Take an error for a stop where a signal came while an item of `watch` was worked on.

        A Ctrl-C goes to the compiler that PyTorch has started, too, and PyTorch reports its end.

        Raises:
            StopRequested: instead of such an error.
        """
        try:
            yield
        except Exception as error:
            if self._at_work and self.signal_number is not None:
                raise StopRequested from error
            raise
        finally:
            self._at_work = self._at_once = False
