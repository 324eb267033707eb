"""The part of a corpus that a vocabulary is learnt from: its beginning, in bounded batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

SAMPLE_CHARS = 32_000_000
BATCH_CHARS = 2_000_000


def sample_batches(texts: Iterable[str], *, limit: int = SAMPLE_CHARS) -> Iterator[list[str]]:
    """The first `limit` characters of the texts, in lists that hold about BATCH_CHARS together.

    A few thousand tokens are settled long before the sample ends; reading on would cost minutes on
    a large corpus and change next to nothing. Texts longer than a batch are cut, and no more texts
    are taken than are needed.
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
