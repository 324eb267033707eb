"""Checks that the beginning of a file agrees with the format of its name.

If the beginning is clearly something else, such as JSON in a file named `.txt`, the syntax would be
learned, or reading would fail with a confusing message. The file is refused with the reason
instead, and with the step that fixes it.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Literal

from slm.data.readers.compression import MAGIC, SKIPPABLE_ZSTD, member_name
from slm.data.readers.data_file import DataFile
from slm.data.readers.dialect import delimiter_name, is_evident_table
from slm.data.readers.kinds import COMPRESSIONS, READABLE, Format, kind_of, step_for
from slm.errors import DataError, shell_path
from slm.storage.encodings import mark_of
from slm.storage.safe_reading import kind_by_magic
from slm.tokenizer.base import EOT_TEXT

HEAD_BYTES = 1 << 16
_PARQUET_MAGIC = b"PAR1"
_ARROW_MAGICS = (b"ARROW1\x00\x00", b"\xff\xff\xff\xff")
_BINARY: dict[Format, tuple[tuple[bytes, ...], str]] = {
    "parquet": ((_PARQUET_MAGIC,), "a Parquet file"),
    "arrow": (_ARROW_MAGICS, "an Arrow file"),
}

_BINARY_EXTENSIONS = (
    (_PARQUET_MAGIC, ".parquet"),
    *((magic, ".arrow") for magic in _ARROW_MAGICS),
)
_BINARY_NAMES = {".parquet": "a Parquet file", ".arrow": "an Arrow file"}

Evidence = Literal["json values", "json lines", "python", "csv", "html", "xml", "rtf", "lfs"]

_NAMES: dict[Evidence, str] = {
    "json values": "JSON",
    "json lines": "JSON Lines",
    "python": "dictionaries as Python prints them",
    "html": "an HTML page",
    "xml": "an XML document",
    "rtf": "a Rich Text document",
    "lfs": "a Git LFS pointer, not the file itself",
}
_EXTENSIONS: dict[Evidence, str] = {"json values": ".json", "json lines": ".jsonl"}
_STARTS: tuple[tuple[str, Evidence], ...] = (
    ("<!doctype html", "html"),
    ("<html", "html"),
    ("<?xml", "xml"),
    ("{\\rtf", "rtf"),
    ("version https://git-lfs.github.com/spec/", "lfs"),
)
_JSON_OBJECT = re.compile(r'\{\s*"(?:[^"\\\n]|\\.){0,200}"\s*:\s*["\[{\d+tfn-]')
_JSON_LIST = re.compile(r'\[\s*(?:\{\s*(?:"|\})|"(?:[^"\\]|\\.)*(?:"\s*[,\]]|$))')
_PYTHON_OBJECT = re.compile(r"\[?\s*\{\s*'(?:[^'\\\n]|\\.){0,200}'\s*:\s*['\"\[{\d+TFN-]")
_AS_JSON = (
    "import ast, json, sys; [print(json.dumps(ast.literal_eval(line))) "
    "for line in sys.stdin if line.strip()]"
)
"""A Python program that converts lines of dictionaries to lines of JSON."""


def evidence_in(head: str, *, whole: bool) -> tuple[Evidence, str] | None:
    """The format that the beginning of a text clearly has, and the delimiter of a table; None for
    plain text.

    Args:
        head: the beginning.
        whole: whether this is all of the text.
    """
    head = head.removeprefix("\ufeff").lstrip()
    lowered = head[:50].lower()
    for start, found in _STARTS:
        if lowered.startswith(start):
            return found, ""
    if _JSON_LIST.match(head):
        return "json values", ""
    if _JSON_OBJECT.match(head):
        return ("json lines" if _is_value(head, whole=whole) else "json values"), ""
    if _PYTHON_OBJECT.match(head):
        return "python", ""
    lines = head.splitlines(keepends=True)
    delimiter = is_evident_table(lines if whole else lines[:-1], whole=whole)
    return ("csv", delimiter) if delimiter is not None else None


def _is_value(head: str, *, whole: bool) -> bool:
    """Whether the first line is a whole JSON value, or too long to see its end."""
    line, end, _ = head.partition("\n")
    if not end and not whole:
        return True
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def check_content(file: DataFile) -> None:
    """Refuse a file whose beginning contradicts its name.

    Raises:
        DataError: it has an unknown format, is empty, or its content or compression is another one.
    """
    check_kind(file)
    _check_packing(file)
    if file.format is None:
        with file.open_packed() as stream:  # a zip archive
            step = step_for(member_name(stream))
        rename = file.rename_command(".txt" + file.packing)
        raise DataError(
            f"{file.name} does not say what is in it, expected the name of one of {READABLE}",
            hint=f"unpack it; then {step}" if step else f"if it holds text, rename it: {rename}",
        )
    with file.open() as stream:
        head = stream.read(HEAD_BYTES)
    whole = len(head) < HEAD_BYTES
    format = file.format
    if not head and format in _BINARY:
        raise DataError(f"{file.name} is empty", hint="give a file that holds text")
    magic = None if mark_of(head) else kind_by_magic(head[:16])
    found = _evidence(head, whole=whole)
    if format in _BINARY:
        magics, expected = _BINARY[format]
        if not head.startswith(magics):
            extension = _binary_extension(head)
            is_found = _BINARY_NAMES.get(extension or "") or magic
            is_found = is_found or (_name_of(found) if found else "something else")
            step = _step(file, found[0]) if found else "fetch the file again"
            if extension is not None:
                step = f"rename it: {file.rename_command(extension)}"
            raise DataError(f"cannot read {file.name}: it is {is_found}, not {expected}", hint=step)
        return
    magic = magic or _BINARY_NAMES.get(_binary_extension(head) or "")
    if magic is not None:
        raise DataError(
            f"{file.name} is {magic}, not text", hint=_step_for_magic(file, head, magic)
        )
    if found is None or _fits(found[0], format):
        return
    if format == "text" and EOT_TEXT.encode() in head:
        return  # a text with markers is meant as it is
    expected = {"text": "plain text", "json": "JSON", "csv": "CSV"}[format]
    raise DataError(
        f"{file.name} holds {_name_of(found)}, not {expected}", hint=_step(file, found[0])
    )


def _fits(found: Evidence, format: Format) -> bool:
    if format == "json":
        return found in ("json values", "json lines")
    return format == found


def _evidence(head: bytes, *, whole: bool) -> tuple[Evidence, str] | None:
    if b"\0" in head:
        return None
    return evidence_in(head.decode("utf-8", "replace"), whole=whole)


def _name_of(found: tuple[Evidence, str]) -> str:
    evidence, delimiter = found
    if evidence == "csv":
        return f"a table (CSV, its fields separated by {delimiter_name(delimiter)})"
    return _NAMES[evidence]


def _step(file: DataFile, found: Evidence) -> str:
    """The hint for a file whose content contradicts its name."""
    as_it_is = ""
    if file.format == "text":
        as_it_is = f"to learn it just as it is written, put a line {EOT_TEXT} before it; "
    if found == "lfs":
        return "download the real file: git lfs pull"
    if found == "html":
        return f"{as_it_is}if a page of a web site was saved in place of a file, fetch it again"
    if found in ("xml", "rtf"):
        return f"{as_it_is}save it as plain text in UTF-8 with the program for such files"
    if found == "python":
        new = shell_path(file.new_name(".jsonl"))
        return (
            f"{as_it_is}to learn the texts in it, write them as JSON into a new file: "
            f"{file.printing_command()} | python3 -c {shlex.quote(_AS_JSON)} > {new}"
        )
    if file.kind.compression == "zip":
        return f"{as_it_is}to learn the texts in it, unpack it first"
    command = file.rename_command(_EXTENSIONS.get(found, ".csv") + file.packing)
    return f"{as_it_is}to learn the texts in it, rename it: {command}"


def _step_for_magic(file: DataFile, head: bytes, magic: str) -> str:
    """The hint for binary content in a file with a text name."""
    extension = _binary_extension(head)
    if extension is None and file.kind.compression is None and magic.endswith("archive"):
        extension = _packing_of(head)
        extension = extension and file.kind.extension + extension
    if extension is None or file.kind.compression is not None:
        return "unpack or convert it, and give the text"
    return f"rename it: {file.rename_command(extension)}"


def _binary_extension(head: bytes) -> str | None:
    """The extension of the table that the first bytes begin."""
    return next((name for begin, name in _BINARY_EXTENSIONS if head.startswith(begin)), None)


def _packing_of(head: bytes) -> str | None:
    """The extension of the compression that the first bytes are of."""
    found = next((name for name, magic in MAGIC.items() if head.startswith(magic)), None)
    return next((extension for extension, name in COMPRESSIONS.items() if name == found), None)


def _check_packing(file: DataFile) -> None:
    """See that a file is packed as its name says, and learn the format of what a zip holds.

    Raises:
        DataError: it is not, or it holds what cannot be read in one go.
    """
    compression = file.kind.compression
    if compression is None:
        return
    with file.open_packed() as stream:
        head = stream.read(16)
        if not head:
            raise DataError(f"{file.name} is empty", hint="fetch the file again")
        if not head.startswith(MAGIC[compression]) and head[1:4] != SKIPPABLE_ZSTD:
            found = kind_by_magic(head) or "not compressed"
            extension = (file.kind.extension or ".txt") + (_packing_of(head) or "")
            raise DataError(
                f"{file.name} is {found}, and its name says {compression}",
                hint=f"if the file is whole, rename it: {file.rename_command(extension)}",
            )
        if compression == "zip":
            inside = kind_of(member_name(stream))
            if inside.format is not None and inside.compression is None:
                file.format = inside.format
    if file.format in _BINARY:
        new = file.new_name(file.kind.extension or f".{file.format}")
        raise DataError(
            f"{file.name} holds {_BINARY[file.format][1]}, which is read unpacked only",
            hint=f"unpack it into a new file: {file.printing_command()} > {shell_path(new)}",
        )


def check_kind(file: DataFile) -> None:
    """Refuse a file whose name does not say what it holds, without reading its text.

    Raises:
        DataError: its name has no extension, or an unknown one.
    """
    if file.format is not None or file.kind.compression == "zip":
        return
    step = step_for(file.path.name)
    if step is None:
        with file.open() as stream:
            head = stream.read(HEAD_BYTES)
        magic = None if mark_of(head) else kind_by_magic(head[:16])
        extension = _binary_extension(head)
        if magic is not None or extension is not None:
            raise DataError(
                f"{file.name} is {magic or _BINARY_NAMES[extension or '']}, and its name is of an "
                "unknown kind",
                hint=_step_for_magic(file, head, magic or ""),
            )
        found = _evidence(head, whole=len(head) < HEAD_BYTES)
        if found is None or found[0] == "csv" or found[0] in _EXTENSIONS:
            extension = _EXTENSIONS.get(found[0], ".csv") if found else ".txt"
            step = f"if it holds text, rename it: {file.rename_command(extension + file.packing)}"
        else:
            step = _step(file, found[0])
    raise DataError(f"{file.name} is of an unknown kind, expected one of {READABLE}", hint=step)
