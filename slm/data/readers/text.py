"""Plain text files: UTF-8, documents between lines that hold only `<|endoftext|>`.

A file without such a line is one document, kept exactly. Windows line ends (CRLF) become newlines
and a byte order mark is dropped, as text editors do. Memory stays bounded by the size of a piece.
"""

from __future__ import annotations

from collections.abc import Iterator

from slm.data.documents import PIECE_CHARS, Piece, safe_cut
from slm.data.readers.data_file import DataFile, decoded_blocks
from slm.tokenizer.base import EOT_TEXT

BLOCK_BYTES = 1 << 20


def read_text_file(
    file: DataFile, *, block_bytes: int = BLOCK_BYTES, piece_chars: int = PIECE_CHARS
) -> Iterator[Piece]:
    """The documents of a text file, in pieces; documents of white space alone are left out.

    One newline before a separator belongs to the separator.

    Raises:
        DataError: the file cannot be read or is not UTF-8 text; the message gives the byte.
    """
    pending = ""  # text of the current document that has not been handed on
    begun = False  # a piece of the current document has been handed on
    separated = False  # the file has separators at all
    searched = 0
    for block in decoded_blocks(file, block_bytes):
        pending += block
        start = 0
        while (at := pending.find(EOT_TEXT + "\n", searched)) >= 0:
            searched = at + len(EOT_TEXT)
            if at > start and pending[at - 1] != "\n":
                continue  # inside a line it is plain text
            yield from _last_piece(pending[start:at].removesuffix("\n"), begun)
            begun, separated = False, True
            start = searched = at + len(EOT_TEXT) + 1
        pending = pending[start:]
        while len(pending) > 2 * piece_chars:
            cut = safe_cut(pending[:piece_chars])
            yield Piece(pending[:cut], ends_story=False)
            pending, begun = pending[cut:], True
        searched = max(0, len(pending) - len(EOT_TEXT))

    if pending == EOT_TEXT or pending.endswith("\n" + EOT_TEXT):  # a last line without its newline
        pending, separated = pending.removesuffix(EOT_TEXT), True
    yield from _last_piece(pending.removesuffix("\n") if separated else pending, begun)


def _last_piece(text: str, begun: bool) -> Iterator[Piece]:
    if begun or (text and not text.isspace()):
        yield Piece(text, ends_story=True)
