"""The held-out text of a race, and its windows in the ids of a tokenizer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from race_meter import HeldOut

from slm.evals.scoring import story_windows
from slm.tokenizer.base import Ids, Tokenizer

SAMPLE_CHARS = 20_000
"""Length of the text that is scored every few seconds."""
MOST_CHARS = 300_000
"""Length of the text that is scored at the end."""


@dataclass(frozen=True)
class Texts:
    """Held-out documents."""

    sample: list[str]
    """The first of them: scored during the race."""
    all: list[str]
    """Scored at the end."""

    @classmethod
    def from_documents(cls, documents: Sequence[str]) -> Texts:
        """Take the first ones; the last one taken may be cut."""
        return cls(first_chars(documents, SAMPLE_CHARS), first_chars(documents, MOST_CHARS))

    @classmethod
    def read(cls, path: Path) -> Texts:
        """From a file that `write` has written."""
        return cls(**json.loads(path.read_text("utf-8")))

    def write(self, path: Path) -> None:
        """Write a JSON file."""
        path.write_text(json.dumps(asdict(self)), "utf-8")


def first_chars(documents: Iterable[str], limit: int) -> list[str]:
    """The first documents with together at most `limit` characters; the last one may be cut."""
    taken: list[str] = []
    for document in documents:
        taken.append(document[:limit])
        limit -= len(taken[-1])
        if limit <= 0:
            break
    return taken


def windows_of(texts: Texts, tokenizer: Tokenizer, block_size: int) -> tuple[HeldOut, HeldOut]:
    """The sample and all, in the ids of a tokenizer, for a model's context length."""
    sample, everything = (
        cut(part, tokenizer.encode_batch(part), tokenizer.eot_id, block_size)
        for part in (texts.sample, texts.all)
    )
    return sample, everything


def cut(texts: Sequence[str], ids: Iterable[Ids], boundary: int, block_size: int) -> HeldOut:
    """Windows of encoded documents; every token is scored once, and so is the end of a document.

    Args:
        texts: the documents.
        ids: of each document.
        boundary: the id that begins and ends a document.
        block_size: the longest window.
    """
    pieces = (np.append(np.asarray(one, np.uint32), np.uint32(boundary)) for one in ids)
    windows = [
        (window.ids.tolist(), window.n_context)
        for window in story_windows(pieces, boundary, block_size)
    ]
    return HeldOut(windows, sum(len(text.encode("utf-8")) for text in texts))
