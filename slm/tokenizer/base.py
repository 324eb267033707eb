"""What every tokenizer is: text to ids and back, without loss, with an identity.

A tokenizer has `vocab_size` ids. One of them, `eot_id`, is the end-of-text token: it separates
stories, starts every generation, and stands for no text. In our own tokenizers it is the last id.
Text never produces it: a user who writes `<|endoftext|>` gets the ids of those thirteen characters.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

EOT_TEXT = "<|endoftext|>"
"""How an end-of-text token is shown to people, and what separates stories in a text file."""

Ids = npt.NDArray[np.uint32]


class Tokenizer(Protocol):
    """Text to token ids and back."""

    @property
    def name(self) -> str:
        """The short specification it was made from, as `bpe:4096` or `gpt2-8k`."""

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
        """SHA-256 (hexadecimal) of all that decides the ids; equal fingerprints, equal ids."""

    def encode(self, text: str) -> list[int]:
        """Ids of a text; nothing is added before or behind.

        Raises:
            TokenizerError: the text is not valid Unicode (it holds a lone surrogate).
        """

    def encode_batch(self, texts: Sequence[str]) -> list[Ids]:
        """Ids of many texts, one array each, as fast as this machine can.

        Raises:
            TokenizerError: a text is not valid Unicode.
        """

    def token_bytes(self, token_id: int) -> bytes:
        """The UTF-8 bytes that a token stands for; empty for the end-of-text token.

        Raises:
            TokenizerError: the id is not in the vocabulary.
        """

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """The bytes of a sequence of ids; end-of-text tokens give none."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of a sequence of ids; bytes that are no UTF-8 become U+FFFD."""

    def to_json(self) -> dict[str, Any]:
        """All that is needed to make the same tokenizer again, as JSON data."""


def fingerprint_of(description: dict[str, Any]) -> str:
    """SHA-256 over the canonical JSON of a tokenizer's description, its name left out."""
    identity = {key: value for key, value in description.items() if key != "name"}
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
