"""Direct speech, with varied tags that fit the sentence and the speaker's mood."""

from __future__ import annotations

import re

from storyworld.grammar import PRONOUNS, capital
from storyworld.lexicon.feelings import FEELINGS
from storyworld.narrator import Narrator
from storyworld.referents import Character

_VERBS = {
    "?": ("asked",),
    "!": ("said", "cried", "called", "said", "exclaimed"),
    ".": ("said",),
}
_REPLIES = ("said", "said", "answered", "replied", "said")
_MANNERS: dict[str, tuple[str, ...]] = {
    "?": ("", "", "", "softly", "kindly", "quietly"),
    "!": ("", "", "", "with a big smile", "at once", "brightly"),
    ".": ("", "", "", "with a smile", "softly", "kindly", "in a warm voice", "with a nod"),
}
# the listener is already addressed
_CALLED = re.compile(
    r"\b(?:my (?:dears?|brave)|dear|sweetheart|darling|little one|friends?|everyone|children)\b"
)
_GRUFF = frozenset(("whispered", "sobbed", "sighed", "shouted", "growled", "begged", "laughed"))


def spoken(narrator: Narrator, who: Character, line: str, how: str | None, mood: str | None) -> str:
    """One turn of speech.

    In `line`, ` / ` marks a place where the tag may come in between. `how` is the verb of saying;
    left out, it follows from the end of the first sentence.
    """
    narrator.cast["?"] = who
    words = capital(narrator.quoted(line))
    first, _, rest = words.partition(" / ")
    first = _addressed(narrator, who, first, words)
    mark = first[-1] if first[-1] in _VERBS else "."
    midway = bool(rest) and first[-1] not in _VERBS  # the tag may interrupt a sentence
    roll = narrator.roll
    manner: str | None = None
    if how in ("asked", "said"):
        how = "asked" if mark == "?" else "said"
    if how is None:
        how = narrator.pick(_REPLIES if mark == "." and narrator.answering else _VERBS[mark])
        if mood is not None and roll() < 0.35:
            manner = narrator.pick(FEELINGS[mood].voice)
            if how not in ("asked", *_REPLIES):
                how = "said"  # nobody cries out quietly
        elif mood is None and how in ("said", "asked", "answered"):
            manner = narrator.pick(_MANNERS[mark])
    elif how not in _GRUFF and mood is not None and roll() < 0.25:
        manner = narrator.pick(FEELINGS[mood].voice)

    if rest and not midway:
        rest = capital(rest)
    whole = f"{first} {rest}" if rest else first
    shape = roll()
    if shape < 0.2 and how not in _GRUFF and first[0] != "{":
        name = who.wording("", narrator)
        return f'{name} {how}{_after_verb(manner, narrator)}, "{whole}"'
    if shape < 0.3 and mood is not None and not manner:
        beat = narrator.wording(narrator.pick(FEELINGS[mood].beats))
        return f'{beat} "{whole}"'
    if narrator.clear(who) and roll() < 0.7:
        who.note_mention(narrator)
        tag = f"{PRONOUNS[who.gender]['he']} {how}"
    else:
        name = who.wording("name" if who.proper and who.is_mentioned else "", narrator)
        tag = f"{name} {how}" if roll() < 0.45 else f"{how} {name}"
    tag += _after_verb(manner, narrator)
    asks_first = how == "asked" and whole[-1] != "?"
    if rest and (asks_first or roll() < 0.65):
        if midway:
            return f'"{first.rstrip(",")}," {tag}, "{rest}"'
        return f'"{_before_tag(first)}" {tag}. "{rest}"'
    return f'"{_before_tag(whole)}" {tag}.'


def _addressed(narrator: Narrator, who: Character, first: str, words: str) -> str:
    """The first sentence, now and then with the name of the one who is spoken to."""
    listener = narrator.speaker if narrator.answering else narrator.cast.get("A")
    if (
        listener is None
        or listener is who
        or not isinstance(listener, Character)
        or not (listener.proper and listener.is_mentioned)
        or who.stranger
        or listener.stranger
        or first[-1] not in _VERBS
        or listener.name in words
        or _CALLED.search(first)
        or narrator.roll() > 0.3
    ):
        return first
    return f"{first[:-1]}, {listener.name}{first[-1]}"


def _after_verb(manner: str | None, narrator: Narrator) -> str:
    if not manner:
        return ""
    words = narrator.wording(manner)
    return words if words[0] == "," else " " + words


def _before_tag(line: str) -> str:
    """A statement ends in a comma where its tag follows."""
    return line[:-1] + "," if line[-1] == "." else line
