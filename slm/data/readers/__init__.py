"""Readers of text files: one module per format, each a stream of documents in parts.

The file name determines the format and the compression (`kinds`), the first bytes must agree
(`content`), and every reader gets its text from a `DataFile`, which decompresses, decodes and
formulates the errors.
"""

from slm.data.readers.kinds import EXTENSIONS, READABLE, Format, Kind, is_readable, kind_of
from slm.data.readers.reading import check_file, read_documents, rows_of, text_bytes_of

__all__ = [
    "EXTENSIONS",
    "READABLE",
    "Format",
    "Kind",
    "check_file",
    "is_readable",
    "kind_of",
    "read_documents",
    "rows_of",
    "text_bytes_of",
]
