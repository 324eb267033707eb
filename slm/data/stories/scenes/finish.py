"""Endings: what stays, what was learned, how the day closes."""

from __future__ import annotations

from slm.data.stories.tale import Tale

_WITH_MORAL = (
    "{A} had learned that {MORAL}.",
    "<from_then>, {A} [knew|remembered|never forgot] that {MORAL}.",
    "that [day|is how] {A} learned that {MORAL}.",
    "and {A} [thought|knew in {A.his} heart|understood now]: {MORAL}.",
    '"[Now I know|I see now|I have learned] that {MORAL}," {A} said.',
    "so, just like {A.name}, remember: {MORAL}.",
    "{A} would never forget that {MORAL}.",
)

_HAPPY = (
    "and they [all |]lived happily ever after.",
    "it [was|had been] [the best|a wonderful|a perfect|a lovely|a very good] [day|day after all].",
    "{A} went to [sleep|bed] with a [smile|big smile|smile on {A.his} face] that night.",
    "everyone [was happy|laughed|went home happy].",
    "{A} [smiled|hummed|sang] all the way home.",
    "what a day it had been!",
    "{A} could not wait for [the next day|tomorrow|the next adventure].",
    "that night, {A} [dreamed|had a dream] of [{P}|it all|new adventures|the whole day].",
    "it was a day that {A} would [always remember|never forget].",
)
_SOFT = (
    "{A} was still a little sad, but {A.his} heart felt lighter.",
    "it was not the ending {A} had hoped for, but it was [a good|all right|still a good] day.",
    "some things [cannot be changed|do not come back], but [the memory stays|new days come].",
    "{A} looked up at the sky and took a deep breath. tomorrow would be a new day.",
    "and that was that. {A} was a little [wiser|older and wiser|sadder and wiser] than before.",
)


def ending(t: Tale, *own: str, mood: str = "happy") -> None:
    """Close the story: the plot's own last words, the moral if there is one, a closing line."""
    lesson = t.lesson
    full = t.written > t.style.length + 200
    told_own = bool(own) and t.dice.chance((0.5 if full else 0.75) if lesson else 0.85)
    if told_own:
        t.tell(*own)
    if lesson:
        if not told_own or t.dice.chance(0.15 if full else 0.5):
            t.word("MORAL", lesson)
            t.tell(*_WITH_MORAL)
        else:
            t.unlearn()
    if mood == "happy":
        if t.maybe(0.5) or not (told_own or t.lesson):
            t.tell(*_HAPPY)
    elif t.maybe(0.5) or not (told_own or t.lesson):
        t.tell(*_SOFT)
