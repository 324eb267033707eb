"""Telling those who listen to a run, and what becomes of their failures."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from slm.errors import SlmError
from slm.runtime import Process
from slm.training.events import Callback


class Listeners:
    """Those who listen to a run; each hears of everything, even where one before it fails.

    Args:
        callbacks: in the order in which they hear of it.
        process: only the main one has anything to tell.
    """

    def __init__(self, callbacks: Sequence[Callback], process: Process) -> None:
        self.callbacks = list(callbacks)
        self._process = process
        self._noted: set[str] = set()

    def tell(self, event: str, record: object, *, failed: bool = False) -> None:
        """Call one method of every callback.

        Args:
            event: the name of the method.
            record: its argument.
            failed: the run has failed already, and no failure to say so may hide the reason.

        Raises:
            Exception: the first that a vital callback raised.
        """
        if not self._process.is_main:
            return
        first: Exception | None = None
        for callback in self.callbacks:
            try:
                getattr(callback, event)(record)
            except Exception as error:
                if callback.is_vital and not failed:
                    first = first or error
                else:
                    self._note_failure(callback, error)
        if first is not None:
            raise first

    def note(self, text: str) -> None:
        """Tell what a user should know."""
        self.tell("on_note", text)

    def _note_failure(self, failing: Callback, error: Exception) -> None:
        """Tell the others of a failure that does not count, once."""
        reason = (
            error.message if isinstance(error, SlmError) else f"{type(error).__name__}: {error}"
        )
        text = f"{type(failing).__name__} failed: {reason}"
        if text in self._noted:
            return
        self._noted.add(text)
        for callback in self.callbacks:
            if callback is not failing:
                with contextlib.suppress(Exception):
                    callback.on_note(text)
