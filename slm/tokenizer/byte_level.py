"""The simplest tokenizer: the 256 bytes of UTF-8, and end-of-text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from slm.tokenizer.base import Ids
from slm.tokenizer.table import TokenTable, invalid_unicode

ALL_BYTES = tuple(bytes([value]) for value in range(256))


class BytesTokenizer(TokenTable):
    """Every byte is its own id: 257 ids with end-of-text, and no training."""

    def __init__(self) -> None:
        super().__init__("bytes", [*ALL_BYTES, b""], len(ALL_BYTES))

    def encode(self, text: str) -> list[int]:
        """The UTF-8 bytes of a text.

        Raises:
            TokenizerError: the text contains a lone surrogate.
        """
        return list(_utf8(text))

    def encode_batch(self, texts: Sequence[str]) -> list[Ids]:
        """The UTF-8 bytes of each text.

        Raises:
            TokenizerError: a text contains a lone surrogate.
        """
        return [np.frombuffer(_utf8(text), dtype=np.uint8).astype(np.uint32) for text in texts]

    def to_json(self) -> dict[str, Any]:
        return {"format": "slm-tokenizer", "version": 1, "kind": "bytes", "name": self.name}


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise invalid_unicode(error) from error
