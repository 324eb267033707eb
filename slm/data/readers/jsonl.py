"""JSON Lines: one document a line, as `{"text": ...}`, `{"story": ...}` or a plain string.

Read by ourselves and not by `datasets`, whose reader takes a whole file into memory after a bad
line and cannot say which line it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slm.data.documents import Piece, pieces_of
from slm.errors import DataError
from slm.reading import bounded_lines, open_regular

TEXT_FIELDS = ("text", "story")
LONGEST_LINE_BYTES = 64 << 20


def read_jsonl_file(path: Path) -> Iterator[Piece]:
    """The documents of a JSON Lines file; blank lines and documents of white space are left out.

    Raises:
        DataError: the file cannot be read, or a line is not what it should be; the message gives
            the line's number.
    """
    try:
        with open_regular(path) as stream:
            for number, line in enumerate(bounded_lines(stream, LONGEST_LINE_BYTES), start=1):
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                if line.isspace():
                    continue
                text = _text_of(line, f"{path}, line {number:,}")
                if text and not text.isspace():
                    yield from pieces_of(text)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def _text_of(line: bytes, where: str) -> str:
    try:
        value: Any = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is not UTF-8: {error.reason} at byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise DataError(
            f"{where} is not JSON: {reason}", hint="each line holds one JSON object or string"
        ) from None
    if isinstance(value, dict):
        field = next((name for name in TEXT_FIELDS if name in value), None)
        if field is None:
            found = ", ".join(repr(str(name)[:40]) for name in list(value)[:8]) or "nothing"
            raise DataError(
                f"{where} has no field 'text' or 'story', found {found}",
                hint="rename the field that holds the story to 'text'",
            )
        value = value[field]
        where = f"{where}, field {field!r}"
    if value is None:
        return ""
    if not isinstance(value, str):
        raise DataError(f"{where} holds a {type(value).__name__}, expected a string")
    if b"\\u" in line:  # only an escape can smuggle in half of a surrogate pair
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise DataError(f"{where} holds a lone surrogate, which is not valid text") from None
    return value
