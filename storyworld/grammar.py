"""Surface rules of written English that do not depend on meaning: a/an, capitals, pronouns."""

from __future__ import annotations

import re

# the gap after the article `a` before a vowel sound
_BEFORE_VOWEL = re.compile(
    r"(?<=\b[Aa]) (?=(?:[aeioAEIO]|u(?!ni|se)|hour|honest)(?<!one)(?!one\b|once\b|eu))"
)
# after a mark; also after `."`, since a comma ends a statement before its tag
_SENTENCE_START = re.compile(r'(?:(?<=[.!?] )|(?<=\." ))[a-z]')

PRONOUNS: dict[str, dict[str, str]] = {
    "m": {"he": "he", "him": "him", "his": "his", "self": "himself"},
    "f": {"he": "she", "him": "her", "his": "her", "self": "herself"},
    "it": {"he": "it", "him": "it", "his": "its", "self": "itself"},
    "they": {"he": "they", "him": "them", "his": "their", "self": "themselves"},
}


def polish(text: str) -> str:
    """Turn `a` into `an` before vowel sounds, and begin sentences with capitals."""
    if "  " in text:
        text = text.replace("  ", " ")
    text = text.replace(" .", ".").replace(" ,", ",")
    text = _BEFORE_VOWEL.sub("n ", text)
    return _SENTENCE_START.sub(_upper, text)


def _upper(found: re.Match[str]) -> str:
    return found[0].upper()


def capital(text: str) -> str:
    """The text with a capital first letter, also behind an opening quote mark."""
    if text[0] == '"':
        return '"' + text[1].upper() + text[2:]
    return text[0].upper() + text[1:]


def possessive(name: str) -> str:
    return name + "'" if name.endswith("s") else name + "'s"
