"""Finds the column or field with the text."""

from __future__ import annotations

from collections.abc import Iterable

TEXT_NAMES = ("text", "story")
EXPECTED = " or ".join(repr(name) for name in TEXT_NAMES)


def text_names(names: Iterable[str]) -> list[str]:
    """The names of text columns, the best first, in any case."""
    names = list(names)
    found = []
    for known in TEXT_NAMES:
        same = [name for name in names if name.strip().lower() == known]
        found += sorted(same, key=lambda name: name != known)
    return found


def text_name(names: Iterable[str]) -> str | None:
    """The best name of a text column, or None."""
    return next(iter(text_names(names)), None)
