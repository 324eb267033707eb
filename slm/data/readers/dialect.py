"""Detects the dialect of a CSV file: its delimiter, and whether its first row is a header.

The delimiter is the one with which the first rows have the same number of fields. `csv.Sniffer` is
not used: it may return a letter, and it does not parse quoted fields.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from slm.data.readers.columns import text_name

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

DELIMITERS = (",", "\t", ";", "|")
DELIMITER_NAMES = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars", " ": "spaces"}
_NOT_IN_PROSE = "^~\xa6\xa7\x01\x1e\x1f"
"""Delimiters of database exports, which also occur in files with the extension of plain text."""
_NEVER_DELIMITERS = "\"'`_-.()[]{}\\"
_DECLARED = re.compile(r"""\"?sep=([^"'`\\\r\n])\"?\s*""", re.IGNORECASE)
"""Quotes and line ends are not delimiters, and the `csv` module of Python 3.13 raises for them."""
_RULE = re.compile(r":?-{2,}:?")
_MOST_SHARE = 0.9
"""Minimum share of rows with the same number of fields as the first."""
_LEAST_PADDED_ROWS = 3
_PROSE_WORDS = 6
_PROSE_END = re.compile("[.!?\u2026\u3002\uff01\uff1f][\"'\u201d\u2019\xbb)]*\\s*$")


class Dialect(NamedTuple):
    """How fields are separated and quoted.

    Attributes:
        delimiter: one character.
        quotes: how a quoted field contains a quote: `doubled`, or `escaped` by a backslash, which
            databases use; `plain`: fields are never quoted, which is usual in files with tabs.
        skip_spaces: whether blanks before a field are dropped.
        declared: whether the first line declares the delimiter (`sep=;`) and is not a row.
        quote: the character that encloses a field with a delimiter in it.
    """

    delimiter: str
    quotes: Literal["doubled", "escaped", "plain"] = "doubled"
    skip_spaces: bool = False
    declared: bool = False
    quote: str = '"'

    def reader(self, lines: Iterable[str]) -> CsvReader:
        """The rows of lines in this dialect; invalid quoting is an error."""
        return csv.reader(
            lines,
            strict=True,
            delimiter=self.delimiter,
            quotechar=self.quote,
            skipinitialspace=self.skip_spaces and self.delimiter != " ",
            doublequote=self.quotes == "doubled",
            escapechar="\\" if self.quotes == "escaped" else None,
            quoting=csv.QUOTE_NONE if self.quotes == "plain" else csv.QUOTE_MINIMAL,
        )


class _Rows(NamedTuple):
    """The rows of a sample, parsed with one dialect.

    Attributes:
        dialect: the dialect.
        rows: without blank lines.
        share: share of the other rows that have the same number of fields as the first; 0 if a row
            cannot be parsed.
    """

    dialect: Dialect
    rows: list[list[str]]
    share: float

    @property
    def width(self) -> int:
        return len(self.rows[0]) if self.rows else 0

    @property
    def is_table(self) -> bool:
        return self.width > 1 and len(self.rows) > 1 and self.share >= _MOST_SHARE

    @property
    def is_padded(self) -> bool:
        """Whether every field but those of the first column begins with a blank."""
        below = self.rows[1:]
        if self.width < 2 or len(below) < _LEAST_PADDED_ROWS:
            return False
        fields = [field for row in below for field in row[1:] if field.strip()]
        return bool(fields) and all(field[0] == " " for field in fields)


def find_dialect(lines: Sequence[str], preferred: str, *, whole: bool) -> Dialect:
    """The dialect of the first lines of a file.

    Args:
        lines: the first lines, with their line ends.
        preferred: the usual delimiter for its extension; it wins a tie.
        whole: whether these are all lines; otherwise the last row may be truncated.
    """
    declared = _DECLARED.fullmatch(lines[0]) if lines else None
    if declared is not None:
        lines = lines[1:]
        best = _parsed_with_any_quoting(lines, declared[1], whole)
    else:
        candidates = dict.fromkeys((preferred, *DELIMITERS))
        parsed = {mark: _parsed_with_any_quoting(lines, mark, whole) for mark in candidates}
        best = parsed[_best(parsed, preferred)]
        if best.width < 2:
            best = _with_rare_delimiter(lines, whole) or best
    found = best.dialect._replace(declared=declared is not None)
    spaced = found._replace(skip_spaces=True)
    if best.is_padded or any(
        field[:1] == " " and field.lstrip(" ")[:1] == '"' for row in best.rows for field in row
    ):
        return spaced if _parsed(lines, spaced, whole).share >= best.share else found
    return found


def _best(parsed: dict[str, _Rows], preferred: str) -> str:
    named = [mark for mark, found in parsed.items() if found.width > 1 and _names_text(found)]
    tables = [mark for mark, found in parsed.items() if found.is_table]
    for good in ([mark for mark in named if mark in tables], named, tables):
        if preferred in good:
            return preferred
        if good:
            return max(good, key=lambda mark: (parsed[mark].share, parsed[mark].width))
    return preferred


def _names_text(found: _Rows) -> bool:
    return text_name(found.rows[0]) is not None


def _with_rare_delimiter(
    lines: Sequence[str], whole: bool, *, among: str | None = None
) -> _Rows | None:
    """The rows of a table with an unusual delimiter; None if no character gives rows of equal
    length below a header.

    Args:
        lines, whole: see `find_dialect`.
        among: the characters to try; None: all that separate words in the first line.
    """
    for mark in dict.fromkeys(lines[0].rstrip("\r\n") if lines else ""):
        if mark.isalnum() or mark in (*DELIMITERS, *_NEVER_DELIMITERS):
            continue
        if among is not None and mark not in among:
            continue
        if mark == " " and not any(' "' in line or line.startswith('"') for line in lines):
            continue  # words
        found = _parsed_with_any_quoting(lines, mark, whole)
        if found.is_table and _has_names(found.rows[0]):
            if _names_text(found):
                return found
            numbers = _columns_of_numbers(found)
            is_clear = (
                found.share == 1.0 and mark != " " and not has_data(found.rows[0], found.rows[1:])
            )
            if is_clear and any(numbers) and not all(numbers):
                return found
    return None


def _parsed_with_any_quoting(lines: Sequence[str], delimiter: str, whole: bool) -> _Rows:
    """The rows with a delimiter; quotes are doubled unless only another quoting parses."""
    first = _parsed(lines, Dialect(delimiter), whole)
    for quote in "'`":
        quoted = _parsed_with(quote, lines, delimiter, whole)
        if quoted is not None and quoted.share >= first.share:
            return quoted
    if first.share:
        return first
    others = []
    if any('\\"' in line for line in lines):
        others.append(Dialect(delimiter, "escaped"))
    if delimiter == "\t":
        others.append(Dialect(delimiter, "plain"))
    tried = (_parsed(lines, dialect, whole) for dialect in others)
    return next((rows for rows in tried if rows.is_table), first)


def _parsed_with(quote: str, lines: Sequence[str], delimiter: str, whole: bool) -> _Rows | None:
    """The rows of a table in which nearly every row has a field in nonstandard quotes."""
    if any(line.startswith('"') or f'{delimiter}"' in line for line in lines):
        return None
    after = (f"{delimiter}{quote}", f"{delimiter} {quote}")
    n_quoted = sum(line.startswith(quote) or any(s in line for s in after) for line in lines)
    if n_quoted < 2:
        return None
    tried = [Dialect(delimiter, quote=quote)]
    if any(f"\\{quote}" in line for line in lines):
        tried.append(Dialect(delimiter, "escaped", quote=quote))
    if any(after[1] in line for line in lines):
        tried = [dialect._replace(skip_spaces=True) for dialect in tried]
    for dialect in tried:
        found = _parsed(lines, dialect, whole)
        if found.is_table and n_quoted >= _MOST_SHARE * (len(found.rows) - 1):
            return found
    return None


def _parsed(lines: Sequence[str], dialect: Dialect, whole: bool) -> _Rows:
    reader = dialect.reader(lines)
    rows: list[list[str]] = []
    failed = False
    try:
        rows.extend(
            row for row in reader if row and not is_rule(row)
        )  # keeps those before an error
    except csv.Error:
        failed = whole or reader.line_num < len(lines)
    below = rows[1:]
    equal = sum(len(row) == len(rows[0]) for row in below)
    return _Rows(dialect, rows, 0.0 if failed else equal / len(below) if below else 1.0)


def is_evident_table(lines: Sequence[str], *, whole: bool) -> str | None:
    """The delimiter of lines that are evidently a table with a column of text; None: they may be
    prose. Prose may have a comma in every line, but it does not have column names."""
    for mark in DELIMITERS:
        found = _parsed_with_any_quoting(lines, mark, whole)
        if not (found.is_table and len(found.rows) > 2 and found.share == 1.0):
            continue
        header, below = found.rows[0], found.rows[1:]
        if not _has_names(header):
            continue
        if _names_text(found):
            return mark
        numbers = _columns_of_numbers(found)
        if all(numbers) or has_data(header, below):
            continue
        is_quoted = any(f'{mark}"' in line or line.startswith('"') for line in lines[1:])
        is_all_quoted = all(f'"{mark}"' in line for line in lines[1:])
        if is_all_quoted or (any(numbers) and (is_quoted or found.width > 2)):
            return mark
    rare = _with_rare_delimiter(lines, whole, among=_NOT_IN_PROSE)
    return rare.dialect.delimiter if rare is not None else None


def _has_names(header: Sequence[str]) -> bool:
    return all(re.fullmatch(r"[\w .-]{1,40}", name.strip()) for name in header)


def _columns_of_numbers(table: _Rows) -> list[bool]:
    """Whether every column contains only numbers below its name."""
    below = [row for row in table.rows[1:] if len(row) == table.width]
    return [all(map(is_number, column)) for column in zip(*below, strict=True)]


def has_data(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether the first row of a table is data and not column names.

    Names are neither numbers above numbers nor sentences, and do not occur in their own columns.
    """
    if text_name(first) is not None:
        return False
    if [cell for cell in first if cell.strip()] == [str(n) for n in range(_filled(first))]:
        return False  # how pandas numbers columns without names
    for column, cell in enumerate(first):
        values = [row[column] for row in below if column < len(row)]
        if cell.strip() and is_number(cell) and all(map(is_number, values)):
            return True
        if is_number(cell):
            continue
        words = len(cell.split())
        is_prose = words > _PROSE_WORDS or "\n" in cell
        if is_prose or (words > 1 and _PROSE_END.search(cell)) or cell in values:
            return True
    return False


def is_rule(row: Sequence[str]) -> bool:
    """Whether a row is the line below the header of a Markdown table."""
    cells = [cell.strip() for cell in row if cell.strip()]
    return len(row) > 1 and bool(cells) and all(_RULE.fullmatch(cell) for cell in cells)


def delimiter_name(mark: str) -> str:
    """The name of a delimiter in messages."""
    return DELIMITER_NAMES.get(mark) or f"the character {mark!r}"


def _filled(row: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in row)


def is_number(field: str) -> bool:
    """Whether a field is empty or a number."""
    try:
        float(field.replace(",", ".") or 0)
    except ValueError:
        return False
    return True
