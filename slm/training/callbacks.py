"""Dispatches the events of a run to callbacks and isolates their failures."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from slm.errors import SlmError
from slm.training.events import Callback


class CallbackList:
    """The callbacks of a run; each receives every event, even where one before it fails.

    Args:
        callbacks: in the order in which they are called.
        is_main: whether this process calls them; others do not.
    """

    def __init__(self, callbacks: Sequence[Callback], *, is_main: bool = True) -> None:
        self.callbacks = list(callbacks)
        self._is_main = is_main
        self._noted: set[str] = set()

    def emit(self, event: str, record: object, *, failed: bool = False) -> None:
        """Call one method of every callback.

        Args:
            event: the name of the method.
            record: its argument.
            failed: the run has already failed; failures here must not hide its reason.

        Raises:
            Exception: the first that a vital callback raised.
        """
        if not self._is_main:
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
        """Report something that a user should know."""
        self.emit("on_note", text)

    def _note_failure(self, failing: Callback, error: Exception) -> None:
        """Report a failure that does not end the run to the other callbacks, once."""
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
