"""Text that is not UTF-8: guesses its encoding, and gives the command that converts it.

Only UTF-8 is read. The encoding cannot be known for certain from the bytes, so text is never
converted silently: the hint names the encoding, shows an excerpt in it, and gives a command that
writes a new file.
"""

from __future__ import annotations

import codecs
import itertools
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from slm.errors import shell_path, shown

_HEAD_BYTES = 1 << 16
_BLOCK_BYTES = 1 << 20
_MOST_BYTES = 256 << 20
"""How many bytes are searched to guess the encoding."""

_MARKS = (  # the longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_WIDE = ("UTF-32LE", "UTF-32BE", "UTF-16LE", "UTF-16BE")
_UTF8_SEQUENCE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
_ASCII = bytes(range(0x80))
_NOT_LETTERS = bytes(byte for byte in range(0x100) if not chr(byte).isalpha() or byte >= 0x80)
_NOT_C1 = bytes(byte for byte in range(0x100) if not 0x80 <= byte <= 0x9F)
_LEAST_ZEROS = 0.25
"""Fraction of zero bytes in ASCII text in UTF-16 (one half), with some margin."""
_MOST_STRANGE = 0.1
"""Maximum fraction of control characters in text; in UTF-16 read as UTF-8, it is one half."""
_NOT_IN_1252 = b"\x81\x8d\x8f\x90\x9d"
_WESTERN_SHARE = 0.3
"""Maximum fraction of non-ASCII bytes among the letters of a text in a Western alphabet."""

_PYTHON_NAMES = re.compile(
    r"cp(?P<windows>125\d)|iso8859-(?P<iso>\d+)"
    r"|(?P<same>cp\d+|koi8-[ru]|gb18030|gbk|gb2312|big5|euc-jp|euc-kr|shift-jis)"
)


@dataclass(frozen=True)
class Encoding:
    """The encoding of a text that is not UTF-8.

    Attributes:
        name: iconv's name; `UTF-8` if the text is UTF-8 apart from a few damaged bytes.
        excerpt: the first non-UTF-8 part, decoded; empty if the encoding is certain.
    """

    name: str
    excerpt: str


def mark_of(head: bytes) -> str | None:
    """The encoding that a byte order mark names, other than UTF-8."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


def encoding_of(stream: BinaryIO) -> Encoding | None:
    """The probable encoding of a text that is not UTF-8, from its start; None: no text at all."""
    head = stream.read(_HEAD_BYTES)
    marked = mark_of(head)
    if marked is not None:
        return Encoding(marked, "")
    if b"\0" in head:
        return _wide_encoding(head)
    return _byte_encoding(head, stream)


def is_text_but_for_zeros(stream: BinaryIO) -> bool:
    """Whether this is UTF-8 text without its zero bytes, judging by its start."""
    return _is_text_but_for_zeros(stream.read(_HEAD_BYTES))


def conversion_hint(
    encoding: Encoding | None, path: Path | None, *, new: Path | None = None, unpack: str = ""
) -> str:
    """The hint for a text that is not UTF-8; ends with a command if there is one.

    Args:
        encoding: its probable encoding.
        path: the file; None: a stream.
        new: a new file for the converted text; None: next to the file.
        unpack: the command that prints the file's content; empty if iconv can open it.
    """
    if encoding is None:
        return "give text in UTF-8: open the file in the program that wrote it and save it as UTF-8"
    options = "-c -f UTF-8" if encoding.name == "UTF-8" else f"-f {encoding.name}"
    if path is None:
        return f"pipe it through: iconv {options} -t UTF-8"
    new = new or free_name(path.parent, f"{path.stem}-utf8", path.suffix)
    if unpack:
        command = f"{unpack} | iconv {options} -t UTF-8 > {shell_path(new)}"
    else:
        command = f"iconv {options} -t UTF-8 {shell_path(path)} > {shell_path(new)}"
    if encoding.name == "UTF-8":
        return (
            "most of it is UTF-8: repair that part, or write a new file without the damaged bytes: "
            f"{command}"
        )
    if encoding.excerpt:
        return (
            f"it looks like {encoding.name}, in which that part reads {shown(encoding.excerpt)}; "
            f"if this is right, convert it to a new file and use that instead: {command}"
        )
    return f"it is {encoding.name}; convert it to a new file and use that instead: {command}"


def free_name(folder: Path, stem: str, extension: str) -> Path:
    """A path in a folder that does not exist yet: `stem.txt`, or else `stem-2.txt` and so on."""
    for number in itertools.count(1):
        new = folder / (stem + ("" if number == 1 else f"-{number}") + extension)
        if not new.exists():
            break
    return new


def _wide_encoding(head: bytes) -> Encoding | None:
    """UTF-16 or UTF-32 without a byte order mark: the one with the most ASCII characters."""
    if head.count(0) < len(head) * _LEAST_ZEROS and _is_text_but_for_zeros(head):
        return None  # text with a damaged place
    found: list[tuple[int, str, str]] = []
    for name in _WIDE:
        decoder = codecs.getincrementaldecoder(name)("strict")
        try:
            text = decoder.decode(head)
        except UnicodeDecodeError:
            continue
        ascii_letters = sum(c.isascii() and (c.isalpha() or c.isspace()) for c in text)
        if ascii_letters and all(map(_is_text, text)):
            found.append((ascii_letters, name, text))
    if not found:
        return None
    _, name, text = max(found, key=lambda item: item[0])
    return Encoding(name, text[:40])


def _is_text_but_for_zeros(head: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")("strict")  # its end may be half a character
    try:
        text = decoder.decode(head.replace(b"\0", b""))
    except UnicodeDecodeError:
        return False
    return sum(not _is_text(character) for character in text) < len(text) * _MOST_STRANGE


def _is_text(character: str) -> bool:
    return character in "\t\n\r\f\v" or unicodedata.category(character) not in ("Cc", "Cn", "Co")


def _byte_encoding(head: bytes, stream: BinaryIO) -> Encoding | None:
    """An encoding in which each byte or pair of bytes is a character, or damaged UTF-8."""
    sample, place = b"", 0
    seen = letters = strays = c1 = undefined = sequences = 0
    block = head
    while block and seen < _MOST_BYTES:
        seen += len(block)
        if b"\0" in block:
            return None
        rest = _UTF8_SEQUENCE.sub(b" ", block)
        bare = rest.translate(None, _ASCII)
        if bare and not sample:
            sample, place = block, _first_stray(block)
        letters += len(block.translate(None, _NOT_LETTERS))
        strays += len(bare)
        c1 += len(bare.translate(None, _NOT_C1))
        undefined += sum(bare.count(byte) for byte in _NOT_IN_1252)
        sequences += len(block) - len(rest)
        block = stream.read(_BLOCK_BYTES)
    if not strays:
        return None
    if sequences >= strays:
        return Encoding("UTF-8", "")
    if strays <= _WESTERN_SHARE * (letters + strays) and not undefined:
        whole = not block
        name = "ISO-8859-1" if whole and not c1 else "WINDOWS-1252"
        return Encoding(name, _excerpt(sample, place, name))
    return _guessed(sample, place)


def _guessed(sample: bytes, place: int) -> Encoding | None:
    """The guess of charset-normalizer, which knows what letters follow each other in a language."""
    from charset_normalizer import from_bytes

    start = max(0, place - _HEAD_BYTES // 2)
    best = from_bytes(sample[start : start + _HEAD_BYTES]).best()
    if best is None:
        return None
    known = _PYTHON_NAMES.fullmatch(codecs.lookup(best.encoding).name.replace("_", "-"))
    if known is None:
        return None
    name = known["same"] or ""
    if known["windows"]:
        name = f"WINDOWS-{known['windows']}"
    elif known["iso"]:
        name = f"ISO-8859-{known['iso']}"
    return Encoding(name.upper(), _excerpt(sample, place, best.encoding))


def _first_stray(block: bytes) -> int:
    try:
        block.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _excerpt(sample: bytes, place: int, codec: str) -> str:
    """The words around a place."""
    start = max(sample.rfind(b" ", 0, place), sample.rfind(b"\n", 0, place), place - 30) + 1
    return sample[max(0, start) : place + 30].decode(codec, "replace").split("\n")[0].strip()
