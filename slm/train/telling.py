"""Telling those who listen to a run, and what becomes of their failures."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from slm.errors import SlmError
from slm.train.events import Callback


def tell(
    callbacks: Sequence[Callback], event: str, record: object, *, noted: set[str], failed: bool
) -> None:
    """Call one method of every callback; each hears of it, even where one before it fails.

    Args:
        callbacks: who listens.
        event: the name of the method.
        record: its argument.
        noted: failures that need not be told again; new ones are added.
        failed: the run has failed already, and no failure to say so may hide the reason.

    Raises:
        Exception: the first that a vital callback raised.
    """
    first: Exception | None = None
    for callback in callbacks:
        try:
            getattr(callback, event)(record)
        except Exception as error:
            if callback.is_vital and not failed:
                first = first or error
            else:
                _note(callbacks, callback, error, noted)
    if first is not None:
        raise first


def _note(
    callbacks: Sequence[Callback], failing: Callback, error: Exception, noted: set[str]
) -> None:
    reason = error.message if isinstance(error, SlmError) else f"{type(error).__name__}: {error}"
    text = f"{type(failing).__name__} failed: {reason}"
    if text in noted:
        return
    noted.add(text)
    for callback in callbacks:
        if callback is not failing:
            with contextlib.suppress(Exception):
                callback.on_note(text)
