"""Characters as tokens, with bytes as a fallback.

Ids in order: the corpus's characters by code point, then the 256 bytes, then end-of-text. A
character that the corpus did not have is written as its UTF-8 bytes, so any text stays lossless.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from slm.tokenizer.base import Ids
from slm.tokenizer.byte_level import ALL_BYTES
from slm.tokenizer.table import TokenTable, invalid_unicode

_CODE_POINTS = 0x110000


class CharsTokenizer(TokenTable):
    """One id for each known character, one to four byte ids for each unknown one.

    Args:
        characters: the known characters; order and repetition do not matter.

    Raises:
        TokenizerError: a character is a lone surrogate.
    """

    def __init__(self, characters: Iterable[str]) -> None:
        self._characters = "".join(sorted(set("".join(characters))))
        points = _code_points(self._characters)
        table = [*(c.encode("utf-8") for c in self._characters), *ALL_BYTES, b""]
        super().__init__("chars", table, len(table) - 1)
        self._first_byte_id = len(self._characters)
        highest = int(points[-1]) if len(points) else 0
        # One place more than the highest character: all unknown ones are looked up there.
        self._id_of = np.full(highest + 2, self.eot_id, dtype=np.uint32)
        self._id_of[points] = np.arange(len(points), dtype=np.uint32)

    @property
    def characters(self) -> str:
        """The known characters in id order."""
        return self._characters

    def encode(self, text: str) -> list[int]:
        """Ids of a text.

        Raises:
            TokenizerError: the text holds a lone surrogate.
        """
        ids: list[int] = self._encode(text).tolist()
        return ids

    def encode_batch(self, texts: Sequence[str]) -> list[Ids]:
        """Ids of each text.

        Raises:
            TokenizerError: a text holds a lone surrogate.
        """
        return [self._encode(text) for text in texts]

    def to_json(self) -> dict[str, Any]:
        return {
            "format": "slm-tokenizer",
            "version": 1,
            "kind": "chars",
            "name": self.name,
            "characters": self._characters,
        }

    def _encode(self, text: str) -> Ids:
        points = _code_points(text)
        ids = self._id_of[np.minimum(points, len(self._id_of) - 1)]
        known = ids != self.eot_id  # text never gives end-of-text, so it can mark the unknown
        return ids if known.all() else self._with_bytes(points, ids, known)

    def _with_bytes(
        self, points: npt.NDArray[np.uint32], ids: Ids, known: npt.NDArray[np.bool_]
    ) -> Ids:
        utf8_lengths = 1 + (points >= 0x80) + (points >= 0x800) + (points >= 0x10000)
        is_character = np.repeat(known, np.where(known, 1, utf8_lengths))
        unknown_bytes = points[~known].tobytes().decode("utf-32-le").encode("utf-8")
        result = np.empty(len(is_character), dtype=np.uint32)
        result[is_character] = ids[known]
        result[~is_character] = np.frombuffer(unknown_bytes, dtype=np.uint8)
        result[~is_character] += np.uint32(self._first_byte_id)
        return result


def train_chars(texts: Iterable[str]) -> CharsTokenizer:
    """A tokenizer that knows every character of the texts, all of which are read once.

    Raises:
        TokenizerError: a text holds a lone surrogate.
    """
    seen = np.zeros(_CODE_POINTS, dtype=np.bool_)
    for text in texts:
        seen[_code_points(text)] = True
    return CharsTokenizer(map(chr, np.flatnonzero(seen).tolist()))


def _code_points(text: str) -> npt.NDArray[np.uint32]:
    try:
        return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    except UnicodeEncodeError as error:
        raise invalid_unicode(error) from error
