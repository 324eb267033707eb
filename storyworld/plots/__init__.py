"""The plot kinds, by name. A plot is a function that casts a tale and lets it happen."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from storyworld.plots.registry import PLOTS, Plot

__all__ = ["Plot", "plots"]

_FAMILIES = (
    "lost_things",
    "precious_things",
    "sharing",
    "swapping",
    "friends",
    "neighbors",
    "family",
    "kitchen",
    "home",
    "night",
    "outdoors",
    "courage",
    "learning",
    "making",
    "honesty",
    "pride",
    "wits",
    "fables",
    "animals",
    "nestlings",
    "journeys",
    "hideaways",
    "magic",
    "moon_and_stars",
    "seasons",
    "outings",
    "little_things",
    "small_wonders",
)


@cache
def plots() -> tuple[tuple[str, Plot], ...]:
    """All plot kinds, in a fixed order (loaded at first use)."""
    for family in _FAMILIES:
        import_module(f"{__name__}.{family}")
    return tuple(PLOTS.items())
