"""Casting: the people, animals, things and places at the start of a story."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from storyworld.collection import FULL, Collection
from storyworld.dice import Dice
from storyworld.lexicon import kinds, names
from storyworld.lexicon.places import Site, sites
from storyworld.lexicon.things import FABLE_THINGS, THINGS, tagged
from storyworld.narrator import Narrator
from storyworld.referents import Character, Noun, Place, Plain, Thing, Words
from storyworld.world import World

_NICE = (
    "kind",
    "brave",
    "curious",
    "clever",
    "cheerful",
    "gentle",
    "helpful",
    "funny",
    "careful",
    "dreamy",
    "patient",
    "quiet",
    "messy",
    "honest",
    "shy",
    "stubborn",
)
PARENTS: dict[str, tuple[str, ...]] = {
    "f": ("Mom", "Mom", "Mommy", "Mama", "Mother"),
    "m": ("Dad", "Dad", "Daddy", "Papa", "Father"),
}
GRANDPARENTS: dict[str, tuple[str, ...]] = {
    "f": ("Grandma", "Grandma", "Granny", "Nana"),
    "m": ("Grandpa", "Grandpa", "Grandad"),
}


class Casting(Narrator):
    """Fills the cast. Keys by custom: A the hero, B the other one, M a parent, X a thing,
    P the place.
    """

    def __init__(self, dice: Dice, collection: Collection = FULL) -> None:
        super().__init__(dice)
        self.collection = collection
        season = dice.pick(("spring", "summer", "summer", "autumn"))
        self.world = World(season=season)
        self.fable = False
        self.on_foot = False
        self._taken: list[str] = []

    # --- characters ------------------------------------------------------------------------------

    def hero(
        self,
        *,
        fable: float = 0.4,
        traits: Sequence[str] = _NICE,
        species: Sequence[str] = (),
        on_foot: bool = False,
    ) -> Character:
        """A: a child, or (in a fable) a talking animal; `on_foot` if nobody in it may fly."""
        self.fable = self.dice.chance(fable) and self.collection.fables
        self.on_foot = on_foot
        noun: str | None = None
        if self.fable:
            noun = self.pick(species or (kinds.WALKERS if on_foot else kinds.ANIMALS))
            self.world.land = self.pick(kinds.SPECIES[noun].lands)
        hero = self.peer("A", noun=noun)
        hero.role = "hero"
        hero.traits.append(self.pick(traits))
        return hero

    def peer(
        self,
        key: str,
        *,
        noun: str | None = None,
        trait: str | None = None,
    ) -> Character:
        """Another child, or another animal of the same land."""
        present = [c.gender for c in self.cast.values() if isinstance(c, Character)]
        if len(present) == 1 and self.dice.chance(0.6):
            gender = "f" if present[0] == "m" else "m"
        else:
            gender = self.pick("mf")
        if self.fable:
            if noun is None:
                noun = self.pick(self.neighbours())
            kind = kinds.SPECIES[noun]
            who = Character(self._name(names.ANIMAL_NAMES), noun, gender, kind.words, "friend")
            who.family = "animal"
        else:
            pool = self._children(gender)
            kind_word = "girl" if gender == "f" else "boy"
            who = Character(self._name(pool), kind_word, gender, kinds.CHILD, "friend")
        if trait:
            who.traits.append(trait)
        self.cast[key] = who
        return who

    def neighbours(
        self,
        *,
        flies: bool | None = None,
        swims: bool | None = None,
        sizes: tuple[int, int] = (1, 5),
    ) -> list[str]:
        """Species of this land that are not in the story yet."""
        present = [c.kind for c in self.cast.values() if isinstance(c, Character)]
        if flies is None and self.on_foot:
            flies = False
        return [
            s.noun
            for s in kinds.SPECIES.values()
            if self.world.land in s.lands
            and s.noun not in present
            and sizes[0] <= s.size <= sizes[1]
            and flies in (None, s.flies)
            and swims in (None, s.swims)
        ]

    def beast(self, key: str, noun: str, *, gender: str = "it", bird: bool = False) -> Character:
        """An animal that does not talk and has no name."""
        words = kinds.BIRD_WORDS if bird else kinds.BEAST_WORDS
        who = Character(noun, noun, gender, words, "animal")
        who.family = "beast"
        self.cast[key] = who
        return who

    def parent(self, key: str = "M") -> Character:
        return self._elder_of_family(key, PARENTS, kinds.GROWN)

    def grandparent(self, key: str = "G") -> Character:
        return self._elder_of_family(key, GRANDPARENTS, kinds.OLD)

    def _elder_of_family(
        self, key: str, called: dict[str, tuple[str, ...]], words: Words
    ) -> Character:
        hero = self.character("A")
        gender = "f" if hero.gender == "m" else "m"
        if self.dice.chance(0.4):
            gender = hero.gender
        name = self.pick(called[gender])
        if self.fable:
            words = {**hero.words, "small": ("old",) if called is GRANDPARENTS else ("kind",)}
            if self.dice.chance(0.5):
                name = f"{name} {kinds.grown_noun(hero.kind, gender).capitalize()}"
        who = Character(name, "mother" if gender == "f" else "father", gender, words, "adult")
        if called is GRANDPARENTS:
            who.kind = "grand" + who.kind
        self.cast[key] = who
        return who

    def adult(self, key: str, job: str | None = None) -> Character:
        """A neighbour, teacher or shopkeeper; in a fable, a wise old animal."""
        gender = self.pick("mf")
        if self.fable:
            noun = self.pick(self.neighbours())
            title = "Mr." if gender == "m" else "Mrs."
            name = f"{self.pick(('Old', title))} {kinds.grown_noun(noun, gender).capitalize()}"
            who = Character(name, noun, gender, kinds.SPECIES[noun].words, "adult")
            who.family = "animal"
        else:
            title = "Mr." if gender == "m" else self.pick(("Mrs.", "Miss"))
            who = Character(
                f"{title} {self._name(self.collection.surnames)}",
                job or "neighbor",
                gender,
                kinds.GROWN,
                "adult",
            )
        self.cast[key] = who
        return who

    def sibling(self, key: str = "S", *, older: bool | None = None) -> Character:
        """A brother or sister of the hero."""
        hero = self.character("A")
        gender = self.pick("mf")
        age = "big" if (self.dice.chance(0.5) if older is None else older) else "little"
        if self.fable:
            who = Character(
                self._name(names.ANIMAL_NAMES), hero.kind, gender, hero.words, "sibling"
            )
            who.family = "animal"
        else:
            pool = self._children(gender)
            who = Character(
                self._name(pool), "girl" if gender == "f" else "boy", gender, hero.words, "sibling"
            )
        who.traits.append(age)
        self.cast[key] = who
        self.word("SIB", f"{age} {'sister' if gender == 'f' else 'brother'}")
        return who

    def _children(self, gender: str) -> tuple[str, ...]:
        return self.collection.girls if gender == "f" else self.collection.boys

    def _name(self, pool: Sequence[str]) -> str:
        while True:
            name = self.pick(pool)
            if name not in self._taken and not any(t[0] == name[0] for t in self._taken):
                self._taken.append(name)
                return name

    # --- things and places ------------------------------------------------------------------------

    def thing(self, key: str, tag: str, *, owner: str | None = None) -> Thing:
        """A thing with the tag, perhaps owned and held by somebody."""
        return self.noun_thing(key, self.pick(_tagged(self.fable, tag)), owner=owner)

    def noun_thing(self, key: str, noun: Noun, *, owner: str | None = None) -> Thing:
        looks = " ".join(self.wording(noun.looks).split())
        thing = Thing(noun, looks)
        self.cast[key] = thing
        if owner:
            self.world.own(self.character(owner), thing)
        return thing

    def made(
        self,
        key: str,
        noun: str,
        looks: str = "",
        *,
        owner: str | None = None,
        plural: bool = False,
    ) -> Thing:
        """A particular thing that a plot asks for."""
        return self.noun_thing(key, Noun(noun, looks, plural=plural), owner=owner)

    def somewhere(self, *tags: str, key: str = "P") -> Place:
        """A place with the tags, in the hero's land; the hero is not there yet."""
        used = [c.name for c in self.cast.values() if isinstance(c, Place)]
        found = [s for s in _sites(self.world.land, *tags) if s.name not in used]
        return self.at(self.pick(found), key=key)

    def at(self, site: Site, *, key: str = "P") -> Place:
        place = Place(site.name, site.prep, site.spots, site.sights, site.tags)
        self.cast[key] = place
        return place

    def at_hall(self) -> Place:
        """P: an indoor place with a stage."""
        name, prep = self.pick(
            (
                ("the school hall", "in"),
                ("the town hall", "in"),
                ("the little theater", "in"),
                ("the big tent", "in"),
                ("the music room", "in"),
            )
        )
        return self.named_place("P", name, prep)

    def named_place(self, key: str, name: str, prep: str) -> Place:
        """A place that only this plot knows, such as `the old bridge`."""
        place = Place(name, prep, (), (), frozenset(("out",)))
        self.cast[key] = place
        return place

    def word(self, key: str, text: str) -> None:
        """Bind a phrase, chosen now, so that the story can say it again."""
        self.cast[key] = Plain(self.wording(text))


@cache
def _tagged(fable: bool, tag: str) -> tuple[Noun, ...]:
    return tagged(FABLE_THINGS if fable else THINGS, tag)


@cache
def _sites(*tags: str) -> tuple[Site, ...]:
    return sites(*tags)
