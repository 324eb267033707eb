"""Documents as streams of pieces, so that no document needs to fit in memory.

A piece is a stretch of a document; the last one says so. Long documents are cut before a space or
newline that follows a character which is no space. GPT-2's pre-tokenizer always ends a word there
(its pattern joins at most one space to what comes after, never to what comes before), so the
pieces of a document have together exactly the ids of the whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

PIECE_CHARS = 1 << 20
"""Longer stretches of text are handed on in several pieces."""

SAMPLED_STORIES = 200
"""Their mean size stands for all stories of a file or data set."""
_KEPT_BEHIND = 64


class Piece(NamedTuple):
    """A stretch of a document.

    Attributes:
        text: the characters, in order, nothing lost or added between pieces.
        ends_story: whether the document ends here (an end-of-text token follows).
    """

    text: str
    ends_story: bool


def safe_cut(text: str) -> int:
    """Where to cut a long text so that its parts tokenize as the whole does.

    Returns the index of the last newline, or else space, after a character that is no space. A
    text without any is cut near its end, which keeps every character but may change ids there.
    """
    end = len(text) - _KEPT_BEHIND  # what stays behind is never empty
    for space in ("\n", " "):
        cut = text.rfind(space, 1, end)
        while cut > 0:
            if not text[cut - 1].isspace():
                return cut
            cut = text.rfind(space, 1, cut)
    return end


def pieces_of(text: str, piece_chars: int = PIECE_CHARS) -> Iterator[Piece]:
    """The pieces of a document that is in memory already."""
    start = 0
    while len(text) - start > 2 * piece_chars:
        cut = start + safe_cut(text[start : start + piece_chars])
        yield Piece(text[start:cut], ends_story=False)
        start = cut
    yield Piece(text[start:] if start else text, ends_story=True)


def whole_stories(pieces: Iterable[Piece]) -> Iterator[str]:
    """Documents joined again from their pieces."""
    parts: list[str] = []
    for piece in pieces:
        parts.append(piece.text)
        if piece.ends_story:
            yield "".join(parts)
            parts.clear()


def first_sizes(pieces: Iterable[Piece]) -> list[int]:
    """UTF-8 bytes of the first documents, at most `SAMPLED_STORIES` of them."""
    first = itertools.islice(whole_stories(pieces), SAMPLED_STORIES)
    return [len(story.encode("utf-8")) for story in first]
