"""The plot kinds, by name. A plot is a function that casts a tale and lets it happen."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from slm.data.stories.plots.registry import PLOTS, Plot

__all__ = ["Plot", "plots"]

_FAMILIES = (
    "things", "sharing", "friends", "family", "fears", "growing", "skills", "honesty", "fables",
    "creatures", "adventures", "wonders", "seasons",
)  # fmt: skip


@cache
def plots() -> tuple[tuple[str, Plot], ...]:
    """All plot kinds, in a fixed order (loaded at first use)."""
    for family in _FAMILIES:
        import_module(f"{__name__}.{family}")
    return tuple(PLOTS.items())
