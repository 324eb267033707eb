"""Novelty: how much of a story is word for word in the training text.

An index of all sequences of eight words of the training text, as hashes in sorted arrays. It is
bounded: the first 16 million words are indexed, which takes up to 200 MB, and the result says how
much of the text that was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from slm.data.shingles import Hashes, Shingles
from slm.evals.stories.words import Story

N = 8
MOST_WORDS = 16_000_000


@dataclass(frozen=True)
class Copied:
    """What a text shares with the index."""

    share: float
    """Share of its sequences of eight words that are in the training text, 0 to 1."""
    longest: int
    """Words of the longest stretch of which every eight words in a row are."""
    nearest: int | None
    """The number of the training story with the most of them; None: no sequence is shared."""


class NoveltyIndex:
    """The sequences of eight words of a training text.

    Args:
        stories: whole texts.
    """

    def __init__(self, stories: Iterable[str]) -> None:
        self._shingles = Shingles(N)
        self.n_stories = self.n_words = 0
        self.is_complete = True
        parts: list[Hashes] = []
        numbers: list[npt.NDArray[np.uint32]] = []
        for text in stories:
            if self.n_words >= MOST_WORDS:
                self.is_complete = False
                break
            hashes = self._shingles.hashes(Story(text).words)
            parts.append(hashes)
            numbers.append(np.full(len(hashes), self.n_stories, dtype=np.uint32))
            self.n_stories += 1
            self.n_words += len(hashes) + N - 1
        joined = np.concatenate(parts) if parts else np.empty(0, np.uint64)
        order = np.argsort(joined, kind="stable")
        self._sorted = joined[order]
        self._stories = np.concatenate(numbers)[order] if numbers else np.empty(0, np.uint32)

    def copied(self, words: Sequence[str]) -> Copied:
        """What words in lower case share with the training text."""
        hashes = self._shingles.hashes(words)
        if not len(hashes):
            return Copied(0.0, 0, None)
        begin = np.searchsorted(self._sorted, hashes, side="left")
        end = np.searchsorted(self._sorted, hashes, side="right")
        hit = end > begin
        longest = run = 0
        for is_hit in hit.tolist():
            run = run + 1 if is_hit else 0
            longest = max(longest, run)
        nearest: int | None = None
        if hit.any():
            # A phrase of thousands of stories says little: the first hundred are enough.
            places = [
                self._stories[first : min(last, first + 100)]
                for first, last in zip(begin[hit], end[hit], strict=True)
            ]
            nearest = int(np.bincount(np.concatenate(places)).argmax())
        return Copied(float(hit.mean()), longest + N - 1 if longest else 0, nearest)
