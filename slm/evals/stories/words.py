"""A story in words and sentences."""

from __future__ import annotations

import re
from functools import cached_property
from typing import NamedTuple

_PLAIN = str.maketrans("\u201c\u201d\u2018\u2019", "\"\"''")
"""Curly quotation marks to straight ones."""
_PIECE = re.compile(r"[^.!?\n]*[.!?]+[\"')]*|[^.!?\n]+")
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
ENDS = ".!?"


def plain(text: str) -> str:
    """A text with straight quotation marks."""
    return text.translate(_PLAIN)


class Sentence(NamedTuple):
    """A sentence of a story.

    Attributes:
        text: as written, without space around it.
        words: as written.
        lower: the words in lower case.
    """

    text: str
    words: tuple[str, ...]
    lower: tuple[str, ...]


def sentences_of(text: str) -> tuple[Sentence, ...]:
    """The sentences of a text; direct speech and what follows it are one sentence.

    A line break ends a sentence, and so does `.`, `!` or `?`, if what follows does not begin with
    a small letter: `"Stop!" said Tom.` is one sentence.
    """
    found: list[Sentence] = []
    for line in plain(text).splitlines():
        joined = ""
        for piece in _PIECE.findall(line):
            begins_small = piece.lstrip(" ,\"'")[:1].islower()
            if joined and not begins_small:
                found.append(_sentence(joined))
                joined = piece
            else:
                joined += piece
        if joined.strip():
            found.append(_sentence(joined))
    return tuple(sentence for sentence in found if sentence.words)


def _sentence(text: str) -> Sentence:
    words = tuple(_WORD.findall(text))
    return Sentence(text.strip(), words, tuple(word.lower() for word in words))


class Story:
    """A text that is measured.

    Args:
        text: all of it.
        prompt: its beginning, which was given; empty if the writer began it.
        ended: whether the writer ended it, not a length limit.
    """

    def __init__(self, text: str, *, prompt: str = "", ended: bool = True) -> None:
        assert text.startswith(prompt)
        self.text = text
        self.prompt = prompt
        self.ended = ended

    @cached_property
    def sentences(self) -> tuple[Sentence, ...]:
        """The sentences of the whole text."""
        return sentences_of(self.text)

    @cached_property
    def new_sentences(self) -> tuple[Sentence, ...]:
        """The sentences of the continuation, including one that the prompt began."""
        before = len(sentences_of(self.prompt))
        if before and self.prompt.rstrip()[-1:] not in ENDS + "\"'":
            before -= 1
        return self.sentences[before:]

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words of the continuation, in lower case."""
        return tuple(word.lower() for word in _WORD.findall(plain(self.continuation)))

    @property
    def continuation(self) -> str:
        """The text after the prompt."""
        return self.text[len(self.prompt) :]
