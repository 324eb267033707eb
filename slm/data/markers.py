"""Splits plain text into documents at end-of-text markers.

A marker alone on its line separates two documents, and so does one at the start or end of a line.
One between two texts on the same line (`one.<|endoftext|>Two`) separates them unless more markers
of the file are alone on their lines. One inside a sentence ("the marker <|endoftext|> ends a text")
is text. The first markers of a file decide, so that it can be read as a stream.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property

from slm.data.documents import PART_CHARS, DocumentPart, safe_cut
from slm.data.suspects import special_token_in
from slm.log import Log
from slm.tokenizer.base import EOT_TEXT

REACH = 64
"""Characters before and after a marker that decide its kind; more blanks count as a line's end."""
COUNTED_MARKERS = 1_000
COUNTED_CHARS = 64 << 20
"""How much of a file is searched for markers before it is read."""

_BLANKS = " \t\r\f\v\x85\xa0\u2002\u2003\u2009\u202f\u3000\u200b\ufeff"
_IN_A_SENTENCE = ",;:-\u2013\u2014=(&/+"
_PUNCTUATION = ",.;:!?)"
_BRACKETS = ("()", "[]", "{}", "``", "**", "__", "\u00ab\u00bb", "\u2039\u203a")
_QUOTES = ('""', "''", "\u201c\u201d", "\u2018\u2019", "\u201e\u201c", "\u201a\u2018")
_CLEAR_SHARE = 0.9


class Place(Enum):
    """The context of a marker."""

    ALONE = auto()
    """Alone on its line."""
    EDGE = auto()
    """At the start or end of a line."""
    WRAPPED = auto()
    """The same, but inside a sentence that continues on the next line."""
    JOINT = auto()
    """Between two texts on the same line."""
    SENTENCE = auto()
    """Between blanks, inside a sentence."""
    QUOTED = auto()
    """In quotation marks or brackets, or before a comma or period: the text is about it."""


@dataclass(frozen=True, eq=False)
class Family:
    """Markers that programs use together; all of them separate.

    Attributes:
        ends: markers after a text.
        starts: markers before a text.
    """

    ends: tuple[str, ...]
    starts: tuple[str, ...]
    is_html: bool = False

    @cached_property
    def markers(self) -> tuple[str, ...]:
        return self.ends + self.starts

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(map(re.escape, self.markers)))


USUAL = Family((EOT_TEXT,), ("<|startoftext|>",))
OTHERS = (
    Family(("<|end_of_text|>",), ("<|begin_of_text|>",)),
    Family(("</s>",), ("<s>",), is_html=True),
    Family(("<eos>", "<EOS>"), ("<bos>", "<BOS>")),
    Family(("<|eos|>", "<|EOS|>"), ("<|bos|>", "<|BOS|>")),
    Family(("[EOS]", "[eos]"), ("[BOS]", "[bos]")),
    Family(("[SEP]",), ("[CLS]",)),
)
_ALL_MARKERS = tuple(marker for family in (USUAL, *OTHERS) for marker in family.markers)
_FIRST_CHARACTERS = frozenset(marker[0] for marker in _ALL_MARKERS)
_LAST_CHARACTERS = frozenset(marker[-1] for marker in _ALL_MARKERS)


@dataclass(frozen=True)
class Separators:
    """The markers that separate the documents of one file.

    Attributes:
        family: the markers.
        places: the contexts in which they separate; elsewhere they are text.
        found: the markers that occur.
        counts: the number of markers per context.
        is_partial: whether there may be more than were counted.
    """

    family: Family = USUAL
    places: frozenset[Place] = frozenset({Place.ALONE, Place.EDGE, Place.WRAPPED, Place.JOINT})
    found: tuple[str, ...] = ()
    counts: Counter[Place] = field(default_factory=Counter)
    is_partial: bool = False

    def note(self, name: str) -> str | None:
        """A note for the user of a file about its markers, or None.

        Args:
            name: the name of the file.
        """
        total, alone = self.counts.total(), self.counts[Place.ALONE]
        separating = _number(self.counts, self.places)
        sharing, kept = separating - alone, total - separating
        if not kept and not sharing and (self.family is USUAL or not total):
            return None
        names = " and ".join(self.found)
        parts = []
        if sharing or (separating and self.family is not USUAL):
            how = ""
            if sharing:
                how = (
                    f", {sharing:,} of them not alone on their lines"
                    if alone
                    else (", none alone on its line")
                )
            parts.append(f"{_markers(separating)} {names} separate documents{how}")
        if kept:
            verb = "is" if kept == 1 else "are"
            parts.append(
                f"{_markers(kept)} {names} inside lines {verb} kept as text (a marker on a line "
                "of its own always separates)"
            )
        first = f"of its first {total:,} markers, " if self.is_partial else ""
        return f"note: {name}: {first}{'; '.join(parts)}"


def _markers(number: int) -> str:
    return f"{number:,} marker{'' if number == 1 else 's'}"


def find_separators(blocks: Iterable[str]) -> Separators:
    """Find the separators of a text's documents from its first markers.

    Args:
        blocks: the text; only the needed part is read.
    """
    seen: dict[Family, _Seen] = {}
    overlap = REACH + max(map(len, _ALL_MARKERS))
    window, counted, lines, characters, is_last = "", 0, 1, 0, False
    for block in itertools.chain(blocks, (None,)):
        is_last = block is None
        window += block or ""
        characters += len(block or "")
        decided = len(window) - (0 if is_last else REACH)
        for family in (USUAL, *OTHERS):
            for match in family.pattern.finditer(window):
                if match.end() > decided or (family in seen and seen[family].is_enough):
                    break
                if match.end() > counted:
                    before = window[max(0, match.start() - REACH) : match.start()]
                    after = window[match.end() : match.end() + REACH]
                    seen.setdefault(family, _Seen(family)).add(match[0], before, after)
                    if seen[family].is_enough:
                        seen[family].lines = lines + window.count("\n", 0, match.start())
        if characters >= COUNTED_CHARS or (USUAL in seen and seen[USUAL].is_enough):
            break
        kept_from = max(0, decided - overlap)
        lines += window.count("\n", 0, kept_from)
        window, counted = window[kept_from:], decided - kept_from
    lines += window.count("\n")
    separators = seen.pop(USUAL, _Seen(USUAL)).separators(lines, is_whole=is_last)
    if not _number(separators.counts, separators.places):
        clear = [others for others in seen.values() if others.are_clear]
        if clear:
            most = max(clear, key=lambda others: others.counts.total())
            separators = most.separators(lines, is_whole=is_last)
    return separators


class _Seen:
    """The first markers of a family in a text.

    Attributes:
        counts: the number of markers per context.
        lines: the lines up to the last marker that is counted; None: all that were searched.
    """

    def __init__(self, family: Family) -> None:
        self.counts: Counter[Place] = Counter()
        self.lines: int | None = None
        self._family = family
        self._found: set[str] = set()
        self._number = 0

    @property
    def is_enough(self) -> bool:
        return self._number >= COUNTED_MARKERS

    @property
    def are_clear(self) -> bool:
        """Whether markers that may also be something else clearly separate documents."""
        places = [Place.ALONE, Place.EDGE, Place.WRAPPED]
        if not (self._family.is_html and self._found.intersection(self._family.starts)):
            places.append(Place.JOINT)
        return _number(self.counts, places) >= _CLEAR_SHARE * self._number

    def add(self, marker: str, before: str, after: str) -> None:
        self._number += 1
        self._found.add(marker)
        self.counts[place_of(before, after, self._family.markers)] += 1

    def separators(self, lines: int, *, is_whole: bool) -> Separators:
        """The separators of a text with `lines` lines; `is_whole`: all of it was searched."""
        names = tuple(marker for marker in self._family.markers if marker in self._found)
        places = _separating(self.counts, lines if self.lines is None else self.lines)
        is_partial = self.is_enough or not is_whole
        return Separators(self._family, places, names, self.counts, is_partial)


def _number(counts: Counter[Place], places: Iterable[Place]) -> int:
    return sum(counts[place] for place in places)


def _separating(counts: Counter[Place], lines: int) -> frozenset[Place]:
    """The contexts in which the markers of a text separate, from their counts."""
    places = {Place.ALONE, Place.EDGE}
    talked_about = counts[Place.SENTENCE] + counts[Place.QUOTED]
    for place in (Place.WRAPPED, Place.JOINT):
        if counts[place] >= max(counts[Place.ALONE], talked_about):
            places.add(place)
    if counts[Place.SENTENCE] > 2 * lines:  # many texts on a line, not a sentence about markers
        places.add(Place.SENTENCE)
    return frozenset(places)


def place_of(before: str, after: str, markers: tuple[str, ...]) -> Place:
    """The context of a marker.

    Args:
        before, after: up to `REACH` characters on each side.
        markers: of its family; a marker next to it counts as the end of a line.
    """
    if before[-1:] in ("", "\n") and after[:1] in ("", "\n"):  # nearly all
        return Place.ALONE
    left, right = before.rstrip(_BLANKS), after.lstrip(_BLANKS)
    starts_line = not left or left.endswith(("\n", *markers))
    ends_line = not right or right.startswith(("\n", *markers))
    if starts_line and ends_line:
        return Place.ALONE
    if _is_quoted(before, after):
        return Place.QUOTED
    if starts_line or ends_line:
        return Place.WRAPPED if _is_wrapped(before, after, left, right) else Place.EDGE
    if left != before and right != after and _is_in_sentence(left):
        return Place.SENTENCE
    return Place.JOINT


def _is_quoted(before: str, after: str) -> bool:
    enclosing = before[-1:] + after[:1]
    if enclosing in _BRACKETS:
        return True
    if enclosing in _QUOTES:  # an opening quote, not the end of direct speech
        return not before[-2:-1].strip() or before[-2] in _IN_A_SENTENCE + "[{"
    is_word = not before or before[-1].isspace()
    return is_word and after[:1] in tuple(_PUNCTUATION) and not after[1:2].strip()


def _is_wrapped(before: str, after: str, left: str, right: str) -> bool:
    """Whether a sentence continues from the line before, or on the line after."""
    if not left or not right:  # the file's start or end
        return False
    if right.startswith("\n"):
        return left != before and _is_in_sentence(left)
    return right != after and right[0].islower() and _is_in_sentence(left.rstrip())


def _is_in_sentence(left: str) -> bool:
    return left[-1:].isalnum() or left[-1:] in tuple(_IN_A_SENTENCE)


def split_documents(
    blocks: Iterable[str], separators: Separators, *, part_chars: int = PART_CHARS
) -> Iterator[DocumentPart]:
    """The documents of a text, in parts; documents of white space are skipped.

    The blanks around a separator on its line, and one newline on each side, belong to it.
    """
    markers, places = separators.family.markers, separators.places
    pattern = separators.family.pattern
    longest = max(map(len, markers))
    pending = ""  # text of the current document that is not yielded yet
    begun = False  # a part of the current document was yielded
    separated = False  # a separator was found
    searched = 0
    for block in itertools.chain(blocks, (None,)):
        pending += block or ""
        decided = len(pending) - (0 if block is None else REACH)
        start = 0
        while (match := pattern.search(pending, searched)) and match.end() <= decided:
            at, searched = match.span()
            before, after = (
                pending[max(start, at - REACH) : at],
                pending[searched : searched + REACH],
            )
            if place_of(before, after, markers) not in places:
                continue
            left, right = before.rstrip(_BLANKS), after.lstrip(_BLANKS)
            end = at - len(before) + len(left.removesuffix("\n"))
            yield from _last_part(pending[start:end], begun)
            begun, separated = False, True
            start = searched = searched + len(after) - len(right.removeprefix("\n"))
        searched = max(searched, decided - longest) - start
        pending = pending[start:]
        while len(pending) > 2 * part_chars:
            cut = safe_cut(pending[:part_chars])
            yield DocumentPart(pending[:cut], ends_story=False)
            pending, begun, searched = pending[cut:], True, searched - cut
    yield from _last_part(pending.removesuffix("\n") if separated else pending, begun)


def _last_part(text: str, begun: bool) -> Iterator[DocumentPart]:
    if begun or (text and not text.isspace()):
        yield DocumentPart(text, ends_story=True)


def without_markers(
    documents: Iterable[DocumentPart], *, name: str, log: Log | None = None
) -> Iterator[DocumentPart]:
    """Documents without the markers at their starts and ends, which other programs write.

    Args:
        documents: in parts; each is a whole document, so markers inside it are text.
        name: the name of the file in notes.
        log: called with a sentence when a marker is removed, and when one is kept.
    """
    begins, is_said, is_said_inside = True, log is None, log is None
    for part in documents:
        text = part.text
        found: list[str] = []
        if begins and text.lstrip()[:1] in _FIRST_CHARACTERS:
            while (marker := _marker_at(text.lstrip(), str.startswith)) is not None:
                found.append(marker)
                text = text.lstrip()[len(marker) :].lstrip()
        if part.ends_story and text.rstrip()[-1:] in _LAST_CHARACTERS:
            while (marker := _marker_at(text.rstrip(), str.endswith)) is not None:
                found.append(marker)
                text = text.rstrip()[: -len(marker)].rstrip()
        if found and log is not None and not is_said:
            is_said = True
            log(
                f"note: {name}: markers at the start or end of a text, such as {found[-1]}, are "
                "removed"
            )
        inside = None if is_said_inside else special_token_in(text)
        if inside is not None and log is not None:
            is_said_inside = True
            elsewhere = " (in a .txt file it would separate)" if inside in USUAL.markers else ""
            log(
                f"note: {name}: {inside} inside a text is kept as text, since each row is one "
                f"document{elsewhere}"
            )
        if text or not (begins and part.ends_story):
            yield DocumentPart(text, part.ends_story)
        begins = part.ends_story


def _marker_at(text: str, test: Callable[[str, str], bool]) -> str | None:
    return next((marker for marker in _ALL_MARKERS if test(text, marker)), None)
