"""Where the right answers are collected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SOLVED: dict[str, Any] = {}
"""By the number of the exercise."""


def solved(number: str) -> Callable[[Any], Any]:
    """Adds an answer to `SOLVED`."""

    def add(answer: Any) -> Any:
        SOLVED[number] = answer
        return answer

    return add
