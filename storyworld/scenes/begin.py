"""Beginnings: who the hero is, where and when the story starts, what it looks like there."""

from __future__ import annotations

from storyworld.lexicon.traits import TRAITS
from storyworld.tale import Tale

_HOMES = (
    "in a [small|little|tall|cozy|old] [white|yellow|red|blue|brick|wooden|] house "
    "[near the sea|by the river|on a hill|at the end of [Apple|Maple|Rose|Garden|Mill] Street|"
    "next to a [bakery|school|big garden|church]|near the woods|with a [green|red|blue] door]",
    "in a [small|busy|quiet|big|sleepy] [town|village] [by the sea|near the mountains|by the river|"
    "with narrow streets|where everyone knew everyone]",
    "on the [first|second|third|top] floor of a [tall|big|gray|brick] building [in the "
    "city|near the park|by the station]",
    "on a [small|big|green] farm [outside the town|near the hills|by the river]",
)
_FABLE_HOMES = {
    "forest": (
        "in [a|the] [big|green|deep|quiet|dark|great] [forest|wood]",
        "at the edge of [a|the] [green|old|quiet] forest",
        "under [an old oak|a tall pine] in the forest",
    ),
    "meadow": (
        "in a [green|sunny|wide|flowery] meadow",
        "at the edge of a [sunny|wide|flowery] meadow",
    ),
    "water": ("by a [quiet|blue|little|deep] [pond|lake|river]", "near a [slow|clear|wide] river"),
    "jungle": ("in a [hot|green|deep|noisy] jungle", "by a [wide|muddy|brown] river in the jungle"),
    "farm": (
        "on a [small|big|busy|happy|green] farm",
        "on the farm of an old [farmer|man|couple]",
    ),
}


def opening(t: Tale, *days: str, about: str = "") -> None:
    """Introduce A, then begin the day: `days` are patterns that follow `One sunny morning, `.

    `about` may add a sentence that the plot needs before the day begins (the want, the thing).
    """
    hero = t.character("A")
    trait = hero.traits[0]
    t.word("HOME", t.pick(_FABLE_HOMES[t.world.land] if t.fable else _HOMES))
    day = t.pick(days)
    outdoor = t.world.hour not in ("evening", "night") and t.world.sky in (
        "sunny",
        "cloudy",
        "windy",
    )
    shape = t.roll()
    if shape < 0.36:
        t.tell(
            "once upon a time, there was {A.intro}.",
            "once upon a time, there was {A.intro} who lived {HOME}.",
            "once upon a time, {HOME}, there lived {A.intro}.",
        )
        _character(t, trait)
    elif shape < 0.5:
        t.tell(
            "{A.name} was a {A.trait} [little|young|] {A.kind} who [loved|liked] to {A.hobby}.",
            "{A.name} was a [little|young|small] {A.kind}. {A.he} lived {HOME}, and {A.he} "
            "[loved|liked] to {A.hobby}.",
            "{A.name} was a {A.trait} {A.kind} who lived {HOME}.",
        )
        if t.likes("inner"):
            _trait_line(t, trait)
    elif shape < 0.64:
        t.tell(
            "{HOME} lived {A.intro}.",
            "there once was {A.intro} who [loved|liked] to {A.hobby}.",
            "once there was {A.intro} who lived {HOME}.",
            "long ago, {HOME}, there lived {A.intro}.",
            "this is the story of {A.intro}.",
            "everyone [in the town|on the street|at school] knew {A.intro}."
            if not t.fable
            else "everyone [around|nearby|there] knew {A.intro}.",
        )
        _trait_line(t, trait)
    elif shape < 0.8 and "woke" not in day and "sleep" not in day:
        t.tell(
            "it was {NOW.a}, and {SKYLINE}.",
            *(
                ("it was {NOW.a}. {SKYLINE}, and {AIR}.", "{AIR}, and {SKYLINE}. it was {NOW.a}.")
                if outdoor
                else ()
            ),
        )
        if t.world.hour == "morning":
            t.tell("{A.intro} [was up early|had slept well|was ready for the day|looked around].")
        elif t.world.hour in ("evening", "night"):
            t.tell("{A.intro} [looked around|was wide awake|looked up at the sky].")
        else:
            t.tell("{A.intro} [looked around|hummed a tune|was in a good mood].")
        _character(t, trait)
        if about:
            t.tell(about)
        t.tell(day)
        return
    else:
        t.tell(
            "{A.name} the {A.kind} was {A.trait}."
            if t.fable
            else "{A.name} was a {A.trait} {A.kind}."
        )
        _trait_line(t, trait)
        if t.maybe(0.5):
            t.tell("{A} lived {HOME}.", "most of all, {A} [loved|liked] to {A.hobby}.")
    if about:
        t.tell(about)
    t.paragraph()
    if t.maybe(0.25):
        t.tell(
            "it was {NOW.a}, and {SKYLINE}.",
            *(("it was {NOW.a}, and {AIR}.", "{SKYLINE}, and {AIR}.") if outdoor else ()),
        )
        t.tell(day)
    else:
        hour = t.world.hour if t.world.hour in ("evening", "night") else "day"
        starts = (
            "{NOW.one}, ",
            f"one {hour}, ",
            "{NOW.one}, when {AIR}, " if outdoor and " when " not in day else "{NOW.one}, ",
        )
        t.tell(t.pick(starts) + day)


def _character(t: Tale, trait: str) -> None:
    """A sentence on what the hero is like or likes to do."""
    if t.style.length < 500 and t.dice.chance(0.5):
        return
    roll = t.roll()
    if roll < 0.35 and not t.character("A").traits_mentioned:
        t.tell("{A} was [very|always] {A.trait} and [loved|liked] to {A.hobby}.")
    elif roll < 0.6:
        t.tell("{A} [loved|liked] to {A.hobby}.")
    else:
        _trait_line(t, trait)


def _trait_line(t: Tale, trait: str) -> None:
    t.character("A").traits_mentioned = True
    t.tell(*TRAIT_LINES[trait])


TRAIT_LINES = {
    trait: tuple(line.replace("{1.name}", "{A}").replace("{1", "{A") for line in lines)
    for trait, lines in TRAITS.items()
}


def look(t: Tale, place: str = "P") -> None:
    """What one sees at the place (only where it is true: dry weather, daylight or indoors)."""
    if not t.likes("detail"):
        return
    site = t.locale(place)
    world = t.world
    if not site.sights or (
        "in" not in site.tags
        and (world.hour in ("evening", "night") or world.sky not in ("sunny", "cloudy", "windy"))
    ):
        return
    sight = t.pick(site.sights)
    if ("light" in sight or "shone" in sight) and world.sky != "sunny":
        return
    if world.season == "winter" and "out" in site.tags:
        return
    t.tell(sight)
