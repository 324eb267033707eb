"""The part of a corpus that a vocabulary is trained on: its beginning, in bounded batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

SAMPLE_CHARS = 32_000_000
BATCH_CHARS = 2_000_000


def sample_batches(texts: Iterable[str], *, limit: int = SAMPLE_CHARS) -> Iterator[list[str]]:
    """The first `limit` characters of the texts, in lists of about BATCH_CHARS in total.

    A few thousand tokens are determined long before the sample ends; more text would take minutes
    and change almost nothing. Texts longer than a batch are divided, and no more
    texts are read than necessary.
    """
    batch: list[str] = []
    batch_chars = 0
    left = limit
    for text in texts:
        for start in range(0, min(len(text), left), BATCH_CHARS):
            piece = text[start : min(start + BATCH_CHARS, left)]
            batch.append(piece)
            batch_chars += len(piece)
            if batch_chars >= BATCH_CHARS:
                yield batch
                batch, batch_chars = [], 0
        left -= len(text)
        if left <= 0:
            break
    if batch:
        yield batch
