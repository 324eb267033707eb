"""The register of plot kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from storyworld.tale import Tale

Plot: TypeAlias = Callable[[Tale], None]

PLOTS: dict[str, Plot] = {}


def plot(name: str) -> Callable[[Plot], Plot]:
    """Register a plot kind under its name."""

    def register(function: Plot) -> Plot:
        assert name not in PLOTS, name
        PLOTS[name] = function
        return function

    return register
