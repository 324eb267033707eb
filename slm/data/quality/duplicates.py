"""Exact and near duplicates among many documents, in bounded memory.

Near duplicates are found by MinHash (Broder 1997) over all five words in a row, and locality
sensitive hashing: documents that agree in one of 20 bands of 5 values are compared by all 100. Two
documents with a Jaccard similarity of 0.7 are found with a probability of 97%. The signatures come
from the library rensa. A document takes 270 bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from slm.data.shingles import Hashes, Shingles
from slm.errors import MissingExtraError

N = 5
BANDS, ROWS = 20, 5
SIMILAR = 0.7
MOST_DOCUMENTS = 1_000_000
AT_ONCE = 1_000
SEED = 0
_WORD = re.compile(r"\w+")


class Duplicate(NamedTuple):
    """A document that repeats an earlier one.

    Attributes:
        document: its number.
        original: the earlier one's.
        is_exact: whether only case and white space differ.
    """

    document: int
    original: int
    is_exact: bool


class DuplicateFinder:
    """Add all documents, then ask for the duplicates.

    Raises:
        MissingExtraError: rensa is not installed.
    """

    def __init__(self) -> None:
        try:
            import rensa
        except ImportError:
            raise MissingExtraError("rensa", extra="quality", purpose="slm data check") from None
        self._rensa = rensa
        self._shingles = Shingles(N)
        self._digests: list[int] = []
        self._waiting: list[tuple[int, Hashes]] = []
        self._numbers: list[int] = []
        self._bands: list[npt.NDArray[np.uint64]] = []
        self._signatures: list[npt.NDArray[np.uint8]] = []
        self.n_left_out = 0
        """Documents beyond `MOST_DOCUMENTS`, which are not compared."""

    def add(self, text: str) -> None:
        """The next document."""
        number = len(self._digests)
        if number >= MOST_DOCUMENTS:
            self.n_left_out += 1
            return
        lower = text.lower()
        plain = " ".join(lower.split()).encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(plain, digest_size=8).digest()
        self._digests.append(int.from_bytes(digest, "little") if plain else number)
        hashes = np.unique(self._shingles.hashes(_WORD.findall(lower)))
        if len(hashes):
            self._waiting.append((number, hashes))
        if len(self._waiting) >= AT_ONCE:
            self._sign()

    def _sign(self) -> None:
        if not self._waiting:
            return
        lengths = [len(hashes) for _, hashes in self._waiting]
        matrix = self._rensa.RMinHash.digest_matrix_from_flat_token_hashes(
            np.concatenate([hashes for _, hashes in self._waiting]),
            np.concatenate(([0], np.cumsum(lengths))).astype(np.uint64),
            BANDS * ROWS,
            SEED,
        )
        signatures = np.array(matrix.to_rows(), dtype=np.uint64)
        bands = np.zeros((len(signatures), BANDS), dtype=np.uint64)
        for row in range(ROWS):
            bands = bands * np.uint64(0x9E3779B97F4A7C15) ^ signatures[:, row::ROWS]
        self._numbers += [number for number, _ in self._waiting]
        self._bands.append(bands)
        self._signatures.append((signatures & np.uint64(0xFF)).astype(np.uint8))
        self._waiting = []

    def duplicates(self) -> list[Duplicate]:
        """Every document that repeats an earlier one, with the earliest that was found."""
        self._sign()
        found = dict(self._exact())
        for document, original in self._near():
            if document not in found:
                found[document] = Duplicate(document, original, is_exact=False)
        return [found[document] for document in sorted(found)]

    def _exact(self) -> Iterator[tuple[int, Duplicate]]:
        first: dict[int, int] = {}
        for number, digest in enumerate(self._digests):
            original = first.setdefault(digest, number)
            if original != number:
                yield number, Duplicate(number, original, is_exact=True)

    def _near(self) -> Iterator[tuple[int, int]]:
        if not self._numbers:
            return
        bands, signatures = np.concatenate(self._bands), np.concatenate(self._signatures)
        originals: dict[int, int] = {}
        for band in range(BANDS):
            keys = bands[:, band]
            order = np.argsort(keys, kind="stable")
            starts = np.flatnonzero(np.diff(keys[order], prepend=~keys[order[:1]]))
            sizes = np.diff(starts, append=len(order))
            for start, size in zip(starts[sizes > 1], sizes[sizes > 1], strict=True):
                _compare(order[start : start + size], signatures, originals)
        for row in sorted(originals):
            yield self._numbers[row], self._numbers[originals[row]]


def _compare(
    rows: Sequence[int] | npt.NDArray[np.intp],
    signatures: npt.NDArray[np.uint8],
    originals: dict[int, int],
) -> None:
    """Compare documents of a bucket with its first and with the one before."""
    for place in range(1, len(rows)):
        row = int(rows[place])
        for other in dict.fromkeys((int(rows[0]), int(rows[place - 1]))):
            equal = float((signatures[row] == signatures[other]).mean())
            similarity = (equal - 1 / 256) / (
                1 - 1 / 256
            )  # the other bytes differ or not by chance
            original = originals.get(other, other)
            if similarity >= SIMILAR and original < originals.get(row, row):
                originals[row] = original
