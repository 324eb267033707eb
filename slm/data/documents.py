"""Documents as streams of parts, so that no document needs to fit in memory.

Long documents are cut before a space or newline that follows a non-space character. GPT-2's
pre-tokenizer always ends a word there (its pattern joins at most one space to the word after it,
never to the word before), so the parts of a document have the same ids as the whole document.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

PART_CHARS = 1 << 20
"""Characters of a part; longer documents are divided."""

SAMPLED_STORIES = 200
"""Number of stories whose mean size is used for a whole file or dataset."""
_KEPT_BEHIND = 64


class DocumentPart(NamedTuple):
    """A part of a document.

    Attributes:
        text: the characters; the joined parts are exactly the document.
        ends_story: whether the document ends here (an end-of-text token follows).
    """

    text: str
    ends_story: bool


def safe_cut(text: str) -> int:
    """Where to cut a long text so that its parts have the same ids as the whole.

    Returns the index of the last newline (or else space) after a non-space character. A text
    without any is cut near its end, which loses no character but may change ids there.
    """
    end = len(text) - _KEPT_BEHIND  # the rest is never empty
    for space in ("\n", " "):
        cut = text.rfind(space, 1, end)
        while cut > 0:
            if not text[cut - 1].isspace():
                return cut
            cut = text.rfind(space, 1, cut)
    return end


def parts_of(text: str, part_chars: int = PART_CHARS) -> Iterator[DocumentPart]:
    """The parts of a document that is in memory."""
    start = 0
    while len(text) - start > 2 * part_chars:
        cut = start + safe_cut(text[start : start + part_chars])
        yield DocumentPart(text[start:cut], ends_story=False)
        start = cut
    yield DocumentPart(text[start:] if start else text, ends_story=True)


def whole_stories(parts: Iterable[DocumentPart]) -> Iterator[str]:
    """Whole documents, joined from their parts."""
    texts: list[str] = []
    for part in parts:
        texts.append(part.text)
        if part.ends_story:
            yield "".join(texts)
            texts.clear()


def first_sizes(parts: Iterable[DocumentPart]) -> list[int]:
    """UTF-8 bytes of the first documents, at most `SAMPLED_STORIES` of them."""
    first = itertools.islice(whole_stories(parts), SAMPLED_STORIES)
    return [len(story.encode("utf-8")) for story in first]
