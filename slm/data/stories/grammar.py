"""Surface rules of written English that need no meaning: a/an, capitals, plurals, lists."""

from __future__ import annotations

import re
from collections.abc import Sequence

_BEFORE_VOWEL = re.compile(r"\b([Aa]) (?=[aeioAEIO]|u(?!ni|se)|hour|honest)(?!one\b|once\b|eu)")
_SENTENCE_START = re.compile(r"((?:^|[.!?]) |^)([a-z])", re.MULTILINE)

PRONOUNS: dict[str, dict[str, str]] = {
    "m": {"he": "he", "him": "him", "his": "his", "self": "himself", "own": "his"},
    "f": {"he": "she", "him": "her", "his": "her", "self": "herself", "own": "her"},
    "it": {"he": "it", "him": "it", "his": "its", "self": "itself", "own": "its"},
    "they": {"he": "they", "him": "them", "his": "their", "self": "themselves", "own": "their"},
}


def polish(text: str) -> str:
    """Turn `a` into `an` before vowel sounds, and begin sentences with capitals."""
    text = _BEFORE_VOWEL.sub(r"\1n ", text)
    return _SENTENCE_START.sub(lambda found: found[1] + found[2].upper(), text)


def capital(text: str) -> str:
    """The text with a capital first letter, also behind an opening quote mark."""
    if text[0] == '"':
        return '"' + text[1].upper() + text[2:]
    return text[0].upper() + text[1:]


def plural(noun: str) -> str:
    """Regular English plurals: enough for the nouns of the lexicon."""
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    if noun.endswith("fe"):
        return noun[:-2] + "ves"
    return noun + "s"


def possessive(name: str) -> str:
    return name + "'" if name.endswith("s") else name + "'s"


def listed(items: Sequence[str]) -> str:
    """`a, b and c`."""
    if len(items) < 2:
        return "".join(items)
    return ", ".join(items[:-1]) + " and " + items[-1]
