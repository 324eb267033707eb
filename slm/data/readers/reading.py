"""The documents of one file, whatever its format."""

from __future__ import annotations

from collections.abc import Iterator
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
from slm.log import Log


def read_documents(
    path: Path,
    *,
    name: str | None = None,
    format: Format | None = None,
    source: Path | str | None = None,
    allow_zero_bytes: bool = False,
    log: Log | None = None,
) -> Iterator[DocumentPart]:
    """The documents of one file, in parts, by the format of its name.

    Args:
        path: the file.
        name: its name in errors; None: its path. Give one for a file that is not the user's own.
        format: its format, if its name does not contain it.
        source: the folder or the dataset that it is a file of, for hints; None: it is one itself.
        allow_zero_bytes: whether text may contain zero bytes, to find and remove them.
        log: called with sentences about the file, the same ones at each reading.

    Raises:
        DataError: at once, if the file's content contradicts its name; later, if it cannot be read
            or is damaged.
    """
    file = DataFile(
        path, name=name, format=format, source=source, allow_zero_bytes=allow_zero_bytes
    )
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
    """Reject a path that is not a file or whose name has no readable format.

    Raises:
        DataError: it is not.
    """
    if not path.is_file():
        raise DataError(f"{path} is not a regular file", hint="give a file or a folder of files")
    check_kind(DataFile(path))


def rows_of(path: Path) -> int | None:
    """The number of documents, if the file's metadata contains it; otherwise None."""
    return parquet_rows(path) if kind_of(path.name).format == "parquet" else None


def text_bytes_of(path: Path) -> int | None:
    """The approximate size of a file's text in bytes; None if it is compressed."""
    kind = kind_of(path.name)
    if kind.compression is not None or kind.format == "parquet":
        return None
    return path.stat().st_size
