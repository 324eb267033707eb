"""Seeded randomness that is identical on every platform and Python version.

Only `random.Random(int).random()` is used: the only stream that Python promises not to
change. Choices, samples and shuffles are built on top of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def mix(value: int) -> int:
    """Scramble an integer into 64 bits (splitmix64, Steele et al. 2014)."""
    value = (value + _GOLDEN) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def mix_pair(seed: int, index: int) -> int:
    """One 64-bit number for (seed, index); neighbours share nothing."""
    return mix(mix(seed & _MASK) ^ mix((index & _MASK) ^ _GOLDEN))


class Dice:
    """A seeded source of decisions."""

    __slots__ = ("roll",)

    roll: Callable[[], float]

    def __init__(self, seed: int) -> None:
        self.roll = Random(seed).random

    def chance(self, probability: float) -> bool:
        return self.roll() < probability

    def below(self, n: int) -> int:
        """An integer in 0 .. n-1."""
        return int(self.roll() * n)

    def between(self, low: int, high: int) -> int:
        """An integer in low .. high, both included."""
        return low + int(self.roll() * (high - low + 1))

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self.roll() * len(options))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """A shuffled copy (Fisher-Yates)."""
        deck = list(items)
        for i in range(len(deck) - 1, 0, -1):
            j = int(self.roll() * (i + 1))
            deck[i], deck[j] = deck[j], deck[i]
        return deck

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """Up to `count` different items, in random order."""
        return self.shuffled(items)[:count]
