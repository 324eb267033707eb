"""What a text of stories says about words: which exist, who is he or she, what comes when.

Counts only, taken from the first stories of the training text: the measures compare a story with
them. Memory is bounded whatever the text.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from slm.evals.stories.cast import HE, SHE, CastCounts, mentions
from slm.evals.stories.words import Sentence, sentences_of

MOST_STORIES = 8_000
LONGEST_STORY = 20_000
"""Characters; what is longer is a book, whose beginning and end say nothing about stories."""
MOST_WORDS = 200_000
MOST_READ_AGAIN = 3_000
N_PARTS = 6
"""A story is divided into this many parts to count which words come when."""


FloatArray = npt.NDArray[np.float64]


class Reference:
    """Counts over stories.

    Args:
        stories: whole texts; only the first `MOST_STORIES` are read.
    """

    def __init__(self, stories: Iterable[str]) -> None:
        self.n_stories = 0
        self._small: Counter[str] = Counter()  # words as they are inside sentences
        self._capital: Counter[str] = Counter()  # those with a capital there
        self._genders: dict[str, list[int]] = {}
        self._parts: dict[str, FloatArray] = {}
        self._last: Counter[str] = Counter()
        self._earlier: Counter[str] = Counter()
        kept: list[tuple[Sentence, ...]] = []
        for text in itertools.islice(stories, MOST_STORIES):
            if len(text) <= LONGEST_STORY:
                sentences = sentences_of(text)
                self._read(sentences)
                if len(kept) < MOST_READ_AGAIN:
                    kept.append(sentences)
        self._part_totals = sum(self._parts.values(), np.zeros(N_PARTS)) + 1.0
        self._likely_names = {
            name
            for name, count in self._capital.items()
            if count >= 2 and count > 4 * self._small[name.lower()]
        }
        self.cast = CastCounts()
        for sentences in kept:  # once more, now that the names are known
            half = len(sentences) // 2
            for index, found in mentions(sentences, self.gender, self.is_name, half):
                if index >= half:
                    self.cast.add(found)

    def _read(self, sentences: Sequence[Sentence]) -> None:
        self.n_stories += 1
        for index, sentence in enumerate(sentences):
            part = index * N_PARTS // len(sentences)
            for word in set(sentence.lower):
                counts = self._parts.get(word)
                if counts is None:
                    if len(self._parts) >= MOST_WORDS:
                        continue
                    counts = self._parts[word] = np.zeros(N_PARTS)
                counts[part] += 1
            (self._last if index == len(sentences) - 1 else self._earlier).update(
                set(sentence.lower)
            )
            names = set()
            for word in sentence.words[1:]:
                if word[0].isupper() and word != "I" and not word.startswith("I'"):
                    names.add(word)
                    self._capital[word] += 1
                elif word[0].islower():
                    self._small[word] += 1
            first = sentence.words[0]
            if first in self._capital:
                names.add(first)
            if len(names) == 1 and len(self._genders) < MOST_WORDS:
                (name,) = names
                he_and_she = self._genders.setdefault(name, [0, 0])
                he_and_she[0] += any(word in HE for word in sentence.lower)
                he_and_she[1] += any(word in SHE for word in sentence.lower)

    def knows(self, word: str) -> bool:
        """Whether a word, in lower case, occurs more than once."""
        return self._small[word] >= 2 or self._capital[word.capitalize()] >= 2

    def is_name(self, word: str) -> bool:
        """Whether a word, as written, is a name: capital also inside sentences."""
        return word in self._likely_names

    def gender(self, name: str) -> str | None:
        """`m` or `f` of a name, if most sentences with it agree; None: unknown, or both."""
        he, she = self._genders.get(name, (0, 0))
        if he + she >= 3 and max(he, she) >= 0.75 * (he + she):
            return "m" if he > she else "f"
        return None

    def part_log_odds(self, sentence: Sentence) -> FloatArray:
        """ln P(words | part) of a sentence for each part, up to a constant: [N_PARTS]."""
        total = np.zeros(N_PARTS)
        for word in set(sentence.lower):
            counts = self._parts.get(word)
            if counts is not None and counts.sum() >= 5:
                rates = (counts + 1.0) / self._part_totals
                total += np.log(rates / rates.mean())
        return total

    def ending_log_odds(self, sentence: Sentence) -> float:
        """ln P(words | last sentence) - ln P(words | earlier sentence)."""
        if not self.n_stories:
            return 0.0
        n_last = sum(self._last.values()) + 1.0
        n_earlier = sum(self._earlier.values()) + 1.0
        total = 0.0
        for word in set(sentence.lower):
            last, earlier = self._last[word], self._earlier[word]
            if last + earlier >= 5:
                prior = n_last / (n_last + n_earlier) * 10
                total += math.log((last + prior) / n_last) - math.log(
                    (earlier + 10 - prior) / n_earlier
                )
        return total
