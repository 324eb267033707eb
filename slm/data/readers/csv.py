"""CSV files: one document a row, in the column `text` or `story`, or the only one with words.

Read by ourselves and not by `datasets`, whose reader makes a folder in the home directory, which
may be read-only, and cannot say which line is damaged.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from slm.data.documents import Piece, pieces_of
from slm.errors import DataError
from slm.reading import bounded_lines, open_regular

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

TEXT_COLUMNS = ("text", "story")
LONGEST_LINE_BYTES = 64 << 20
_ROWS_LOOKED_AT = 500


def read_csv_file(path: Path) -> Iterator[Piece]:
    """The documents of a CSV file (UTF-8, a header, commas); rows of white space are left out.

    Raises:
        DataError: the file cannot be read, a row does not fit the header, or no column holds the
            text; the message gives the line's number.
    """
    # A limit of the module for every reader of the process: stories may be longer than it has.
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE_BYTES))
    try:
        with open_regular(path) as stream:
            reader = csv.reader(_lines(stream, path), strict=True)
            header = _next_row(reader, path) or []
            rows = _rows(reader, len(header), path)
            first_rows = list(itertools.islice(rows, _ROWS_LOOKED_AT))
            column = _text_column(header, first_rows, path)
            for row in itertools.chain(first_rows, rows):
                text = row[column]
                if text and not text.isspace():
                    yield from pieces_of(text)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def _lines(stream: BinaryIO, path: Path) -> Iterator[str]:
    """Lines with their ends, which may stand in a quoted field; without a byte order mark."""
    for number, line in enumerate(bounded_lines(stream, LONGEST_LINE_BYTES), start=1):
        if b"\0" in line:
            raise DataError(f"{path}, line {number:,} is not text: it holds a zero byte")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path}, line {number:,} is not UTF-8: {error.reason} at byte {error.start}",
                hint=f"convert it first, as: iconv -f LATIN1 -t UTF-8 {path.name}",
            ) from None
        yield text.removeprefix("\ufeff") if number == 1 else text


def _next_row(reader: CsvReader, path: Path) -> list[str] | None:
    """The next row; none at the end, an empty one for a blank line."""
    try:
        return next(reader, None)
    except csv.Error as error:
        raise DataError(
            f"cannot read {path}: {error}, in line {reader.line_num:,}",
            hint='a field with a quote in it is written as "so called ""quoted"" text"',
        ) from None


def _rows(reader: CsvReader, width: int, path: Path) -> Iterator[list[str]]:
    """The rows below the header, without blank lines."""
    while (row := _next_row(reader, path)) is not None:
        if row and len(row) != width:
            raise DataError(
                f"cannot read {path}: the row that ends in line {reader.line_num:,} has "
                f"{len(row)} fields, the header {width}",
                hint="a field with a comma in it stands between quotes",
            )
        if row:
            yield row


def _text_column(header: list[str], rows: list[list[str]], path: Path) -> int:
    for name in TEXT_COLUMNS:
        if name in header:
            return header.index(name)
    with_words = [
        column for column in range(len(header)) if not all(_is_number(row[column]) for row in rows)
    ]
    if len(with_words) == 1:
        return with_words[0]
    found = ", ".join(repr(name[:40]) for name in header[:12])
    raise DataError(
        f"{path} has no text column 'text' or 'story', found {found or 'no columns'}",
        hint="rename the column that holds the story to 'text'",
    )


def _is_number(field: str) -> bool:
    """Whether a field is empty or a number."""
    try:
        float(field or 0)
    except ValueError:
        return False
    return True
