"""Which column or field of a table holds the text."""

from __future__ import annotations

from collections.abc import Iterable

TEXT_NAMES = ("text", "story")
EXPECTED = " or ".join(repr(name) for name in TEXT_NAMES)


def text_names(names: Iterable[str]) -> list[str]:
    """The names that mean the text, the best first; letters may be of any case."""
    names = list(names)
    found = []
    for wanted in TEXT_NAMES:
        same = [name for name in names if name.strip().lower() == wanted]
        found += sorted(same, key=lambda name: name != wanted)
    return found


def text_name(names: Iterable[str]) -> str | None:
    """The best name that means the text; None: there is none."""
    return next(iter(text_names(names)), None)
