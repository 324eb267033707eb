"""Assigns the documents of a stream to the training and the validation split.

Each document's split follows from a hash of (seed, its index), so no list of documents is kept. One
of the first two documents is for training and the other is held out, whatever the hash, so two
documents are enough for two splits. A single document is divided instead.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from typing import Literal, get_args

from slm.data.documents import DocumentPart
from slm.data.source_options import SourceOptions
from slm.errors import DataError

Split = Literal["train", "validation"]
SPLITS: tuple[Split, ...] = get_args(Split)


def split_of(index: int, *, seed: int, fraction: float) -> Split:
    """The split of document `index`, a pure function of its arguments."""
    digest = hashlib.blake2b(f"{seed}:{index // 2 if index < 2 else index}".encode(), digest_size=8)
    number = int.from_bytes(digest.digest(), "little")
    if index < 2:
        return SPLITS[(number + index) % 2]
    return "validation" if number < fraction * 2.0**64 else "train"


def split_plan(*, seed: int, fraction: float, limit: int | None) -> Iterator[Split]:
    """The splits of documents 0, 1, 2, ...; ends when `limit` documents are for training (and after
    at least two documents, so that both splits have one)."""
    in_training = 0
    for index in itertools.count():
        if index >= 2 and limit is not None and in_training >= limit:
            return
        split = split_of(index, seed=seed, fraction=fraction)
        in_training += split == "train"
        yield split


def limited(
    parts: Iterator[DocumentPart], limit: int | None, *, name: str
) -> Iterator[DocumentPart]:
    """The first `limit` documents of a stream, or all of it.

    Raises:
        DataError: the stream is empty.
    """
    stories = 0
    for part in parts:
        yield part
        stories += part.ends_story
        if stories == limit:
            return
    if stories == 0:
        raise DataError(f"{name} contains no text")


class HeldOut:
    """Two splits made of one stream of documents.

    Args:
        documents: opens the stream; called once or twice per split.
        name: the name of the text in errors.
        options: the seed and the share that is held out, and the number of documents for training.
    """

    def __init__(
        self,
        documents: Callable[[], Iterator[DocumentPart]],
        *,
        name: str,
        options: SourceOptions,
    ) -> None:
        self._documents = documents
        self._name = name
        self._options = options
        self._single_chars: int | None = None  # 0: more than one document

    def parts(self, split: Split) -> Iterator[DocumentPart]:
        """The documents of a split, in parts.

        Raises:
            DataError: the text is empty or too short for two splits.
        """
        if self._single_chars is None:
            self._single_chars = self._characters_of_only_document()
        if self._single_chars:
            yield from self._cut(split, self._single_chars)
            return
        plan = split_plan(
            seed=self._options.seed,
            fraction=self._options.validation_fraction,
            limit=self._options.limit,
        )
        new_story = True
        for part in self._documents():
            if new_story:
                current = next(plan, None)
                if current is None:
                    return
            new_story = part.ends_story
            if current == split:
                yield part

    def _characters_of_only_document(self) -> int:
        """Length of the text if it is one document, else 0."""
        ended = False
        characters = 0
        for part in self._documents():
            if ended:
                return 0
            characters += len(part.text)
            ended = part.ends_story
        if characters == 0:
            raise DataError(f"{self._name} contains no text", hint="give a file that is not empty")
        if characters == 1:
            raise DataError(f"{self._name} has 1 character, too few for two splits")
        return characters

    def _cut(self, split: Split, characters: int) -> Iterator[DocumentPart]:
        """Divide the single document: the first characters for training, the last held out."""
        cut = min(max(int(characters * (1 - self._options.validation_fraction)), 1), characters - 1)
        position = 0
        for part in self._documents():
            start, end = position, position + len(part.text)
            position = end
            if split == "train" and start < cut:
                yield DocumentPart(part.text[: cut - start], ends_story=end >= cut)
            elif split == "validation" and end > cut:
                yield DocumentPart(part.text[max(0, cut - start) :], ends_story=end == characters)
