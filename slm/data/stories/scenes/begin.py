"""Beginnings: who the hero is, where and when the story starts, what it looks like there."""

from __future__ import annotations

from slm.data.stories.lexicon.kinds import TRAITS
from slm.data.stories.tale import Tale

_HOMES = (
    "in a [small|little|tall|cozy|old] [white|yellow|red|blue|brick|wooden|] house "
    "[near the sea|by the river|on a hill|at the end of [a quiet|a long|Apple|Maple|Rose] street|"
    "next to a [bakery|school|big garden|church]|near the woods|with a [green|red|blue] door]",
    "in a [small|busy|quiet|big|sleepy] [town|village] [by the sea|near the mountains|by the river|"
    "with narrow streets|where everyone knew everyone]",
    "on the [first|second|third|top] floor of a [tall|big|gray|brick] building [in the city|near the park|by the station]",
    "on a [small|big|green] farm [with {A.his} family|outside the town|near the hills]",
)
_FABLE_HOMES = {
    "forest": ("in [a|the] [big|green|deep|quiet|dark|great] [forest|wood]",
               "at the edge of [a|the] [green|old|quiet] forest", "under [an old oak|a tall pine] in the forest"),
    "meadow": ("in a [green|sunny|wide|flowery] meadow", "at the edge of a [sunny|wide|flowery] meadow"),
    "water": ("by a [quiet|blue|little|deep] [pond|lake|river]", "near a [slow|clear|wide] river"),
    "jungle": ("in a [hot|green|deep|noisy] jungle", "by a [wide|muddy|brown] river in the jungle"),
    "farm": ("on a [small|big|busy|happy|green] farm", "on [the|a] farm of an old [farmer|man|couple]"),
}  # fmt: skip


def opening(t: Tale, *days: str, about: str = "") -> None:
    """Introduce A, then begin the day: `days` are patterns that follow `One sunny morning, `.

    `about` may add a sentence that the plot needs before the day begins (the want, the thing).
    """
    hero = t.character("A")
    trait = hero.traits[0]
    t.word("HOME", t.pick(_FABLE_HOMES[t.land] if t.fable else _HOMES))
    day = t.pick(days)
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
            "{A.name} was a {A.trait} [little|young|] {A.kind} who [loved|liked] to <hobby>.".replace("<hobby>", "{A.hobby}"),
            "{A.name} was a [little|young|small] {A.kind}. {A.he} lived {HOME}, and {A.he} [loved|liked] to {A.hobby}.",
            "{A.name} was a {A.trait} {A.kind} who lived {HOME}.",
        )
        if t.likes("inner"):
            t.tell(*TRAIT_LINES[trait])
    elif shape < 0.64:
        t.tell(
            "{HOME} lived {A.intro}.",
            "there once was {A.intro} who [loved|liked] to {A.hobby}.",
            "once there was {A.intro} who lived {HOME}.",
            "long ago, {HOME}, there lived {A.intro}.",
            "this is the story of {A.intro}.",
            "everyone [in the town|on the street|at school] knew {A.intro}." if not t.fable
            else "everyone [around|nearby|there] knew {A.intro}.",
        )
        _character(t, trait)
    elif shape < 0.8:
        t.tell("it was {NOW.a}.", "it was {NOW.a}, and {SKYLINE}.")
        t.tell("{A.intro} [woke up early|had slept well|was ready for the day|looked around and smiled].")
        _character(t, trait)
        if about:
            t.tell(about)
        t.tell(day)
        return
    else:
        t.tell("{A.name} the {A.kind} was {A.trait}." if t.fable else "{A.name} was a {A.trait} {A.kind}.")
        t.tell(*TRAIT_LINES[trait])
        if t.maybe(0.5):
            t.tell("{A} lived {HOME}.", "most of all, {A} [loved|liked] to {A.hobby}.")
    if about:
        t.tell(about)
    t.paragraph()
    if t.maybe(0.25):
        t.tell("it was {NOW.a}, and {SKYLINE}.")
        t.tell(day)
    else:
        t.tell("{NOW.one}, " + day, "one day, " + day, "{NOW.one}, " + day)


def _character(t: Tale, trait: str) -> None:
    t.tell(
        f"{{A}} was [very|always|so] {trait} and [loved|liked] to {{A.hobby}}.",
        "{A} [loved|liked] to {A.hobby}[| and to {A.hobby}].",
        *TRAIT_LINES[trait],
    )


TRAIT_LINES = {
    trait: tuple(line.replace("{1", "{A") for line in lines) for trait, lines in TRAITS.items()
}

def look(t: Tale, place: str = "P") -> None:
    """What one sees at the place (only where it is true: dry weather, daylight or indoors)."""
    if not t.likes("detail"):
        return
    site = t.locale(place)
    world = t.world
    if not site.sights or (
        "in" not in site.tags and (world.hour in ("evening", "night") or world.sky not in ("sunny", "cloudy", "windy"))
    ):
        return
    sight = t.pick(site.sights)
    if ("light" in sight or "shone" in sight) and world.sky != "sunny":
        return
    if world.season == "winter" and "out" in site.tags:
        return
    t.tell(sight)
