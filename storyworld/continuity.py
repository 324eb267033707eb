"""Continuity: whether a text keeps its hero's name and pronouns, as every story of this world does.

The narrator introduces each character once, and uses a pronoun only near a mention of the one it
means. So two rules can be checked in any text that imitates these stories: a name belongs to a
character that was introduced, and `he` or `she` follows a mention of a character of that gender. A
text whose hero changes name or gender breaks one of them, unless it changes to another character
who is present: these rules cannot see that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from storyworld.casting import GRANDPARENTS, PARENTS
from storyworld.lexicon import names

REACH = 2
"""Sentences of narration between a pronoun and the last mention of whom it means."""

_PRONOUNS = {
    **dict.fromkeys(("he", "him", "his", "himself"), "m"),
    **dict.fromkeys(("she", "her", "hers", "herself"), "f"),
}
_TITLES = {"Mr": "m", "Mrs": "f", "Miss": "f", "Old": ""}
_RELATIVES = {
    name: gender
    for called in (PARENTS, GRANDPARENTS)
    for gender, group in called.items()
    for name in group
}
_MEN = "boy man father dad brother king prince uncle grandfather grandpa son rooster"
_WOMEN = "girl woman lady mother mom sister queen princess aunt grandmother grandma daughter hen"
_NOUNS = {**dict.fromkeys(_MEN.split(), "m"), **dict.fromkeys(_WOMEN.split(), "f")}
_INTRODUCING = frozenset(("named", "called", "friend", "sister", "brother", "is", "am"))
"""Words before a name that introduce it."""
_ALSO_WORDS = frozenset(
    ("Will", "Rose", "Grace", "Daisy", "Ivy", "Violet", "Holly", "June", "Penny")
)
"""Names of children that may begin a sentence as another word."""
_CHILDREN = {**dict.fromkeys(names.BOYS, "m"), **dict.fromkeys(names.GIRLS, "f")}
_NAMES = {**dict.fromkeys(names.ANIMAL_NAMES, ""), **_CHILDREN}
for _name in set(names.ANIMAL_NAMES) & set(_CHILDREN):
    _NAMES[_name] = ""
_PARTS = re.compile(r"[A-Z][a-z]+ Street|[A-Za-z]+(?:-[A-Za-z]+)*|[.!?]+|\"|\n")


@dataclass(frozen=True, slots=True)
class Continuity:
    """What a check found."""

    hero: str | None
    """The first name of the text; None: there is none."""
    faults: tuple[str, ...]
    """What does not fit, in the order of the text."""

    @property
    def kept(self) -> bool:
        """Whether the text has a hero and keeps name and pronouns to its end."""
        return self.hero is not None and not self.faults


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    sentence: int
    """Number of its sentence, of those that the narrator tells."""
    spoken: bool
    starts: bool
    """Whether it begins a sentence, so that its capital means nothing."""


def check_continuity(text: str) -> Continuity:
    """Check the names and the pronouns of a story."""
    words = list(_words(text))
    genders: dict[str, str] = {}
    last_seen: dict[str, int] = {}
    faults: list[str] = []
    hero: str | None = None
    for at, word in enumerate(words):
        before = words[at - 1].text if at else ""
        gender = _PRONOUNS.get(word.text.lower())
        if gender is not None:
            if not word.spoken and not _finds(gender, word.sentence, genders, last_seen):
                faults.append(f"{word.text} is nobody")
        elif word.text in _NOUNS or word.text in _RELATIVES or word.text in _TITLES:
            gender = _NOUNS.get(word.text) or _RELATIVES.get(word.text) or _TITLES.get(word.text)
        elif (
            before not in _TITLES
            and before not in _RELATIVES
            and (word.text in genders or _is_new_name(word, before, hero))
        ):
            name = word.text
            if name not in genders:
                gender, fault = _introduced(name, [w.text for w in words[max(0, at - 4) : at]])
                if hero is not None and fault is None and before not in _INTRODUCING:
                    fault = f"{name} was not introduced"
                hero = hero or name
                genders[name] = gender
                if fault is not None:
                    faults.append(fault)
            gender = genders[name]
            if not word.spoken:
                last_seen[name] = word.sentence
        if gender and not word.spoken:
            last_seen[gender] = word.sentence
    return Continuity(hero, tuple(faults))


def _words(text: str) -> Iterator[_Word]:
    sentence, spoken, starts, title = 0, False, True, False
    for found in _PARTS.finditer(text):
        part = found[0]
        if part == '"':
            spoken, starts = not spoken, True
        elif part == "\n":
            sentence, spoken, starts = sentence + (not starts), False, True
        elif part[0] in ".!?":
            if not title:
                sentence, starts = sentence + (not spoken), True
        else:
            yield _Word(part, sentence, spoken, starts)
            starts = False
        title = part in ("Mr", "Mrs")


def _is_new_name(word: _Word, before: str, hero: str | None) -> bool:
    text = word.text
    if before in ("named", "called") and text[0].isupper():
        return True
    if word.starts and hero is not None:
        return text in _CHILDREN and text not in _ALSO_WORDS
    return text in _NAMES


def _introduced(name: str, before: list[str]) -> tuple[str, str | None]:
    """The gender of a new name, "" if any, and what is wrong with it."""
    gender = _NAMES.get(name, "")
    said = next((_NOUNS[word] for word in reversed(before) if word in _NOUNS), "")
    if gender and said and gender != said and before[-1] in ("named", "called"):
        return said, f"{name} is not a name for a {before[-2]}"
    return gender or said, None


def _finds(gender: str, sentence: int, genders: dict[str, str], last_seen: dict[str, int]) -> bool:
    """Whether a pronoun follows a mention; it settles the gender of a name that fits any."""
    if last_seen.get(gender, -9) >= sentence - REACH:
        return True
    for name, known in genders.items():
        if not known and last_seen.get(name, -9) >= sentence - REACH:
            genders[name] = gender
            return True
    return False
