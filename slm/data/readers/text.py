"""Plain text files: UTF-8, documents separated by `<|endoftext|>` or a similar marker.

A file without markers is one document, kept exactly. Windows line ends (CRLF) become newlines
and a byte order mark is dropped, as text editors do. Memory stays bounded by the size of a part.
"""

from __future__ import annotations

from collections.abc import Iterator

from slm.data.documents import PART_CHARS, DocumentPart
from slm.data.markers import USUAL, find_separators, split_documents
from slm.data.readers.data_file import DataFile, decoded_blocks
from slm.data.suspects import Suspects
from slm.log import Log

BLOCK_BYTES = 1 << 20


def read_text_file(
    file: DataFile,
    *,
    log: Log | None = None,
    block_bytes: int = BLOCK_BYTES,
    part_chars: int = PART_CHARS,
) -> Iterator[DocumentPart]:
    """The documents of a text file, in parts; documents of only white space are skipped.

    Args:
        file: the file.
        log: called with sentences about its markers and about content that is probably not text.
        block_bytes, part_chars: sizes of the blocks that are read and of the parts yielded.

    Raises:
        DataError: the file cannot be read or is not UTF-8 text; the message gives the byte.
    """
    suspects = Suspects()
    separators = find_separators(suspects.watched(decoded_blocks(file, block_bytes)))
    if log is not None:
        judged = {*USUAL.markers, *separators.family.markers}
        for sentence in (separators.note(file.name), *suspects.notes(file.name, judged)):
            if sentence is not None:
                log(sentence)
    yield from split_documents(decoded_blocks(file, block_bytes), separators, part_chars=part_chars)
