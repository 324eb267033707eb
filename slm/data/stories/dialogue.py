"""Direct speech, with varied tags that fit the sentence and the speaker's mood."""

from __future__ import annotations

from slm.data.stories.grammar import PRONOUNS, capital
from slm.data.stories.lexicon.feelings import FEELINGS
from slm.data.stories.narrator import Narrator
from slm.data.stories.referents import Character

_VERBS = {
    "?": ("asked", "asked", "asked", "wondered", "said"),
    "!": ("said", "cried", "called", "said", "shouted", "exclaimed"),
    ".": ("said", "said", "said", "answered", "replied", "said"),
}
_MANNERS: dict[str, tuple[str, ...]] = {
    "?": ("", "", "", "softly", "kindly", "quietly"),
    "!": ("", "", "", "with a big smile", "at once", "in a loud voice"),
    ".": ("", "", "", "with a smile", "softly", "kindly", "in a warm voice", "with a nod"),
}
_GRUFF = frozenset(("whispered", "sobbed", "sighed", "shouted", "growled", "begged", "laughed"))


def spoken(teller: Narrator, who: Character, line: str, how: str | None, mood: str | None) -> str:
    """One turn of speech.

    In `line`, ` / ` marks a place where the tag may come in between. `how` is the verb of saying;
    left out, it follows from the end of the first sentence.
    """
    teller.cast["?"] = who
    words = capital(teller.quoted(line))
    first, _, rest = words.partition(" / ")
    mark = first[-1]
    roll = teller.roll
    manner: str | None = None
    if how is None:
        how = teller.pick(_VERBS[mark])
        if mood is not None and roll() < 0.35:
            manner = teller.pick(FEELINGS[mood].voice)
        elif mood is None and how in ("said", "asked", "answered"):
            manner = teller.pick(_MANNERS[mark])
    elif how not in _GRUFF and mood is not None and roll() < 0.25:
        manner = teller.pick(FEELINGS[mood].voice)

    whole = f"{first} {capital(rest)}" if rest else first
    shape = roll()
    if shape < 0.2 and how not in _GRUFF and first[0] != "{":
        name = who.told("", teller)
        return f'{name} {how}{_after_verb(manner, teller)}, "{whole}"'
    if shape < 0.3 and mood is not None and not manner:
        beat = teller.wording(teller.pick(FEELINGS[mood].beats))
        return f'{beat} "{whole}"'
    if teller.clear(who) and roll() < 0.7:
        who.mentioned(teller)
        tag = f"{PRONOUNS[who.gender]['he']} {how}"
    else:
        name = who.told("name" if who.proper else "", teller)
        tag = f"{name} {how}" if roll() < 0.45 else f"{how} {name}"
    tag += _after_verb(manner, teller)
    if rest and roll() < 0.65:
        return f'"{_before_tag(first)}" {tag}. "{capital(rest)}"'
    return f'"{_before_tag(whole)}" {tag}.'


def _after_verb(manner: str | None, teller: Narrator) -> str:
    return " " + teller.wording(manner) if manner else ""


def _before_tag(line: str) -> str:
    """A statement ends in a comma where its tag follows."""
    return line[:-1] + "," if line[-1] == "." else line
