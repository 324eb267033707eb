"""Signals as requests to stop: finish the micro-batch, save, and end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import TypeVar

from slm.terminal.signals import SignalWatch, say_in_handler
from slm.training.trainer import StopRequested

Item = TypeVar("Item")


class StopSignals(SignalWatch):
    """During the block, a signal sets `signal_number`, which the work checks.

    Args:
        between_items: whether `watch` ends the work between two items; several processes all end it
            at the same step.
    """

    def __init__(self, *, between_items: bool = True) -> None:
        super().__init__()
        self._between_items = between_items
        self._at_work = False
        self._at_once = False

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        super().__exit__(kind, error, traceback)
        self.signal_number = None

    def first(self, number: int, frame: FrameType | None) -> None:
        say_in_handler(b"\nstopping after saving; another signal stops at once\n")
        if self._at_once:
            raise StopRequested

    def watch(self, items: Iterable[Item], *, at_once: bool = False) -> Iterable[Item]:
        """Pass items on until a stop is requested.

        Args:
            items: the items of work.
            at_once: whether a signal raises in the middle of an item, for long work without side
                effects, such as compiling.

        Raises:
            StopRequested: before the next item after a signal.
        """
        return self._watched(items, at_once) if self._between_items else items

    def _watched(self, items: Iterable[Item], at_once: bool) -> Iterator[Item]:
        for item in items:
            self.check()
            self._at_work, self._at_once = True, at_once
            yield item
            self._at_work = self._at_once = False

    def check(self) -> None:
        """Raise StopRequested if a signal was received."""
        if self.signal_number is not None:
            raise StopRequested

    @contextlib.contextmanager
    def excusing_errors(self) -> Iterator[None]:
        """Treat an error as a stop if a signal was received during an item of `watch`.

        Ctrl-C also ends a compiler that PyTorch has started, and PyTorch reports that as an error.

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
