"""CSV files: one document per row, in the column `text` or `story`, or the only one of words.

The fields may be separated by commas, semicolons, tabs or bars; a first row that is clearly not
column names is a document like the others. The `datasets` reader is not used because it creates a
folder in the home directory, which may be read-only, and does not report which line is damaged.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from slm.data.documents import DocumentPart, parts_of
from slm.data.readers.columns import EXPECTED, text_name, text_names
from slm.data.readers.data_file import LONGEST_LINE_BYTES, DataFile, decoded_lines
from slm.data.readers.dialect import delimiter_name, find_dialect, has_data, is_number, is_rule
from slm.errors import DataError, shell_path
from slm.log import Log, silent

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

_ROWS_LOOKED_AT = 500
_LINES_LOOKED_AT = 200
_CHARACTERS_LOOKED_AT = 1 << 18
_NULL = "\\N"
"""How databases export a missing value."""
_PREFERRED = {".tsv": "\t", ".tab": "\t", ".psv": "|"}


def read_csv_file(file: DataFile, *, log: Log | None = None) -> Iterator[DocumentPart]:
    """The documents of a CSV file; rows of white space are skipped.

    Args:
        file: the file.
        log: is called with sentences about how an ambiguous file is read.

    Raises:
        DataError: the file cannot be read, a row does not fit the first, or no column contains the
            text; the message has the line number.
    """
    # The module has one limit for the process, and stories may be longer.
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE_BYTES))
    log = log or silent
    lines = decoded_lines(file)
    sample, whole = _sample(lines)
    dialect = find_dialect(sample, _PREFERRED.get(file.kind.extension, ","), whole=whole)
    lines = itertools.chain(sample, lines)
    if dialect.declared:
        next(lines)
    rows = _Rows(dialect.reader(lines), file, lines_before=int(dialect.declared))
    first_rows = list(itertools.islice(rows, _ROWS_LOOKED_AT))
    if not first_rows:
        return
    first, below = first_rows[0], first_rows[1:]
    if has_names := not has_data(first, below):
        column = _text_column(first, below, file)
        named = text_name(first)
        if named is None or first[column].strip().lower() != named.strip().lower():
            log(
                f"note: {file.name}: the first row is read as column names, and the column "
                f"{first[column][:40]!r} as the text"
            )
    else:
        column = _column_without_names(first_rows, file, dialect.delimiter)
        log(f"note: {file.name}: no column names; the first row is read as a story too")
        below = first_rows
    for row in itertools.chain(below, rows):
        if has_names and row == first:
            log(f"note: {file.name}: rows that repeat the column names are skipped")
            continue
        text = row[column].replace("\r\n", "\n")
        if dialect.skip_spaces:
            text = text.rstrip(" ")
        if text and not text.isspace() and text != _NULL:
            yield from parts_of(text)


def _sample(lines: Iterator[str]) -> tuple[list[str], bool]:
    """The first lines, and whether these are all lines."""
    sample: list[str] = []
    characters = 0
    for line in lines:
        sample.append(line)
        characters += len(line)
        if len(sample) >= _LINES_LOOKED_AT or characters >= _CHARACTERS_LOOKED_AT:
            return sample, False
    return sample, True


class _Rows:
    """The rows without blank lines, each as long as the first."""

    def __init__(self, reader: CsvReader, file: DataFile, *, lines_before: int) -> None:
        self._reader = reader
        self._file = file
        self._lines_before = lines_before
        self._width: int | None = None
        self._n_rows = 0

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        row: list[str] = []
        while not row or is_rule(row):
            try:
                row = next(self._reader)
            except csv.Error as error:
                raise self._error(error) from None
        if self._width is None:
            self._width = len(row)
        if len(row) != self._width:
            separators = delimiter_name(self._reader.dialect.delimiter)
            above = ""
            if self._n_rows == 1:
                above = "the first row names the columns: give each column a name, and remove "
                above += "lines above it; "
            raise DataError(
                f"cannot read {self._file.name}: the row that ends in line {self._line:,} has "
                f"{len(row)} fields, the first row {self._width}",
                hint=f"{above}the fields are separated by {separators}; one with such a character "
                "in it is written between quotes",
            )
        self._n_rows += 1
        return row

    @property
    def _line(self) -> int:
        return self._reader.line_num + self._lines_before

    def _error(self, error: csv.Error) -> DataError:
        if "new-line character" in str(error):
            new = shell_path(self._file.new_name(suffix="-lines"))
            return DataError(
                f"cannot read {self._file.name}: its lines end with carriage returns alone, in "
                f"line {self._line:,}",
                hint="convert them to newlines in a new file: "
                f"{self._file.printing_command()} | tr '\\r' '\\n' > {new}",
            )
        return DataError(
            f"cannot read {self._file.name}: {error}, in line {self._line:,}",
            hint='a field with a quote in it is written as "so called ""quoted"" text"',
        )


def _text_column(names: list[str], rows: list[list[str]], file: DataFile) -> int:
    with_words = _columns_with_words(rows)
    named = [names.index(name) for name in text_names(names)]
    if named:
        return next((column for column in named if column in with_words), named[0])
    if len(with_words) == 1:
        return with_words[0]
    found = ", ".join(repr(name[:40]) for name in names[:12])
    raise DataError(
        f"{file.name} has no text column {EXPECTED}, found {found or 'no columns'}",
        hint="rename the column of the stories to 'text'",
    )


def _column_without_names(rows: list[list[str]], file: DataFile, delimiter: str) -> int:
    with_words = _columns_with_words(rows)
    if len(with_words) == 1:
        return with_words[0]
    longest = max(range(len(rows[0])), key=lambda column: sum(len(row[column]) for row in rows))
    names = ["text" if column == longest else f"c{column + 1}" for column in range(len(rows[0]))]
    header = delimiter.join(names).replace("\t", "\\t")
    new = shell_path(file.new_name(file.kind.extension or ".csv", suffix="-named"))
    raise DataError(
        f"{file.name} has no column names, and {len(with_words) or 'no'} columns contain words",
        hint=f"name them in a new file; if column {longest + 1} contains the stories: "
        f"(printf '{header}\\n'; {file.printing_command()}) > {new}",
    )


def _columns_with_words(rows: list[list[str]]) -> list[int]:
    width = len(rows[0]) if rows else 0
    return [column for column in range(width) if not all(is_number(row[column]) for row in rows)]
