"""Tokens as people see them.

A token is bytes, and need not be whole characters. By itself it is shown as text where its bytes
are UTF-8, and as `<E2 80>` where not. In a run of tokens a character belongs to the token that
completes it, so that all pieces joined are the text.
"""

from __future__ import annotations

import codecs
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from slm.errors import ConfigError, DataError, TokenizerError, shown
from slm.quantities import counted
from slm.tokenizer.base import EOT_TEXT, Tokenizer

Text = str | Sequence[int]
"""A text, or its token ids."""

TokenKind = Literal["text", "bytes", "end"]
"""Whole characters; bytes that are none by themselves; the end-of-text token."""


@dataclass(frozen=True)
class TokenText:
    """A token and how it is shown."""

    id: int
    text: str
    kind: TokenKind


def token_ids(tokenizer: Tokenizer, text: Text) -> list[int]:
    """The ids of a text, which may be ids already.

    Raises:
        ConfigError: it is neither.
        TokenizerError: the text is not valid Unicode, or an id is not in the vocabulary.
    """
    if isinstance(text, str):
        return tokenizer.encode(text)
    try:
        if isinstance(text, bytes | bytearray):  # whose items would be taken for ids
            raise TypeError
        ids = [operator.index(token_id) for token_id in text]
    except TypeError:
        raise ConfigError(
            f"text must be a string or token ids, found {shown(text)}",
            hint='give a text, for example "Once upon a time"',
        ) from None
    for token_id in ids:
        if not 0 <= token_id < tokenizer.vocab_size:
            raise TokenizerError(
                f"the id {token_id} is not in the vocabulary of {tokenizer.vocab_size:,} tokens"
            )
    return ids


def fitting_ids(tokenizer: Tokenizer, text: Text, block_size: int) -> list[int]:
    """The ids of a text with the end-of-text token before it, as every story began in training.

    Raises:
        ConfigError, TokenizerError: as for `token_ids`.
        DataError: they are more than a context holds.
    """
    ids = [tokenizer.bos_id, *token_ids(tokenizer, text)]
    if len(ids) > block_size:
        raise DataError(
            f"the text has {counted(len(ids) - 1, 'token')}, and the context holds "
            f"{block_size - 1:,} after the one that begins a story",
            hint="look at a shorter text",
        )
    return ids


def token_text(tokenizer: Tokenizer, token_id: int) -> TokenText:
    """A token by itself."""
    if token_id == tokenizer.eot_id:
        return TokenText(token_id, EOT_TEXT, "end")
    content = tokenizer.token_bytes(token_id)
    try:
        return TokenText(token_id, content.decode("utf-8"), "text")
    except UnicodeDecodeError:
        return TokenText(token_id, f"<{content.hex(' ').upper()}>", "bytes")


def token_texts(tokenizer: Tokenizer, ids: Sequence[int]) -> list[TokenText]:
    """The tokens of a text in order; joined, the texts of all but end-of-text tokens are the text.

    A token with only a part of a character has the kind `bytes`, and no text unless it is the one
    that completes it. Bytes that can be no character are U+FFFD.
    """
    return list(_pieces(tokenizer, ids))


def _pieces(tokenizer: Tokenizer, ids: Sequence[int]) -> Iterator[TokenText]:
    characters = codecs.getincrementaldecoder("utf-8")(errors="replace")
    for place, token_id in enumerate(ids):
        alone = token_text(tokenizer, token_id)
        if alone.kind == "end":
            yield alone
            continue
        is_last = place + 1 == len(ids) or ids[place + 1] == tokenizer.eot_id
        piece = characters.decode(tokenizer.token_bytes(token_id), final=is_last)
        yield TokenText(token_id, piece, alone.kind)
