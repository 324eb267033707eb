"""Claims about a story, which its simulated world makes true or false."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from storyworld.facts import StoryFacts
from storyworld.referents import Character, Place, Thing
from storyworld.tale import Tale

HOURS = {
    "morning": "in the morning",
    "afternoon": "in the afternoon",
    "evening": "in the evening",
    "night": "at night",
}
PRONOUN_GENDER = {"he": "m", "she": "f"}


@dataclass(frozen=True, slots=True)
class Record:
    """A story and all that is known about it."""

    text: str
    facts: StoryFacts
    genders: dict[str, str]
    """`m` or `f` by the name of each named character of the text."""
    hero: str
    places: tuple[str, ...]
    """Those of the text, with their prepositions: `in the park`."""
    things: tuple[str, ...]
    """The nouns of the things in the text."""

    @classmethod
    def of(cls, tale: Tale) -> Record:
        """The record of a finished tale."""
        mentioned = [member for member in dict.fromkeys(tale.cast.values()) if member.is_mentioned]
        people = [who for who in mentioned if isinstance(who, Character) and who.proper]
        return cls(
            text=tale.text(),
            facts=tale.facts(),
            genders={who.name: who.gender for who in people if who.gender in "mf"},
            hero=tale.character("A").name,
            places=tuple(
                f"{place.prep} {place.name}" for place in mentioned if isinstance(place, Place)
            ),
            things=tuple(thing.noun.noun for thing in mentioned if isinstance(thing, Thing)),
        )

    def says(self, word: str) -> bool:
        """Whether the text has a word or phrase, in any case."""
        return re.search(rf"\b{re.escape(word)}\b", self.text, re.IGNORECASE) is not None


class Claim(NamedTuple):
    """Something that is true or false in a story.

    Attributes:
        kind: who, where, what, why, when, pronoun, order or feeling.
        parts: what it claims, as strings; their meaning depends on the kind (see `sentence_of`).
    """

    kind: str
    parts: tuple[str, ...]


def sentence_of(claim: Claim) -> str:
    """A claim as a sentence that could follow the story."""
    parts = claim.parts
    if claim.kind == "who":
        return f"It was {parts[0]} who {parts[1]}."
    if claim.kind == "where":
        return f"All of this happened {parts[0]}."
    if claim.kind == "what":
        return f"This was the story of the {parts[0]}."
    if claim.kind == "when":
        return f"It all began {HOURS[parts[0]]}."
    if claim.kind == "pronoun":
        return f"This is what {parts[0]} did, and this is how {parts[1]} felt."
    if claim.kind == "order":
        return f"First {parts[0]}, and then {parts[1]}."
    assert claim.kind in ("why", "feeling"), claim.kind
    return f"{parts[0]} was {parts[1]} because {parts[2]}."


def holds(record: Record, claim: Claim) -> bool:
    """Whether a claim is true of a story, by the events of its simulation."""
    facts, parts = record.facts, claim.parts
    if claim.kind == "who":
        return f"{parts[0]} {parts[1]}" in facts.attempts
    if claim.kind == "where":
        return parts[0] in record.places
    if claim.kind == "what":
        return parts[0] in record.things
    if claim.kind == "when":
        return parts[0] == facts.time
    if claim.kind == "pronoun":
        return record.genders.get(parts[0]) == PRONOUN_GENDER[parts[1]]
    if claim.kind == "order":
        first, second = (facts.attempts.index(part) for part in parts)
        return first < second
    return parts in {(felt.who, felt.feeling, felt.cause) for felt in facts.feelings}
