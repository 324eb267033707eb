"""Where the wrong answers are collected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

WRITTEN: dict[tuple[str, str], Any] = {}
"""By the number of the exercise and the name of the wrong idea."""

REJECTED: dict[tuple[str, str], Any] = {}
"""By the number of the exercise and what is wrong."""


def written(number: str, name: str) -> Callable[[Any], Any]:
    """Adds a function to `WRITTEN`."""

    def add(answer: Any) -> Any:
        WRITTEN[number, name] = answer
        return answer

    return add


def rejected(number: str, what: str) -> Callable[[Any], Any]:
    """Adds a function to `REJECTED`."""

    def add(answer: Any) -> Any:
        REJECTED[number, what] = answer
        return answer

    return add
