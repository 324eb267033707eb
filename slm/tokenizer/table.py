"""From ids back to bytes: the half of a tokenizer that all kinds share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from slm.errors import TokenizerError
from slm.tokenizer.base import Ids, fingerprint_of


class TokenTable(ABC):
    """A tokenizer whose ids are the positions in a table of byte strings.

    Args:
        name: the short specification, such as `bpe:4096`.
        table: the bytes of each id in order; empty for tokens that stand for no text.
        eot_id: the end-of-text token.
    """

    def __init__(self, name: str, table: Sequence[bytes], eot_id: int) -> None:
        assert not table[eot_id], "the end-of-text token has no text"
        self._name = name
        self._bytes_of = tuple(table)
        self._eot_id = eot_id

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name}, {self.vocab_size:,} ids>"

    @property
    def name(self) -> str:
        return self._name

    @property
    def vocab_size(self) -> int:
        return len(self._bytes_of)

    @property
    def eot_id(self) -> int:
        return self._eot_id

    @property
    def bos_id(self) -> int:
        return self._eot_id

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint_of(self.to_json())

    @abstractmethod
    def encode(self, text: str) -> list[int]: ...

    @abstractmethod
    def encode_batch(self, texts: Sequence[str]) -> list[Ids]: ...

    @abstractmethod
    def to_json(self) -> dict[str, Any]: ...

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes of one token; empty for end-of-text.

        Raises:
            TokenizerError: the id is not in the vocabulary.
        """
        if not 0 <= token_id < len(self._bytes_of):
            raise TokenizerError(
                f"token id {token_id} is not in the vocabulary of {self._name}, "
                f"whose ids are 0 to {self.vocab_size - 1}",
                hint="the ids come from another tokenizer",
            )
        return self._bytes_of[token_id]

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """The bytes of a sequence of ids.

        Raises:
            TokenizerError: an id is not in the vocabulary.
        """
        return b"".join([self.token_bytes(token_id) for token_id in ids])

    def decode(self, ids: Sequence[int]) -> str:
        """The text of a sequence of ids; invalid UTF-8 becomes U+FFFD.

        Raises:
            TokenizerError: an id is not in the vocabulary.
        """
        return self.decode_bytes(ids).decode("utf-8", errors="replace")


def invalid_unicode(error: UnicodeEncodeError) -> TokenizerError:
    """The error for a string that UTF-8 cannot represent."""
    culprit = ord(error.object[error.start])
    return TokenizerError(
        f"the text is not valid Unicode: it contains the lone surrogate U+{culprit:04X}",
        hint='decode its bytes with errors="replace" instead of "surrogateescape"',
    )
