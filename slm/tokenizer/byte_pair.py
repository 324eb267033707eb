"""Byte-pair encoding over GPT-2's split into words: full GPT-2, trimmed GPT-2, and trained BPE.

A vocabulary is a list of byte strings in the order of their merges, so a token's id is also its
rank. Text is first split into words, which no token crosses; in each word the neighbouring pair
whose union has the lowest rank is joined, again and again (Sennrich et al. 2016, on bytes as in
Radford et al. 2019). `tiktoken` does both, in Rust; this file cuts the work so that it runs on all
processors, and so that no input can hurt it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import regex
import tiktoken

from slm.errors import TokenizerError
from slm.hardware.resources import usable_cpus
from slm.tokenizer.base import EOT_TEXT, Ids
from slm.tokenizer.byte_level import ALL_BYTES
from slm.tokenizer.table import TokenTable, invalid_unicode

GPT2_PATTERN = r"'(?:s|t|re|ve|m|ll|d)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
"""GPT-2's words, written without needless backtracking: contractions, then letters, digits or signs
with at most one space before them, and white space (the last of a run goes to what follows)."""

_GROUP_CHARS = 1 << 18
# GPT-2's pattern always ends a word where white space begins, and before the last white space of a
# run that something follows. A text can be cut there without changing an id.
_SAFE_CUT = regex.compile(r"(?<=\S)(?=\s)|(?<=\s)(?=\s\S)")


class BytePairTokenizer(TokenTable):
    """Byte-pair encoding with a given vocabulary.

    Args:
        name: the short specification, as `gpt2-8k`.
        ranks: all tokens in merge order, the 256 single bytes among them; ids are their places.

    Raises:
        TokenizerError: a token is empty or there twice, or a byte is missing.
    """

    def __init__(self, name: str, ranks: Sequence[bytes]) -> None:
        rank_of = {token: rank for rank, token in enumerate(ranks)}
        if b"" in rank_of or len(rank_of) != len(ranks):
            raise TokenizerError(f"the vocabulary of {name} has an empty or repeated token")
        if missing := [byte for byte in ALL_BYTES if byte not in rank_of]:
            raise TokenizerError(
                f"the vocabulary of {name} lacks {len(missing)} of the 256 single bytes, "
                f"the first is 0x{missing[0].hex()}"
            )
        super().__init__(name, [*ranks, b""], len(ranks))
        self._encoding = tiktoken.Encoding(
            name,
            pat_str=GPT2_PATTERN,
            mergeable_ranks=rank_of,
            special_tokens={EOT_TEXT: len(ranks)},
        )

    @property
    def ranks(self) -> tuple[bytes, ...]:
        """All tokens in merge order, without end-of-text."""
        return self._bytes_of[:-1]

    def merges(self) -> list[tuple[bytes, bytes]]:
        """The pair that each token is joined from, in order; single bytes have none.

        Raises:
            TokenizerError: a token cannot be reached by joining two earlier ones.
        """
        rank_of = {token: rank for rank, token in enumerate(self.ranks)}
        pairs = []
        for rank, token in enumerate(self.ranks):
            if len(token) > 1:
                parts = parts_of(token, rank_of, rank)
                if len(parts) != 2:
                    raise TokenizerError(f"no merge of two tokens of {self.name} gives {token!r}")
                pairs.append((parts[0], parts[1]))
        return pairs

    def encode(self, text: str) -> list[int]:
        """Ids of a text; special tokens written in it are plain text.

        Raises:
            TokenizerError: the text holds a lone surrogate.
        """
        return [token_id for part in _cut(text) for token_id in self._encode(part).tolist()]

    def encode_batch(self, texts: Sequence[str]) -> list[Ids]:
        """Ids of each text, on all processors that this process may use.

        Raises:
            TokenizerError: a text holds a lone surrogate.
        """
        parts_per_text = [_cut(text) for text in texts]
        groups = list(_groups([part for parts in parts_per_text for part in parts]))
        with ThreadPoolExecutor(min(len(groups), usable_cpus().workers) or 1) as pool:
            encoded = (ids for group in pool.map(self._encode_group, groups) for ids in group)
            return [
                next(encoded) if len(parts) == 1 else np.concatenate([next(encoded) for _ in parts])
                for parts in parts_per_text
            ]

    def to_json(self) -> dict[str, Any]:
        return {
            "format": "slm-tokenizer",
            "version": 1,
            "kind": "byte-pair",
            "name": self.name,
            "pattern": GPT2_PATTERN,
            "tokens": [base64.b64encode(token).decode("ascii") for token in self.ranks],
        }

    def _encode(self, text: str) -> Ids:
        try:
            return self._encoding.encode_to_numpy(text, disallowed_special=())
        except UnicodeEncodeError as error:
            raise invalid_unicode(error) from error

    def _encode_group(self, texts: list[str]) -> list[Ids]:
        """Encode texts in one call, which holds no lock, with end-of-text tokens between them."""
        joined = EOT_TEXT.join(texts)
        if joined.count(EOT_TEXT) != len(texts) - 1:  # a text contains it
            return [self._encode(text).copy() for text in texts]
        try:
            ids = self._encoding.encode_to_numpy(joined, allowed_special={EOT_TEXT})
        except UnicodeEncodeError as error:
            raise invalid_unicode(error) from error
        ends = [*np.flatnonzero(ids == self.eot_id).tolist(), len(ids)]
        starts = [0, *(end + 1 for end in ends[:-1])]
        # Copies, because a view of one text would keep its whole group in memory.
        return [ids[start:end].copy() for start, end in zip(starts, ends, strict=True)]


def parts_of(token: bytes, rank_of: Mapping[bytes, int], below: int) -> list[bytes]:
    """A token's bytes joined by all merges whose rank is lower than `below`.

    With the token's own rank as `below`, these are the two parts that its merge joins.
    """
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 1:
        unions = [left + right for left, right in pairwise(parts)]
        ranks = [rank_of.get(union, below) for union in unions]
        lowest = min(ranks)
        if lowest >= below:
            break
        place = ranks.index(lowest)
        parts[place : place + 2] = [unions[place]]
    return parts


def byte_symbols() -> dict[str, int]:
    """GPT-2's printable stand-in character for each byte, in the order of GPT-2's ids.

    Printable Latin-1 characters stand for themselves; the other bytes take U+0100 and following.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    symbols = {chr(byte): byte for byte in printable}
    symbols.update({chr(0x100 + place): byte for place, byte in enumerate(others)})
    return symbols


def _cut(text: str) -> list[str]:
    """Cut a long text where its ids do not change: for several processors, and for the pattern,
    whose backtracking over a million blanks would overflow its stack."""
    if len(text) <= _GROUP_CHARS:
        return [text]
    cuts = [0]
    while cut := _SAFE_CUT.search(text, cuts[-1] + _GROUP_CHARS):
        cuts.append(cut.start())
    return [text[start:end] for start, end in zip(cuts, [*cuts[1:], None], strict=True)]


def _groups(texts: list[str]) -> Iterator[list[str]]:
    """Runs of texts that together have about _GROUP_CHARS characters."""
    group: list[str] = []
    chars = 0
    for text in texts:
        group.append(text)
        chars += len(text)
        if chars >= _GROUP_CHARS:
            yield group
            group, chars = [], 0
    if group:
        yield group
