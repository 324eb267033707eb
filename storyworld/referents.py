"""Everything that a pattern can mention, and its wordings.

Forms of a character: `{A}` subject, `{A.o}` object, `{A.s}` possessive: a name, or a pronoun where
it is unambiguous; `{A.he} {A.him} {A.his} {A.self}`: the pronoun where it is clear, otherwise
the name; `{A.name}`, `{A.a}` (a little fox), `{A.intro}` (a little fox called Rusty), `{A.kind}`;
any other form is a word of the character's own kind: `{A.walked}`, `{A.hands}`, `{A.home}`.
Forms of a thing: `{X}` the kite, `{X.a}` a big red kite, `{X.n}` kite, `{X.fn}` big red kite,
`{X.it}`, `{X.was}`. Forms of a place: `{P}` the park, `{P.in}` in the park, `{P.to}` to the park,
`{P.spot}` by the swings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storyworld.grammar import PRONOUNS, possessive

if TYPE_CHECKING:
    from storyworld.narrator import Narrator

Words = Mapping[str, Sequence[str]]


class Referent:
    """Somebody or something a story can mention."""

    __slots__ = ("gender", "is_mentioned", "seen")

    def __init__(self, gender: str = "it") -> None:
        self.gender = gender
        self.seen = -9  # the sentence of the last mention
        self.is_mentioned = False

    def wording(self, form: str, narrator: Narrator) -> str:
        """This referent in the given form, at this point of the telling."""
        raise NotImplementedError

    def note_mention(self, narrator: Narrator) -> None:
        """Note a mention in narration, so that later pronouns are clear."""
        self.is_mentioned = True
        if not narrator.quoting:
            narrator.note(self)


class Plain(Referent):
    """A phrase that is its own only form, such as `the old oak tree`."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def wording(self, form: str, narrator: Narrator) -> str:
        return self.text


class Character(Referent):
    """Somebody who acts."""

    __slots__ = (
        "family",
        "holding",
        "kind",
        "name",
        "place",
        "role",
        "stranger",
        "traits",
        "traits_mentioned",
        "want",
        "words",
    )

    def __init__(self, name: str, kind: str, gender: str, words: Words, role: str) -> None:
        super().__init__(gender)
        self.name = name
        self.kind = kind
        self.role = role
        self.words = words
        self.family = "human"
        self.traits: list[str] = []
        self.traits_mentioned = False
        self.stranger = False  # does not know the names of the others yet
        self.want: str | None = None
        self.place: Place | None = None
        self.holding: list[Thing] = []

    def wording(self, form: str, narrator: Narrator) -> str:
        if form in ("", "o", "s"):
            return self._smart(form, narrator)
        pronouns = PRONOUNS[self.gender]
        if form in pronouns:
            if (
                narrator.quoting
                or form == "self"
                or narrator.clear(self)
                or (form == "his" and narrator.subject is self)
            ):
                self.note_mention(narrator)
                return pronouns[form]
            return self._named("s" if form == "his" else "", narrator)
        if form == "name":
            self.note_mention(narrator)
            return self.name
        if form == "names":
            self.note_mention(narrator)
            return possessive(self.name)
        if form == "intro":
            return self._introduced(narrator)
        if form == "a":
            self.note_mention(narrator)
            return "a " + self._small(narrator)
        if form == "kind":
            return self.kind
        if form == "trait":
            self.traits_mentioned = True
            return self.traits[0]
        return narrator.wording(narrator.pick(self.words[form]))

    def _smart(self, form: str, narrator: Narrator) -> str:
        """A pronoun where it is clear and sounds well, else the name."""
        if not narrator.quoting and narrator.clear(self):
            same_sentence = self.seen == narrator.sentence
            if same_sentence or narrator.roll() < 0.72:
                self.note_mention(narrator)
                return PRONOUNS[self.gender][{"": "he", "o": "him", "s": "his"}[form]]
        return self._named(form, narrator)

    def _named(self, form: str, narrator: Narrator) -> str:
        name = self.name
        known = self.is_mentioned
        if (
            not known
            and self.role == "friend"
            and not narrator.quoting
            and narrator.cast.get("A") is not self
        ):
            hero = narrator.character("A").wording("his", narrator)
            self.note_mention(narrator)
            return f"{hero} friend {possessive(name) if form == 's' else name}"
        self.note_mention(narrator)
        if known and not narrator.quoting and self.role != "adult":
            roll = narrator.roll()
            if roll < 0.07 and narrator.only_one(self):
                name = f"the {narrator.pick(self.words['small'])} {self.kind}"
            elif roll < 0.13 and narrator.only_one(self):
                name = f"the {self.kind}"
        return possessive(name) if form == "s" else name

    def _introduced(self, narrator: Narrator) -> str:
        self.note_mention(narrator)
        if not self.proper:
            return "a " + self._small(narrator)
        if self.role == "adult":
            return self.name
        called = narrator.pick(("named", "named", "called"))
        small = narrator.pick(("", narrator.pick(self.words["small"]) + " "))
        trait = ""
        if self.traits and self.role != "sibling" and narrator.roll() < 0.35:
            trait = self.traits[0] + " "
            self.traits_mentioned = True
        return f"a {trait}{small}{self.kind} {called} {self.name}"

    def _small(self, narrator: Narrator) -> str:
        """The kind with a word for its size, unless it says its size already."""
        if self.kind.startswith(("little", "baby", "tiny")):
            return self.kind
        return f"{narrator.pick(self.words['small'])} {self.kind}"

    @property
    def proper(self) -> bool:
        """Whether the character has a name of its own."""
        return self.name[:1].isupper()


@dataclass(frozen=True, slots=True)
class Noun:
    """A kind of thing, from the lexicon."""

    noun: str
    looks: str  # a pattern of fitting adjectives
    tags: frozenset[str] = frozenset()
    plural: bool = False


class Thing(Referent):
    """An object: it can be held, lost, found, given, broken, mended and eaten."""

    __slots__ = ("adjectives", "holder", "noun", "owner", "spot", "state")

    def __init__(self, noun: Noun, adjectives: str) -> None:
        super().__init__("they" if noun.plural else "it")
        self.noun = noun
        self.adjectives = adjectives
        self.holder: Character | None = None
        self.owner: Character | None = None
        self.spot: str | None = None
        self.state = "whole"

    def wording(self, form: str, narrator: Narrator) -> str:
        noun = self.noun.noun
        if form == "n":
            self.note_mention(narrator)
            return noun
        if form in ("it", "he"):
            if narrator.quoting or narrator.clear(self):
                self.note_mention(narrator)
                return PRONOUNS[self.gender]["him" if form == "it" else "he"]
            form = ""
        if form == "":
            self.note_mention(narrator)
            if self.adjectives and narrator.roll() < 0.2:
                return f"the {self.adjectives.split()[-1]} {noun}"
            return f"the {noun}"
        if form in ("a", "fn"):
            self.note_mention(narrator)
            full = f"{self.adjectives} {noun}" if self.adjectives else noun
            return full if form == "fn" or self.noun.plural else f"a {full}"
        if form == "was":
            return "were" if self.noun.plural else "was"
        if form == "is":
            return "are" if self.noun.plural else "is"
        if form == "s":
            return "" if self.noun.plural else "s"
        if form == "this":
            self.note_mention(narrator)
            return f"these {noun}" if self.noun.plural else f"this {noun}"
        raise ValueError(f"a thing has no form {form!r}")


class Place(Referent):
    """Somewhere: with spots to hide in, things to see and sounds to hear."""

    __slots__ = ("name", "prep", "sights", "spots", "tags")

    def __init__(
        self,
        name: str,
        prep: str,
        spots: Sequence[str],
        sights: Sequence[str],
        tags: frozenset[str],
    ) -> None:
        super().__init__("place")
        self.name = name
        self.prep = prep
        self.spots = spots
        self.sights = sights
        self.tags = tags

    def wording(self, form: str, narrator: Narrator) -> str:
        if form == "spot":
            return narrator.wording(narrator.pick(self.spots))
        if form == "sight":
            return narrator.wording(narrator.pick(self.sights))
        self.is_mentioned = True
        if form == "in":
            return f"{self.prep} {self.name}"
        if form == "to":
            return f"to {self.name}"
        return self.name
