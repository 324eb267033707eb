"""Who is who: pronouns that fit the names before them, and names that are introduced.

What fits is counted in real stories. Each `he` or `she` of the narration has a context: the gender
of who was mentioned last, and where. In stories the pronoun agrees with it more or less often, by
context, and so does the pronoun of the other gender. The same holds for the word before a name: new
names come after `named` or `friend`, known ones begin sentences.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from slm.evals.stories.words import Sentence

HE = frozenset(("he", "him", "his", "himself"))
SHE = frozenset(("she", "her", "hers", "herself"))
MALE = frozenset(
    (
        *("boy", "man", "dad", "daddy", "papa", "father", "grandpa", "grandfather", "brother"),
        *("uncle", "king", "prince", "sir", "son", "husband", "mr", "gentleman", "granddad"),
    )
)
FEMALE = frozenset(
    (
        *("girl", "woman", "mom", "mommy", "mama", "mum", "mother", "grandma", "grandmother"),
        *("sister", "aunt", "queen", "princess", "lady", "daughter", "wife", "mrs", "miss", "ms"),
        *("granny", "nana"),
    )
)
OTHER = {"m": "f", "f": "m"}
_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\"")
START = "^"


class PronounContext(NamedTuple):
    """A pronoun of the narration, and what came before it.

    Attributes:
        gender: `m` or `f`: the pronoun.
        key: genders, relative to one of them, and the place in the sentence.
        agrees: whether the pronoun has the gender to which the others are relative.
    """

    gender: str
    key: tuple[object, ...]
    agrees: bool


class NameMention(NamedTuple):
    """The first or a later mention of a name.

    Attributes:
        before: the word before it, in lower case; `^` at the start of a sentence or of speech.
        is_first: whether the story did not have it before.
    """

    before: str
    is_first: bool


def mentions(
    sentences: Sequence[Sentence],
    gender_of_name: Callable[[str], str | None],
    is_name: Callable[[str], bool],
    n_given: int,
) -> Iterator[tuple[int, PronounContext | NameMention]]:
    """The pronouns and names of a story, with the number of the sentence.

    Args:
        sentences: the story.
        gender_of_name: `m`, `f` or None.
        is_name: whether a word, as written, is a name.
        n_given: number of first sentences in which pronouns are right and identify people.
    """
    cast: set[str] = set()  # genders so far
    given: Counter[str] = Counter()
    known: set[str] = set()
    subject = last = None  # of the sentences before
    for index, sentence in enumerate(sentences):
        in_speech = False
        here = first_here = spoken = None
        before = START
        for word in _TOKEN.findall(sentence.text):
            if word == '"':
                in_speech = not in_speech
                before = START
                continue
            plain = word.removesuffix("'s")
            lower = plain.lower()
            gender = None
            if is_name(plain):
                yield index, NameMention(before, plain not in known)
                known.add(plain)
                gender = gender_of_name(plain)
            elif lower in MALE or lower in FEMALE:
                gender = "m" if lower in MALE else "f"
            elif not in_speech and (lower in HE or lower in SHE):
                pronoun = "m" if lower in HE else "f"
                usual = given.most_common(1)[0][0] if given else None
                context = (here, first_here, subject, last, spoken, usual)
                pivot = next((one for one in context if one is not None), None)
                if pivot is not None:
                    key = (
                        *(None if one is None else one == pivot for one in context),
                        OTHER[pivot] in cast,
                        given[OTHER[pivot]] > 0,
                        before == START,
                    )
                    yield index, PronounContext(pronoun, key, pronoun == pivot)
                if index < n_given:
                    given[pronoun] += 1
            before = lower
            if gender is not None:
                cast.add(gender)
                if in_speech:
                    spoken = gender
                else:
                    here, first_here = gender, first_here or gender
        subject, last = first_here or subject, here or last


class CastCounts:
    """How pronouns and names go in real stories."""

    def __init__(self) -> None:
        self._agree: Counter[tuple[object, ...]] = Counter()
        self._disagree: Counter[tuple[object, ...]] = Counter()
        self._first: Counter[str] = Counter()
        self._later: Counter[str] = Counter()

    def add(self, found: PronounContext | NameMention) -> None:
        """Count a mention beyond the beginning, where everybody is new."""
        if isinstance(found, PronounContext):
            (self._agree if found.agrees else self._disagree)[found.key] += 1
        else:
            (self._first if found.is_first else self._later)[found.before] += 1

    def probability(self, found: PronounContext | NameMention) -> float | None:
        """The probability of a pronoun, or that a name is new here, in stories."""
        if isinstance(found, PronounContext):
            agree, disagree = self._agree[found.key], self._disagree[found.key]
            right = agree if found.agrees else disagree
            return (right + 0.5) / (agree + disagree + 1.0)
        if not found.is_first:
            return None
        share = self._first.total() / max(1, self._first.total() + self._later.total())
        first, later = self._first[found.before], self._later[found.before]
        return (first + 2 * share) / (first + later + 2)
