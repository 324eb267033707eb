"""Generation options: length, temperature, filters, seed and stop strings."""

from __future__ import annotations

import numbers
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, fields

from slm.errors import ConfigError, shown

LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True)
class GenerationOptions:
    """How to continue a prompt.

    `stop` accepts a string or a sequence of strings, and is stored as a tuple. Numbers may be those
    of NumPy, and are stored as Python's.

    Raises:
        ConfigError: a value is out of range.
    """

    max_new_tokens: int = 200
    """Maximum number of new tokens, 1 to 1,048,576."""
    temperature: float = 0.8
    """Divides the logits. 0 is greedy decoding, 1 samples from the unmodified distribution."""
    top_k: int | None = 50
    """Sample from the k most likely tokens; 0 or None: from all."""
    top_p: float = 1.0
    """Sample from the most likely tokens that together reach this probability; 1: from all."""
    min_p: float = 0.0
    """Drop tokens less likely than this fraction of the most likely one; 0: none."""
    repetition_penalty: float = 1.0
    """Values above 1 make tokens that are already in the text less likely; 1: no penalty."""
    seed: int | None = None
    """The same seed gives the same text; None: a random one, which the completion reports."""
    stop: tuple[str, ...] = ()
    """The continuation ends before the first of these strings."""
    samples: int = 1
    """Number of continuations of each prompt."""

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _as_python_number(getattr(self, field.name)))
        object.__setattr__(self, "stop", stop_strings(self.stop))
        _check_integer("max_new_tokens", self.max_new_tokens, 1, 2**20)
        _check_number("temperature", self.temperature, 0.0, 100.0, "0 takes the most likely token")
        if 0.0 < self.temperature < MIN_TEMPERATURE:
            raise ConfigError(
                f"temperature must be 0 or at least {MIN_TEMPERATURE}, found {self.temperature}",
                hint="0 takes the most likely token",
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
        """The seed, or a random one that is short enough to type."""
        return secrets.randbelow(2**31) if self.seed is None else self.seed


MIN_TEMPERATURE = 1e-4
"""Below this, dividing the logits could overflow float32."""

MIN_TOP_P = 1e-6


def stop_strings(stop: object) -> tuple[str, ...]:
    """One stop string, or several, as a tuple.

    Raises:
        ConfigError: it is something else, or a string is empty.
    """
    if isinstance(stop, str | bytes) or not isinstance(stop, Iterable):
        stop = (stop,)
    strings: list[str] = []
    for string in stop:
        if not isinstance(string, str) or not string:
            raise ConfigError(
                f"stop must be strings of at least one character, found {shown(string)}",
                hint="leave it out to stop at the end of the story only",
            )
        strings.append(string)
    return tuple(strings)


def require_text(name: str, text: object) -> str:
    """A text that is an argument.

    Args:
        name: of the argument.
        text: its value.

    Raises:
        ConfigError: it is something else.
    """
    if not isinstance(text, str):
        raise ConfigError(f"{name} must be a string, found {shown(text)}", hint=hint_for_text(text))
    return text


def hint_for_text(value: object) -> str:
    """What to do where a text is expected and something else was found."""
    if isinstance(value, bytes | bytearray):
        return 'decode it first, for example with .decode("utf-8")'
    return 'give a text, for example "Once upon a time"'


def _as_python_number(value: object) -> object:
    """A number of another library as one of Python; anything else unchanged."""
    if isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    return float(value) if isinstance(value, numbers.Real) else value


def _check_integer(name: str, value: object, low: int, high: int, hint: str | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(
            f"{name} must be an integer from {low} to {high}, found {shown(value)}", hint=hint
        )


def _check_number(
    name: str, value: object, low: float, high: float, hint: str | None = None
) -> None:
    # NaN is in no range.
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ConfigError(
            f"{name} must be from {low:g} to {high:g}, found {shown(value)}", hint=hint
        )
