"""The documents of one file, whatever its format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from slm.data.documents import DocumentPart
from slm.data.markers import without_markers
from slm.data.readers.content import check_content, check_kind
from slm.data.readers.csv import read_csv_file
from slm.data.readers.data_file import DataFile
from slm.data.readers.json import read_json_file
from slm.data.readers.kinds import Format, kind_of
from slm.data.readers.parquet import parquet_rows, read_table
from slm.data.readers.text import read_text_file
from slm.errors import DataError

Log = Callable[[str], None]
"""Called with a sentence about how a file is understood, where that is a guess."""


def read_documents(
    path: Path, *, name: str | None = None, format: Format | None = None, log: Log | None = None
) -> Iterator[DocumentPart]:
    """The documents of one file, in pieces, by the kind that its name says.

    Args:
        path: the file.
        name: what errors call it; None: its path. Give one for a file that is not the user's own.
        format: what it holds, where its name does not say it.
        log: called with what is worth knowing about the file; the same again at each reading.

    Raises:
        DataError: at once, if the file is of another kind than its name says; later, if it cannot
            be read or is damaged.
    """
    file = DataFile(path, name=name, format=format)
    check_content(file)
    if file.format == "text":
        return read_text_file(file, log=log)
    if file.format == "json":
        rows = read_json_file(file)
    elif file.format == "csv":
        rows = read_csv_file(file, log=log)
    else:
        rows = read_table(file)
    return without_markers(rows, name=file.name, log=log)


def check_file(path: Path) -> None:
    """Refuse a path that is not a file of a readable kind, as far as names tell.

    Raises:
        DataError: it is not.
    """
    if not path.is_file():
        raise DataError(f"{path} is not a regular file", hint="give a file or a folder of files")
    check_kind(DataFile(path))


def rows_of(path: Path) -> int | None:
    """The number of documents, where a file says it without being read; else None."""
    return parquet_rows(path) if kind_of(path.name).format == "parquet" else None


def text_bytes_of(path: Path) -> int | None:
    """About how many bytes of text a file has; None where it is compressed."""
    kind = kind_of(path.name)
    if kind.compression is not None or kind.format == "parquet":
        return None
    return path.stat().st_size
