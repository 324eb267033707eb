"""Sentences for the user: a function that is called with each of them."""

from __future__ import annotations

from collections.abc import Callable

Log = Callable[[str], None]
"""Called with each sentence that a user should read."""


def silent(sentence: str) -> None:
    """A log that drops everything."""


def as_notes(log: Log) -> Log:
    """A log that marks each sentence as a note."""
    return lambda sentence: log(f"note: {sentence}")


def without_repeats(log: Log) -> Log:
    """A log that passes each sentence on once."""
    passed_on: set[str] = set()

    def log_once(sentence: str) -> None:
        if sentence not in passed_on:
            passed_on.add(sentence)
            log(sentence)

    return log_once
