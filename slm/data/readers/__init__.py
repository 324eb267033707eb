"""Readers of files of text: one module a format, each a stream of documents in pieces.

A name gives the format and the compression (`kinds`), the first bytes must agree (`content`), and
every reader gets its text from a `DataFile`, which unpacks, decodes and words the errors.
"""

from slm.data.readers.kinds import EXTENSIONS, READABLE, Format, Kind, is_readable, kind_of
from slm.data.readers.reading import Log, check_file, read_documents, rows_of, text_bytes_of

__all__ = [
    "EXTENSIONS",
    "READABLE",
    "Format",
    "Kind",
    "Log",
    "check_file",
    "is_readable",
    "kind_of",
    "read_documents",
    "rows_of",
    "text_bytes_of",
]
