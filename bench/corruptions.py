"""Corruptions of real stories, which a measure of stories must notice.

Used by `calibrate_stories.py`, for any real stories, and by `coherence.py`, for the built-in ones.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence

from slm.evals.stories.measures import REPEATED
from slm.evals.stories.reference import Reference
from slm.evals.stories.words import sentences_of
from storyworld.continuity import check_continuity

ENOUGH_SENTENCES = 6
OTHER_GENDER = {
    "he": "she",
    "she": "he",
    "him": "her",
    "his": "her",
    "her": "his",
    "hers": "his",
    "himself": "herself",
    "herself": "himself",
}
PRONOUN = re.compile(rf"\b(?:{'|'.join(OTHER_GENDER)})\b", re.IGNORECASE)


def middle_of(text: str) -> int:
    """The end of a sentence in the middle; 0 if there is none."""
    return text.find(". ", len(text) // 2) + 1


def with_renamed(text: str, name: str, other: str, start: int) -> str:
    """The text with another name from a position on."""
    return text[:start] + re.sub(rf"\b{name}\b", other, text[start:])


def with_flipped(text: str, pronouns: Iterable[re.Match[str]]) -> str:
    """The text with these matches of `PRONOUN` replaced by pronouns of the other gender."""
    parts, end = [], 0
    for pronoun in pronouns:
        other = OTHER_GENDER[pronoun[0].lower()]
        other = other.capitalize() if pronoun[0][0].isupper() else other
        parts += [text[end : pronoun.start()], other]
        end = pronoun.end()
    return "".join([*parts, text[end:]])


# -- stories of the built-in corpus, whose hero and narration are known ----------------------------


def hero_renamed(text: str, names: Sequence[str], rng: random.Random) -> str:
    """From the middle mention on, the hero has a name that nobody in the story has."""
    hero = check_continuity(text).hero
    mentions = list(re.finditer(rf"\b{hero}\b", text))
    if hero is None or len(mentions) < 2:
        return text
    other = rng.choice([name for name in names if name not in text])
    return with_renamed(text, hero, other, mentions[len(mentions) // 2].start())


def narration_flipped(text: str, first: int = 0, last: int | None = None) -> str:
    """The pronouns number `first` to before `last` of the narration have the other gender.

    Those in speech stay: they are not checked.
    """
    speech = [range(*found.span()) for found in re.finditer(r'"[^"]*"', text)]
    narrated = [
        pronoun
        for pronoun in PRONOUN.finditer(text)
        if not any(pronoun.start() in quote for quote in speech)
    ]
    return with_flipped(text, narrated[first:last])


# -- any stories: a damaged text, or None where there is nothing to damage -------------------------


def names_swapped(text: str, rng: random.Random, reference: Reference) -> str | None:
    """Two names of different gender change places in the second half."""
    names = {word for sentence in sentences_of(text) for word in sentence.words}
    names = {name for name in names if reference.is_name(name) and text.count(name) >= 3}
    men = sorted(name for name in names if reference.gender(name) == "m")
    women = sorted(name for name in names if reference.gender(name) == "f")
    if not men or not women:
        return None
    one, other = rng.choice(men), rng.choice(women)
    middle = middle_of(text)
    if middle <= 0 or one not in text[middle:] or other not in text[middle:]:
        return None
    swap = {one: other, other: one}
    pattern = re.compile(rf"\b({one}|{other})\b")
    return text[:middle] + pattern.sub(lambda found: swap[found[0]], text[middle:])


def stranger(text: str, rng: random.Random, reference: Reference) -> str | None:
    """From the middle on, somebody has another name, which nobody had before."""
    names = {word for sentence in sentences_of(text) for word in sentence.words}
    names = sorted(name for name in names if reference.is_name(name) and text.count(name) >= 3)
    middle = middle_of(text)
    inside = [name for name in names if re.search(rf"\b{name}\b", text[middle:])]
    pool = [name for name in ("Lily", "Tom", "Mia", "Ben", "Sara", "Max") if name not in text]
    if not inside or middle <= 0:
        return None
    return with_renamed(text, rng.choice(inside), rng.choice(pool), middle)


def pronouns_flipped(text: str, rng: random.Random, reference: Reference) -> str | None:
    """All pronouns of the second half have the other gender."""
    middle = middle_of(text)
    pronouns = list(PRONOUN.finditer(text, middle))
    return with_flipped(text, pronouns) if middle > 0 and len(pronouns) >= 3 else None


def sentences_shuffled(text: str, rng: random.Random, reference: Reference) -> str | None:
    sentences = [sentence.text for sentence in sentences_of(text)]
    if len(sentences) < ENOUGH_SENTENCES:
        return None
    rng.shuffle(sentences)
    return " ".join(sentences)


def sentence_repeated(text: str, rng: random.Random, reference: Reference) -> str | None:
    """A sentence of the second half comes twice."""
    given = text[: middle_of(text)]
    sentences = sentences_of(text[len(given) :])
    long_enough = [i for i, s in enumerate(sentences) if len(s.words) >= REPEATED]
    if not long_enough:
        return None
    index = rng.choice(long_enough)
    texts = [sentence.text for sentence in sentences]
    return " ".join([given, *texts[: index + 1], *texts[index:]])


def word_misspelled(text: str, rng: random.Random, reference: Reference) -> str | None:
    """A word of five letters or more in the second half loses a letter, or two change places."""
    begin = middle_of(text)
    found = [match for match in re.finditer(r"\b[a-z]{5,}\b", text) if match.start() > begin]
    if not found:
        return None
    match = rng.choice(found)
    word, at = match[0], rng.randrange(1, len(match[0]) - 2)
    broken = word[:at] + word[at + 1 :]
    if rng.random() < 0.5 and word[at] != word[at + 1]:
        broken = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return text[: match.start()] + broken + text[match.end() :]


def cut_inside(text: str, rng: random.Random, reference: Reference) -> str | None:
    """The end is cut off, inside a sentence."""
    words = text.split(" ")
    end = rng.randrange(len(words) // 2, len(words) - 2) if len(words) > 20 else 0
    while end and words[end - 1].rstrip("\"'\n")[-1:] in ".!?":
        end -= 1
    return " ".join(words[:end]) if end else None


def cut_between(text: str, rng: random.Random, reference: Reference) -> str | None:
    """The last third or more is cut off, between sentences."""
    sentences = [sentence.text for sentence in sentences_of(text)]
    if len(sentences) < ENOUGH_SENTENCES:
        return None
    return " ".join(sentences[: rng.randrange(len(sentences) // 3, len(sentences) * 2 // 3)])


Corruption = Callable[[str, random.Random, Reference], str | None]
CORRUPTIONS: dict[str, Corruption] = {
    "names swapped": names_swapped,
    "stranger": stranger,
    "pronouns flipped": pronouns_flipped,
    "sentences shuffled": sentences_shuffled,
    "sentence repeated": sentence_repeated,
    "word misspelled": word_misspelled,
    "cut inside": cut_inside,
    "cut between": cut_between,
}
