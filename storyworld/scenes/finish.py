"""Endings: what stays, what was learned, how the day closes."""

from __future__ import annotations

import re

from storyworld.referents import Character
from storyworld.tale import Tale

_SINCE = re.compile(r"From |After |Ever since ")
_SLEEP = re.compile(r"\b(?:asleep|slept|[Gg]ood night|went to (?:bed|sleep)|dreamed)\b")
# words of a story that tells of more than one day
_LONGER = re.compile(
    r"\b(?:days|weeks?|months?|years?|winter|next (?!to\b)|day after|twice a day|from then|"
    r"(?:every|each) (?:day|morning|afternoon|evening|night|time))\b",
    re.IGNORECASE,
)

_WITH_MORAL = (
    "{A} had learned that {MORAL}.",
    "that [day|is how] {A} learned that {MORAL}.",
    "and {A} [thought|knew in {A.his} heart|understood now]: {MORAL}.",
    "so, just like {A.name}, remember: {MORAL}.",
    "{A} would never forget that {MORAL}.",
    "if you ask {A.name} today, {A.he} will tell you that {MORAL}.",
    "and this is what [{A.name} learned that day|we can learn from {A.name}]: {MORAL}.",
)
_SAID_MORAL = ('"[Now I know|I see now|I have learned] that {MORAL}," {A} said.',)

_HAPPY = (
    "{A} could not wait for the next adventure.",
    "{A} [smiled|laughed] whenever {A.he} thought of it.",
    "and {A} [never forgot it|often thought of it|told the story again and again].",
)
_OF_THE_DAY = (
    "it [was|had been] [a wonderful|a perfect|a lovely|a very good] [day|day after all].",
    "{A} went to [sleep|bed] with a [smile|big smile|smile on {A.his} face] that night.",
    "what a day it had been!",
    "that night, {A} [dreamed|had a dream] of [{P}|it all|new adventures|the whole day].",
    "it was a day that {A} would [always remember|never forget].",
)
_ON_THE_WAY = ("{A} [smiled|hummed|sang|whistled] all the way home.",)
_OF_TWO = ("and they lived happily ever after.",)
_OF_MANY = ("everyone [was happy|laughed|went home happy].",)
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
    asleep = bool(_SLEEP.search(t.lately(4)))
    spoke = '"' in t.lately(1)
    if lesson:
        if not told_own or t.dice.chance(0.15 if full else 0.5):
            t.word("MORAL", lesson)
            told_since = told_own and _SINCE.match(t.lately(1))
            t.tell(
                *_WITH_MORAL,
                *(() if told_since else ("<from_then>, {A} [knew|remembered] that {MORAL}.",)),
                *(() if asleep or spoke else _SAID_MORAL),
            )
        else:
            t.unlearn()
    if (t.maybe(0.5) and not asleep) or not (told_own or t.lesson):
        t.tell(*(_happy_lines(t) if mood == "happy" else _SOFT))


def _happy_lines(t: Tale) -> tuple[str, ...]:
    """The closing lines that are true of this story: of its cast, place and span of time."""
    lines: tuple[str, ...] = _HAPPY
    if t.world.day == 1 and not _LONGER.search(t.lately(99)):
        lines += _OF_THE_DAY
        if t.locale().spots and "home" not in t.locale().tags:
            lines += _ON_THE_WAY
    company = sum(isinstance(member, Character) for member in set(t.cast.values()))
    if company >= 2:
        lines += _OF_TWO
    if company >= 4:
        lines += _OF_MANY
    return lines
