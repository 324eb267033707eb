"""JSON files: one document per line, list element, or consecutive object.

A document is `{"text": ...}`, `{"story": ...}` or a plain string. JSON Lines are read line by line,
so that errors name the line; a list and indented objects are read value by value, so that the file
does not have to fit in memory. After an invalid line, `datasets` would read the whole file into
memory, and it does not report the line number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from slm.data.documents import DocumentPart, parts_of
from slm.data.readers.columns import EXPECTED, text_name
from slm.data.readers.content import HEAD_BYTES, evidence_in
from slm.data.readers.data_file import DataFile, decoded_blocks, decoded_lines
from slm.data.readers.json_steps import decoding_step, step_for_value
from slm.errors import DataError

LONGEST_VALUE_CHARS = 32 << 20
BLOCK_BYTES = 1 << 20
_MOST_BRACKETS = 1 << 20
"""Maximum number of lists and objects in a value: each takes far more memory than text."""
_BLANKS = re.compile(r"[ \t\n\r]*")
_MARGIN = 16
"""An error within this many characters of the end may mean that more has to be read."""


def read_json_file(file: DataFile) -> Iterator[DocumentPart]:
    """The documents of a JSON file; documents of white space are skipped.

    Raises:
        DataError: the file cannot be read, or a value is invalid; the message has the line number.
    """
    with file.open() as stream:
        head = stream.read(HEAD_BYTES)
    found = evidence_in(head.decode("utf-8", "replace"), whole=len(head) < HEAD_BYTES)
    is_lines = found is None or found[0] != "json values"
    for value, where, root in _lines(file) if is_lines else _values(file):
        text = _text_of(value, where, file, root)
        if text and not text.isspace():
            yield from parts_of(text)


def _lines(file: DataFile) -> Iterator[tuple[Any, str, str]]:
    for number, line in enumerate(decoded_lines(file), start=1):
        if line.isspace() or not line:
            continue
        where = f"{file.name}, line {number:,}"
        _check_brackets(line, where)
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{where} is not JSON: {_reason(error)}",
                hint="each line must be one JSON object or string",
            ) from None
        yield value, where, "."


def _values(file: DataFile) -> Iterator[tuple[Any, str, str]]:
    """The elements of a list, or consecutive values, each with its location and its jq path.
    A comma after the last one, or after each line, is accepted."""
    reader = _ValueReader(file)
    in_list = reader.takes("[")
    root = ".[]" if in_list else "."
    has_comma = True
    while not reader.is_at_end():
        if in_list and reader.takes("]"):
            if not reader.is_at_end():
                raise reader.error("something follows the end of the list")
            return
        if in_list and not has_comma:
            raise reader.error("expected a comma or the end of the list")
        where = reader.where()
        yield reader.value(), where, root
        has_comma = reader.takes(",")
    if in_list:
        raise reader.error("the list does not end")


class _ValueReader:
    """Parses JSON values from a file of which only a part is in memory."""

    def __init__(self, file: DataFile) -> None:
        self._file = file
        self._blocks = decoded_blocks(file, BLOCK_BYTES)
        self._decoder = json.JSONDecoder()
        self._text = ""
        self._at = 0
        self._line = 1
        self._counted_to = 0
        self._has_more = True

    def where(self) -> str:
        self._line += self._text.count("\n", self._counted_to, self._at)
        self._counted_to = self._at
        return f"{self._file.name}, line {self._line:,}"

    def error(self, reason: str) -> DataError:
        return DataError(
            f"{self.where()} is not JSON: {reason}",
            hint="is the file complete? It must be a list of JSON objects or strings",
        )

    def is_at_end(self) -> bool:
        """Skip blanks, and return whether the file ends there."""
        while True:
            blanks = _BLANKS.match(self._text, self._at)
            assert blanks is not None
            self._at = blanks.end()
            if self._at < len(self._text):
                return False
            if not self._has_more:
                return True
            self._read_more()

    def takes(self, character: str) -> bool:
        """Consume this character if it comes next, and return whether it did."""
        if self.is_at_end() or self._text[self._at] != character:
            return False
        self._at += 1
        return True

    def value(self) -> Any:
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except RecursionError:
                raise self.error("nested too deeply") from None
            except json.JSONDecodeError as error:
                is_cut = error.msg.startswith("Unterminated string")
                is_cut = is_cut or error.pos >= len(self._text) - _MARGIN
                if not (is_cut and self._has_more):
                    self._at = min(error.pos, len(self._text))
                    raise self.error(error.msg) from None
            except ValueError as error:  # an integer with more digits than Python accepts
                raise self.error(str(error)) from None
            else:
                if end < len(self._text) or not self._has_more:  # else a number may continue
                    self._at = end
                    return value
            size = len(self._text) - self._at
            if size > LONGEST_VALUE_CHARS:
                raise self.error(f"a value is longer than {LONGEST_VALUE_CHARS:,} characters")
            self._read_more(size)

    def _read_more(self, characters: int = 0) -> None:
        """Read as many characters as are buffered, so that little is parsed twice."""
        where = self.where()
        parts = [self._text[self._at :]]
        self._at = self._counted_to = 0
        read = 0
        while self._has_more and read <= characters:
            block = next(self._blocks, None)
            self._has_more = block is not None
            parts.append(block or "")
            read += len(block or "")
        self._text = "".join(parts)
        _check_brackets(self._text, where)


def _check_brackets(text: str, where: str) -> None:
    if len(text) > _MOST_BRACKETS and text.count("[") + text.count("{") > _MOST_BRACKETS:
        raise DataError(
            f"{where} contains too many lists and objects",
            hint="is it a list of stories? Each story is an object with a text field",
        )


def _reason(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def _text_of(value: Any, where: str, file: DataFile, root: str) -> str:
    outer = value
    if isinstance(value, dict):
        field = text_name(value)
        if field is None:
            found = ", ".join(repr(str(name)[:40]) for name in list(value)[:8]) or "nothing"
            raise DataError(
                f"{where} has no field {EXPECTED}, found {found}",
                hint=step_for_value(value, file, root=root)
                or "rename the field of the story to 'text'",
            )
        value = value[field]
        where = f"{where}, field {field[:40]!r}"
    elif isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        _refuse_json_inside(value, where, file, root)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise DataError(
            f"{where} is a {type(value).__name__}, expected a string",
            hint=step_for_value(outer, file, root=root)
            or "write each story as one string; pandas does with orient='records', lines=True",
        )
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:  # a JSON escape can be half of a surrogate pair
        raise DataError(
            f"{where} contains a lone surrogate, which is not valid text",
            hint="write the file again; half a character usually comes from truncated text",
        ) from None
    return value


def _refuse_json_inside(text: str, where: str, file: DataFile, root: str) -> None:
    """Reject a string that contains an object or list: the model would learn its syntax."""
    try:
        inner = json.loads(text)
    except (ValueError, RecursionError):
        return
    if inner and (isinstance(inner, dict) or isinstance(inner[0], dict | str)):
        raise DataError(
            f"{where} is JSON inside a string: it was encoded twice",
            hint=decoding_step(inner, file, root=root),
        )
