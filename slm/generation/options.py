"""How a text is continued: length, randomness, filters, seed and stop strings."""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from slm.errors import ConfigError

LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True)
class GenerationOptions:
    """What to do with a prompt.

    `stop` also takes a list of strings, or one string, and always holds a tuple.

    Raises:
        ConfigError: a value is out of its range.
    """

    max_new_tokens: int = 200
    """Tokens added at most, 1 to 1,048,576."""
    temperature: float = 0.8
    """Divides the logits; 0 always takes the likeliest token, 1 leaves the model's own odds."""
    top_k: int | None = 50
    """Sample among the k likeliest tokens only; 0 or none: among all."""
    top_p: float = 1.0
    """Sample among the likeliest tokens that together reach this probability; 1: among all."""
    min_p: float = 0.0
    """Drop tokens less likely than this share of the likeliest one's probability; 0: none."""
    repetition_penalty: float = 1.0
    """Makes tokens that are already in the text less likely; 1: no penalty."""
    seed: int | None = None
    """Equal seeds give equal texts; none: a fresh one, which the completion reports."""
    stop: tuple[str, ...] = ()
    """The text ends before the first of these strings."""
    samples: int = 1
    """Continuations of each prompt."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "stop", _stop_strings(self.stop))
        _check_integer("max_new_tokens", self.max_new_tokens, 1, 2**20)
        _check_number("temperature", self.temperature, 0.0, 100.0, "0 takes the likeliest token")
        if 0.0 < self.temperature < MIN_TEMPERATURE:
            raise ConfigError(
                f"temperature must be 0 or at least {MIN_TEMPERATURE}, found {self.temperature}",
                hint="0 takes the likeliest token",
            )
        if self.top_k is not None:
            _check_integer("top_k", self.top_k, 0, 2**24, "0 turns it off")
        _check_number("top_p", self.top_p, MIN_TOP_P, 1.0, "1 turns it off")
        _check_number("min_p", self.min_p, 0.0, 1.0, "0 turns it off")
        _check_number("repetition_penalty", self.repetition_penalty, 0.01, 100.0, "1 turns it off")
        if self.seed is not None:
            _check_integer("seed", self.seed, 0, LARGEST_SEED)
        _check_integer("samples", self.samples, 1, 2**20)

    def chosen_seed(self) -> int:
        """The seed, or a fresh random one, short enough to be typed."""
        return secrets.randbelow(2**31) if self.seed is None else self.seed


MIN_TEMPERATURE = 1e-4
"""Below this the division of the logits could leave float32's range."""

MIN_TOP_P = 1e-6


def _stop_strings(stop: Sequence[str]) -> tuple[str, ...]:
    strings = (stop,) if isinstance(stop, str) else tuple(stop)
    for string in strings:
        if not isinstance(string, str) or not string:
            raise ConfigError(
                f"stop must be strings of at least one character, found {string!r}",
                hint="leave it out to stop at the end of the story only",
            )
    return strings


def _check_integer(name: str, value: object, low: int, high: int, hint: str | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(
            f"{name} must be a whole number from {low} to {high}, found {value!r}", hint=hint
        )


def _check_number(
    name: str, value: object, low: float, high: float, hint: str | None = None
) -> None:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or not low <= value <= high
    ):
        raise ConfigError(f"{name} must be from {low:g} to {high:g}, found {value!r}", hint=hint)
