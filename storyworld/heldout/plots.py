"""Plots that the corpus does not have, told in its language.

Each has two who act, at least two attempts of which the order matters, and feelings that change.
"""

from __future__ import annotations

from storyworld.plots.registry import Plot
from storyworld.scenes import begin, finish, moments
from storyworld.tale import Tale


def _two(t: Tale) -> tuple[str, str]:
    """The hero and the friend, in random order."""
    return ("A", "B") if t.dice.chance(0.5) else ("B", "A")


def message_in_a_bottle(t: Tale) -> None:
    """Something drifts on the water; two try to reach it."""
    t.set_time("morning", "afternoon", "evening")
    t.set_sky("sunny", "windy", "cloudy")
    t.hero(fable=0.0, traits=("curious", "brave", "patient", "clever"))
    t.peer("B")
    place = t.somewhere("shore", "out")
    t.character("A").place = place
    t.made("X", t.pick(("bottle", "box", "basket", "barrel")), t.pick(("green", "small", "old")))
    t.world.place(t.object("X"), "out on the water")
    begin.opening(t, "{A} and {B.intro} walked {P.to}", "{A} met {B.intro} {P.in}")
    t.tell(
        "far out, {X.a} [drifted|bobbed] on the water.",
        "{A} [pointed|looked] at the water. there was {X.a}, and it [bobbed|drifted] up and down.",
    )
    t.want("A", "to get the {X.n} out of the water")
    t.problem("the {X.n} was too far out", "the wind had blown it away from the shore")
    t.feel("A", t.pick(("curious", "excited")), "something was inside {X}")
    t.talk("B", "what is in it?", "let's get it!", mood="excited")
    t.paragraph()
    first, second = _two(t)
    tries = t.dice.shuffled(
        [
            ("reached for the {X.n} with a stick", "reached for it with a stick"),
            ("threw a rope at the {X.n}", "threw a rope at it"),
            ("made waves with a branch", "made waves with a branch"),
            ("waded into the water", "waded into the water"),
        ]
    )
    for who, (done, words) in zip((first, second), tries, strict=False):
        t.attempt(f"{{{who}.name}} {done}")
        t.tell(
            f"{{{who}.name}} {words}, but {{X}} [drifted farther away|stayed out there].",
            f"<then> {{{who}.name}} {words}. it did not help.",
        )
    t.feel("A", t.pick(("sad", "disappointed", "angry")), "{X} went farther and farther away")
    t.paragraph()
    t.tell("<suddenly>, the wind turned, and a wave [carried|pushed] {X} to their feet.")
    finder = t.pick("AB")
    t.take(finder, "X")
    t.outcome(f"the wave brought the {{X.n}}, and {{{finder}.name}} picked it up")
    t.feel("A", t.pick(("happy", "surprised", "relieved")), "the wave had brought {X}", said=True)
    finish.ending(t, "inside there was [a drawing of a whale|a tiny flag|a letter from far away].")


def the_stopped_clock(t: Tale) -> None:
    """A clock does not go; two try to make it go again."""
    t.set_time("morning", "afternoon", "evening")
    t.set_sky("rainy", "cloudy", "foggy")
    t.hero(fable=0.0, traits=("clever", "patient", "curious", "careful"))
    t.peer("B")
    t.named_place("P", *t.pick((("the old tower", "in"), ("the station", "at"))))
    t.made("X", "clock", t.pick(("big", "old", "round", "brass")))
    t.world.place(t.object("X"), "on the wall")
    begin.opening(t, "{A} was {P.in} with {B.intro}", "{A} and {B.intro} waited {P.in}")
    t.tell("{X} on the wall had stopped. nobody knew [how late it was|when to go home].")
    t.want("A", "to make the {X.n} go again")
    t.problem("the {X.n} had stopped", "a pebble was stuck between its wheels")
    t.feel("A", t.pick(("worried", "sad", "bored")), "{X} did not go")
    t.paragraph()
    first, second = _two(t)
    tries = t.dice.shuffled(
        [
            "shook the weights",
            "turned the key",
            "blew the dust away",
            "moved the hands",
            "put oil on the wheels",
        ]
    )
    for who, done in zip((first, second), tries, strict=False):
        t.attempt(f"{{{who}.name}} {done}")
        t.tell(f"{{{who}.name}} {done}. [tick, said the clock, and no more|nothing moved].")
    t.feel("A", t.pick(("angry", "tired", "disappointed")), "nothing helped")
    t.talk("B", "listen! / Something rattles in there.", mood="curious")
    t.tell(
        "{B.name} put an ear to {X}. there was a pebble between the wheels, and {A} "
        "[pulled|picked] it out."
    )
    t.outcome("{A.name} pulled the pebble out")
    t.feel("A", t.pick(("proud", "happy", "relieved")), "{X} went tick, tock again", said=True)
    t.moral("it pays to listen before you act")
    finish.ending(t, "from the tower one could hear it all over town: tick, tock.")


def the_wrong_paint(t: Tale) -> None:
    """A gate gets the wrong color, and somebody likes it."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "cloudy")
    t.hero(fable=0.0, traits=("messy", "helpful", "cheerful", "careless"))
    t.peer("B")
    t.adult("C", "gardener")
    t.somewhere("green", "out", "town")
    t.made("X", t.pick(("gate", "bench", "fence", "shed")), t.pick(("gray", "old", "wooden")))
    t.world.place(t.object("X"), "in its place")
    begin.opening(
        t,
        "{C.name} asked {A} and {B.intro} to paint {X.a} {P.in}",
        "{A} and {B.intro} wanted to paint {X.a} {P.in} for {C.name}",
    )
    t.feel("A", t.pick(("excited", "happy", "proud")), "it was a job for big children")
    t.tell("but in the can there was pink paint, not [green|white] paint.")
    t.problem("the paint had the wrong color", "somebody had mixed up the cans")
    t.paragraph()
    first, second = _two(t)
    tries = t.dice.shuffled(
        [
            "stirred mud into the paint",
            "mixed in a cup of berries",
            "painted one stripe to see it dry",
            "looked for another can",
        ]
    )
    for who, done in zip((first, second), tries, strict=False):
        t.attempt(f"{{{who}.name}} {done}")
        t.tell(f"{{{who}.name}} {done}. it was still pink.", f"<then> {{{who}.name}} {done}.")
    t.feel("A", t.pick(("worried", "scared", "sorry")), "{X} was as pink as a pig", said=False)
    t.paragraph()
    t.tell("then {C.name} came back and looked at {X}. [for a long time|first] nobody spoke.")
    t.say("C", "pink! / That is the color of my grandmother's house.", how="laughed")
    t.outcome("{C.name} liked the pink {X.n}")
    t.feel("A", t.pick(("relieved", "surprised", "grateful")), "{C.name} liked {X}", said=False)
    finish.ending(t, "the next week, every {X.n} [in|on] the street was pink.")


def the_snapped_rope(t: Tale) -> None:
    """A swing breaks; what takes its place?"""
    t.set_time("morning", "afternoon", "evening")
    t.set_sky("sunny", "windy", "cloudy")
    t.hero(fable=0.0, traits=("brave", "funny", "stubborn", "clever"))
    t.peer("B")
    t.somewhere("green", "tree", "out")
    t.made("X", "swing", t.pick(("old", "big", "wooden")))
    t.made("Y", t.pick(("rope", "vine", "chain", "belt")), t.pick(("strong", "long", "thick")))
    t.world.place(t.object("X"), "on the branch")
    begin.opening(
        t,
        "{A} and {B.intro} hung {X.a} on a branch {P.in}",
        "{A} sat on {X.a} {P.in}, and {B.intro} pushed {A.him}",
    )
    t.feel("A", t.pick(("happy", "excited")), "{X} flew so high", said=False)
    t.tell("[crack|snap]! <suddenly> it broke, and {A} sat in the grass.")
    t.world.shatter(t.object("X"))
    t.problem("the {X.n} broke", "it was too old for two")
    t.feel("A", t.pick(("surprised", "scared", "sad")), "{X} was broken", said=False)
    t.paragraph()
    first, second = _two(t)
    tries = t.dice.shuffled(
        [
            "tied a knot",
            "glued the seat with honey",
            "held the two ends together",
            "wrapped leaves around the crack",
        ]
    )
    for who, done in zip((first, second), tries, strict=False):
        t.attempt(f"{{{who}.name}} {done}")
        t.tell(f"{{{who}.name}} {done}, but it [did not hold|came apart again].")
    bringer = t.pick("AB")
    t.tell(f"<at_last>, {{{bringer}.name}} came with {{Y.a}}. that was strong enough.")
    t.world.take(t.character(bringer), t.object("Y"))
    t.attempt(f"{{{bringer}.name}} brought the {{Y.n}}")
    t.world.mend(t.object("X"))
    t.outcome(f"{{{bringer}.name}} mended the {{X.n}} with the {{Y.n}}")
    t.feel("A", t.pick(("relieved", "grateful", "proud")), "{X} was whole again", said=True)
    finish.ending(t, "they took turns until [the stars came out|it was dark|supper].")


def the_empty_well(t: Tale) -> None:
    """There is no water; two look for the reason, and one waits for the rain."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny")
    t.hero(fable=1.0, on_foot=True, traits=("helpful", "patient", "curious", "brave"))
    t.peer("B")
    t.somewhere("out", "green")
    t.made("X", t.pick(("well", "trough", "tub")), t.pick(("deep", "old", "stone")))
    t.world.place(t.object("X"), "in the middle")
    begin.opening(
        t,
        "{A} and {B.intro} wanted to drink from {X.a} {P.in}",
        "{A} went to {X.a} {P.in} and met {B.intro} there",
    )
    t.tell("but {X} was empty. [not a drop was left|only dust was in it].")
    t.problem("the {X.n} was empty", "it had not rained for weeks")
    t.feel("A", t.pick(("worried", "sad", "scared")), "there was no water")
    t.paragraph()
    first, second = _two(t)
    tries = t.dice.shuffled(
        [
            "dug a hole under the thistles",
            "licked the dew from the leaves",
            "sang a song for the clouds",
            "carried a cup from the far side of the hill",
            "listened at the ground",
        ]
    )
    for who, done in zip((first, second), tries, strict=False):
        t.attempt(f"{{{who}.name}} {done}")
        t.tell(f"{{{who}.name}} {done}.", f"<then> {{{who}.name}} {done}.")
    t.feel("A", t.pick(("tired", "bored", "angry")), "it took so long")
    moments.think_it_over(t, "who needs water most?", "clouds come and go")
    t.paragraph()
    t.tell("<at_last> a gray cloud came over the hill, and it rained into {X} all night.")
    t.outcome("the rain filled the {X.n}")
    t.feel("A", t.pick(("happy", "grateful", "calm")), "{X} was full again", said=True)
    finish.ending(t, "everyone came to drink, and nobody pushed.")


def the_kite_trade(t: Tale) -> None:
    """Each has what the other one wants; both ask, and both are answered."""
    t.set_time("morning", "afternoon", "evening")
    t.set_sky("windy", "sunny")
    t.hero(fable=0.3, traits=("honest", "shy", "kind", "clever"))
    t.peer("B")
    t.somewhere("out", "away")
    t.thing("X", "treasure", owner="A")
    t.thing("Y", "fly", owner="B")
    begin.opening(
        t,
        "{A} showed {A.his} {X.fn} to {B.intro} {P.in}",
        "{A} sat {P.in} with {A.his} {X.fn}, and {B.intro} sat down too",
    )
    t.tell("{B.name} had {Y.a}. {A.name} could not stop looking at {Y.it}.")
    t.want("A", "to have the {Y.n}")
    t.problem("{A.name} wanted the {Y.n}", "it was the finest one of all")
    t.feel("A", t.pick(("jealous", "curious", "shy")), "{Y} was so fine")
    t.paragraph()
    first, second = _two(t)
    tries = t.dice.shuffled(
        ["offered a cookie", "told a joke", "drew a picture in the dust", "counted to a hundred"]
    )
    for who, done in zip((first, second), tries, strict=False):
        t.attempt(f"{{{who}.name}} {done}")
        t.tell(f"{{{who}.name}} {done}, and they both [laughed|waited|smiled].")
    t.say("B", "shall we trade? / My {Y.n} for your {X.n}.", mood="excited")
    t.world.swap(t.character("A"), t.object("X"), t.character("B"), t.object("Y"))
    t.tell("so {A} gave {X} away and took {Y} home.")
    t.outcome("{A.name} got the {Y.n}, and {B.name} got the {X.n}")
    t.feel("A", t.pick(("happy", "excited", "grateful")), "{Y} was {A.his} own now", said=True)
    finish.ending(t, "the next day, they lent each other everything.")


HELD_OUT_PLOTS: tuple[tuple[str, Plot], ...] = (
    ("message in a bottle", message_in_a_bottle),
    ("the stopped clock", the_stopped_clock),
    ("the wrong paint", the_wrong_paint),
    ("the snapped rope", the_snapped_rope),
    ("the empty well", the_empty_well),
    ("the kite trade", the_kite_trade),
)
