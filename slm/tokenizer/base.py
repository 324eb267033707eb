"""The tokenizer protocol: lossless conversion of text to ids and back.

A tokenizer has `vocab_size` ids. One of them, `eot_id`, is the end-of-text token: it separates
stories, starts every generation, and has no text. In our own tokenizers it is the last id. Text
never produces it: `<|endoftext|>` in a text is encoded as those thirteen characters.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

EOT_TEXT = "<|endoftext|>"
"""The end-of-text token in messages, and the separator of stories in text files."""

Ids = npt.NDArray[np.uint32]


class Tokenizer(Protocol):
    """Text to token ids and back."""

    @property
    def name(self) -> str:
        """The specification it was made from, such as `bpe:4096` or `gpt2-8k`."""

    @property
    def vocab_size(self) -> int:
        """Number of ids, the end-of-text token included; ids are 0 to vocab_size - 1."""

    @property
    def eot_id(self) -> int:
        """The end-of-text token's id."""

    @property
    def bos_id(self) -> int:
        """The id that a text begins with: `eot_id`, unless an imported tokenizer has another."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hexadecimal) of everything that determines the ids."""

    def encode(self, text: str) -> list[int]:
        """The ids of a text; no token is added.

        Raises:
            TokenizerError: the text is not valid Unicode (it contains a lone surrogate).
        """

    def encode_batch(self, texts: Sequence[str]) -> list[Ids]:
        """The ids of many texts, one array each, with all processors.

        Raises:
            TokenizerError: a text is not valid Unicode.
        """

    def token_bytes(self, token_id: int) -> bytes:
        """The UTF-8 bytes of a token; empty for the end-of-text token.

        Raises:
            TokenizerError: the id is not in the vocabulary.
        """

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """The bytes of a sequence of ids, without end-of-text tokens."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of a sequence of ids; invalid UTF-8 becomes U+FFFD."""

    def to_json(self) -> dict[str, Any]:
        """The tokenizer's full description as JSON data."""


def fingerprint_of(description: dict[str, Any]) -> str:
    """SHA-256 of the canonical JSON of a tokenizer's description, without its name."""
    identity = {key: value for key, value in description.items() if key != "name"}
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
