"""Hashes of word sequences, which show whether two texts share a stretch of words."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

MOST_SPELLINGS = 500_000
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)

Hashes = npt.NDArray[np.uint64]


class Shingles:
    """Hashes of every `n` words in a row; they do not depend on the process.

    Args:
        n: words in a row.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self._word_hashes: dict[str, int] = {}

    def hashes(self, words: Sequence[str]) -> Hashes:
        """The hash of each `n` words in a row, in order; fewer words have none."""
        if len(words) < self.n:
            return np.empty(0, np.uint64)
        known = self._word_hashes
        numbers = []
        for word in words:
            number = known.get(word)
            if number is None:
                number = zlib.crc32(word.encode("utf-8", "surrogatepass"))
                if len(known) < MOST_SPELLINGS:
                    known[word] = number
            numbers.append(number)
        each = np.array(numbers, dtype=np.uint64) + np.uint64(1)
        count = len(words) - self.n + 1
        total = np.zeros(count, dtype=np.uint64)
        for offset in range(self.n):
            total = (total ^ each[offset : offset + count]) * _MULTIPLIER
            total ^= total >> np.uint64(29)
        return total
