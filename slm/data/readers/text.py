"""Plain text files: UTF-8, documents between lines that hold only `<|endoftext|>`.

A file without such a line is one document, kept exactly. Windows line ends (CRLF) become newlines
and a byte order mark is dropped, as text editors do. Memory stays bounded by the size of a piece.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from slm.data.documents import PIECE_CHARS, Piece, safe_cut
from slm.errors import DataError
from slm.reading import open_regular
from slm.tokenizer.base import EOT_TEXT

BLOCK_BYTES = 1 << 20


def read_text_file(
    path: Path, *, block_bytes: int = BLOCK_BYTES, piece_chars: int = PIECE_CHARS
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
    for block in _decoded_blocks(path, block_bytes):
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


def _decoded_blocks(path: Path, block_bytes: int) -> Iterator[str]:
    """The file's text in blocks, line ends made newlines, without a byte order mark."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    read_bytes = 0
    held_return = ""
    first = True
    try:
        with open_regular(path) as stream:
            while True:
                block = stream.read(block_bytes)
                if read_bytes == 0:
                    _refuse_utf16(path, block)
                if b"\0" in block:
                    raise DataError(
                        f"{path} is not text: byte {read_bytes + block.index(0):,} is zero"
                    )
                waiting = len(decoder.getstate()[0])
                try:
                    text = held_return + decoder.decode(block, final=not block)
                except UnicodeDecodeError as error:
                    raise DataError(
                        f"{path} is not UTF-8: {error.reason} at byte "
                        f"{read_bytes - waiting + error.start:,}",
                        hint=f"convert it first, as: iconv -f LATIN1 -t UTF-8 {path.name}",
                    ) from None
                read_bytes += len(block)
                if first and text:
                    text = text.removeprefix("\ufeff")
                    first = False
                held_return = ""
                if block and text.endswith("\r"):  # its newline may be in the next block
                    text, held_return = text[:-1], "\r"
                if "\r" in text:
                    text = text.replace("\r\n", "\n")
                yield text
                if not block:
                    return
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def _refuse_utf16(path: Path, block: bytes) -> None:
    if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(
            f"{path} is not UTF-8: byte 0 begins a UTF-16 mark",
            hint=f"convert it first, as: iconv -f UTF-16 -t UTF-8 {path.name}",
        )
