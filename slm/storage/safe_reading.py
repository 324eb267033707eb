"""Reads untrusted files: regular files only, bounded sizes, strict JSON and TOML, magic bytes.

A pipe in place of a file would block forever, and a sparse file of terabytes would fill the memory.
Problems are raised as `OSError` (the file) or `ValueError` (its content) with the reason; callers
turn them into errors that name the path.
"""

from __future__ import annotations

import bisect
import errno
import hashlib
import json
import math
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from slm.errors import shown

_LONG_KEY = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){32}""")
"""A dotted TOML key with more parts than any setting has."""
_MOST_LINES_OF_A_VALUE = 200
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)  # opening a pipe without a writer would block
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_MOST_VALUES = (1 << 20) + 1024
_MOST_MEMBERS = 1 << 19


def status_of(path: Path) -> os.stat_result | None:
    """The status of a path, with links followed; None if it does not exist or is inaccessible."""
    try:
        return path.stat()
    except (OSError, ValueError):  # also names that are too long or contain a null character
        return None


class TooLargeError(OSError):
    """What is read is larger than allowed. Not EFBIG, which is a file that cannot be written."""


def open_regular(path: Path, *, follow_links: bool = True) -> BinaryIO:
    """Open a regular file for reading, and nothing else; never waits.

    Args:
        path: the file.
        follow_links: whether the last part of the path may be a symbolic link.

    Raises:
        OSError: it is missing, cannot be read, or is a folder, a pipe, a device or a socket.
    """

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | _AT_ONCE | (0 if follow_links else _NO_LINK))

    try:
        stream = open(path, "rb", opener=opener)  # noqa: SIM115 - the caller closes it
    except OSError as error:
        if error.errno == errno.ELOOP and not follow_links:
            raise OSError(errno.ELOOP, "it is a link, not a file", str(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return stream


def read_bounded(path: Path, limit: int, *, follow_links: bool = True) -> bytes:
    """The content of a regular file that has at most `limit` bytes.

    Raises:
        OSError: see `open_regular`; or the file is larger.
    """
    with open_regular(path, follow_links=follow_links) as stream:
        if os.fstat(stream.fileno()).st_size > limit:
            raise _too_large(limit)
        return read_at_most(stream, limit)


def read_at_most(stream: BinaryIO, limit: int) -> bytes:
    """All of a stream, which may be a pipe, if it has at most `limit` bytes.

    Raises:
        OSError: it has more.
    """
    content = stream.read(limit + 1)
    if len(content) > limit:
        raise _too_large(limit)
    return content


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(errno.EINVAL, f"it is larger than {limit:,} bytes")


def bounded_lines(stream: BinaryIO, limit: int) -> Iterator[bytes]:
    """The lines of a stream with their line ends.

    Raises:
        OSError: a line has more than `limit` bytes.
    """
    number = 1
    while line := stream.readline(limit + 1):
        if len(line) > limit:
            raise TooLargeError(errno.EINVAL, f"line {number:,} is longer than {limit:,} bytes")
        yield line
        number += 1


def strict_json(raw: bytes) -> Any:
    """Parse untrusted JSON.

    It must be UTF-8 without duplicate keys, NaN, or numbers beyond a float, and its depth and
    number of entries are bounded, because each entry takes many times its bytes in memory.

    Raises:
        ValueError: it is not valid.
    """
    separators = raw.count(b",") + raw.count(b"[") + raw.count(b"{")
    if separators > _MOST_VALUES or raw.count(b":") > _MOST_MEMBERS:
        raise ValueError("it has too many entries")
    try:
        return json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=unique_keys,
            parse_constant=_refuse,
            parse_float=_finite,
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def strict_toml(text: str) -> dict[str, Any]:
    """Parse untrusted TOML.

    A key with many parts is refused: the parser would take 15 s for one with 13,000 parts.

    Raises:
        ValueError: it is not valid TOML, or a key has too many parts; the message shows
            duplicates.
    """
    if _LONG_KEY.search(text):
        raise ValueError("a key has too many parts, expected at most two")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        if not _is_duplicate(error):
            raise
        number, line = _line_of_second(text)
        raise ValueError(f"line {number} is a duplicate: {shown(line)}") from None


def _is_duplicate(error: tomllib.TOMLDecodeError) -> bool:
    """Whether the parser found a duplicate key or table; it reports neither which nor where."""
    return re.match(r"Cannot (overwrite|declare|mutate)|Duplicate", str(error)) is not None


def _line_of_second(text: str) -> tuple[int, str]:
    """The number and text of the line where the duplicate begins.

    Every prefix of the text that contains the whole duplicate fails in this way, no shorter does.
    """
    lines = text.split("\n")

    def failure(n_lines: int) -> tomllib.TOMLDecodeError | None:
        try:
            tomllib.loads("\n".join(lines[:n_lines]))
        except tomllib.TOMLDecodeError as error:
            return error
        return None

    def holds_second(n_lines: int) -> bool:
        error = failure(n_lines)
        return error is not None and _is_duplicate(error)

    last = bisect.bisect_left(range(len(lines)), True, lo=1, key=holds_second)
    before = range(last - 1, max(-1, last - 1 - _MOST_LINES_OF_A_VALUE), -1)
    first = 1 + next((n for n in before if failure(n) is None), last - 1)
    return first, lines[first - 1].strip()


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The members of a JSON object, for `json.loads` as `object_pairs_hook`.

    Raises:
        ValueError: a key is duplicated.
    """
    table: dict[str, Any] = {}
    for key, value in pairs:
        if key in table:
            raise ValueError(f"the key {shown(key)} occurs twice")
        table[key] = value
    return table


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the number {digits[:20]} is too large")
    return number


def sealed_json(content: Mapping[str, Any]) -> bytes:
    """A JSON object whose last entry, `checksum`, is the SHA-256 of all bytes before it.

    `is_sealed` detects any changed bit.
    """
    assert content
    text = json.dumps(content, indent=2, allow_nan=False).removesuffix("\n}")
    return text.encode("ascii") + _seal(text.encode("ascii"))


def is_sealed(raw: bytes) -> bool:
    """Whether these bytes are unchanged since `sealed_json`."""
    end = len(raw) - len(_seal(b""))
    return end > 0 and raw[end:] == _seal(raw[:end])


def _seal(body: bytes) -> bytes:
    return b',\n  "checksum": "' + hashlib.sha256(body).hexdigest().encode("ascii") + b'"\n}\n'


_MAGIC = (
    (b"PK\x03\x04", "a zip archive or a PyTorch file"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"PAR1", "a Parquet file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"ARROW1\x00", "an Arrow file"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"%PDF-", "a PDF document"),
    (b"\x7fELF", "a program"),
    (b"Obj\x01", "an Avro file"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x04\x22\x4d\x18", "an LZ4 archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Microsoft Office document"),
    (b"\x89PNG\r\n\x1a\n", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF87a", "an image"),
    (b"GIF89a", "an image"),
)


def kind_by_magic(head: bytes) -> str | None:
    """The type of a file by its first bytes, in words; None for text and unknown types.

    Args:
        head: its first 16 bytes or more.
    """
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "a Python pickle or an old PyTorch file"
    if head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
        return "a bzip2 archive"
    if head.startswith(b"GGUF") and b"\x00" in head[4:8]:
        return "a GGUF file"
    if head[8:9] == b"{" and head[5:8] == b"\x00\x00\x00":
        return "a safetensors file"
    return None
