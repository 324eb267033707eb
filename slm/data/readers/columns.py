"""Which column or field of a table holds the text."""

from __future__ import annotations

from collections.abc import Iterable

TEXT_NAMES = ("text", "story")
EXPECTED = " or ".join(repr(name) for name in TEXT_NAMES)


def text_name(names: Iterable[str]) -> str | None:
    """The name that means the text: the first of `text` and `story`, in any case of letters."""
    names = list(names)
    plain = [name.strip().lower() for name in names]
    for wanted in TEXT_NAMES:
        if wanted in names:
            return wanted
        if wanted in plain:
            return names[plain.index(wanted)]
    return None
