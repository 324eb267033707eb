"""One text file: its name, its decompression and decoding, and its error messages.

Every reader gets its bytes from here, so compression, damage and other encodings are handled in one
place.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from slm.data.readers.compression import UNPACK_COMMANDS, member_name, unpacked
from slm.data.readers.kinds import Format, kind_of
from slm.errors import DataError, command_line, shell_path
from slm.storage.encodings import (
    Encoding,
    conversion_hint,
    encoding_of,
    free_name,
    is_text_but_for_zeros,
    mark_of,
)
from slm.storage.safe_reading import TooLargeError, bounded_lines, open_regular

_MARKS_OF_LINES = re.compile("\n\ufeff+")
LONGEST_LINE_BYTES = 64 << 20
_NOT_TEXT_HINT = "is the file complete, and is it plain text? Give a text file"


class DataFile:
    """A text file.

    Args:
        path: its path.
        name: its name in errors; None: its path. A file with a separate name, such as one in a
            cache, does not belong to the user, so hints never rename it.
        format: its format, if its name does not give it.
        source: the folder or the dataset that it is a file of, for hints; None: it is one itself.
        allow_zero_bytes: whether text may contain zero bytes, to find and remove them.

    Attributes:
        path, name: as given.
        kind: format and compression according to its name.
        format: its format; None: unknown.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str | None = None,
        format: Format | None = None,
        source: Path | str | None = None,
        allow_zero_bytes: bool = False,
    ) -> None:
        self.path = path
        self.name = name or str(path)
        self.kind = kind_of(path.name)
        self.format = format or self.kind.format
        self._is_users = name is None
        self._source = path if source is None else source
        self._allow_zero_bytes = allow_zero_bytes

    @property
    def packing(self) -> str:
        """The extension of its compression, such as `.gz`; empty if uncompressed."""
        return "" if self.kind.compression is None else self.path.suffix

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The decompressed content.

        Raises:
            DataError: it cannot be read; also for an OSError while it is read.
        """
        with self.open_packed() as stream:
            if self.kind.compression is None:
                yield stream
            else:
                with unpacked(stream, self.kind.compression) as content:
                    yield content

    @contextmanager
    def open_packed(self) -> Iterator[BinaryIO]:
        """The bytes of the file; only regular files are ever opened.

        Raises:
            DataError: see `open`.
        """
        try:
            with open_regular(self.path) as stream:
                yield stream
        except OSError as error:
            raise DataError(
                f"cannot read {self.name}: {error.strerror or error}", hint=self._step_after(error)
            ) from error

    def new_name(self, extension: str | None = None, suffix: str = "") -> Path:
        """An unused path for a file made from this one, next to the user's own file.

        Args:
            extension: of the new file, such as `.csv`; None: the same as this one.
            suffix: appended to the stem.
        """
        if extension is None:
            extension = self.kind.extension or self.path.suffix
        folder = self.path.parent if self._is_users else Path()
        return free_name(folder, (self.kind.stem or "text") + suffix, extension)

    def rename_command(self, extension: str) -> str:
        """A command that changes the extension and never overwrites a file."""
        new = self.new_name(extension)
        verb = "mv -n" if self._is_users else "cp -n"
        return f"{verb} {shell_path(self.path)} {shell_path(new)}"

    def printing_command(self) -> str:
        """A command that prints the content to stdout."""
        compression = self.kind.compression
        path = shell_path(self.path)
        if compression == "zip":
            with self.open_packed() as stream:
                return f"unzip -p {path} {command_line(member_name(stream))}"
        return f"{UNPACK_COMMANDS[compression] if compression else 'cat'} {path}"

    def not_utf8(self, message: str) -> DataError:
        """The error for content that is not UTF-8, with a command that converts it."""
        return DataError(message, hint=self._conversion(self._encoding()))

    def zero_byte(self, where: str, place: str) -> DataError:
        """The error for a zero byte, which UTF-16 is full of and text has only by mistake."""
        encoding = self._encoding()
        if encoding is None:
            return DataError(f"{where} is not text: {place}", hint=self._step_after_zero_byte())
        message = f"{where} is not UTF-8 but {encoding.name}: {place}"
        return DataError(message, hint=self._conversion(encoding))

    @cached_property
    def keeps_zero_bytes(self) -> bool:
        """Whether zero bytes are read as characters: if allowed, in text that is damaged.

        JSON cannot contain them.
        """
        return (
            self._allow_zero_bytes
            and self.format != "json"
            and self._encoding() is None
            and self._is_text_but_for_zeros()
        )

    def _is_text_but_for_zeros(self) -> bool:
        with self.open() as stream:
            return is_text_but_for_zeros(stream)

    def _step_after_zero_byte(self) -> str:
        """The hint for a file that has zero bytes and is not in UTF-16."""
        if not self._is_text_but_for_zeros():
            return _NOT_TEXT_HINT
        if self.format == "json":
            new = shell_path(self.new_name(suffix="-clean"))
            return (
                "remove the zero bytes, in a new file: "
                f"{self.printing_command()} | tr -d '\\000' > {new}"
            )
        place = Path(self._source)
        if isinstance(self._source, str):
            place = Path(place.name)  # of a dataset: in the working directory
        elif place.name in ("", ".."):
            place = place.resolve()
        new_folder = free_name(place.parent, f"{kind_of(place.name).stem}-clean", "")
        command = command_line("slm", "data", "check", self._source, "--clean", new_folder)
        return (
            "if it is text otherwise, write a copy without such characters, and use that folder "
            f"instead: {command}"
        )

    def _encoding(self) -> Encoding | None:
        with self.open() as stream:
            return encoding_of(stream)

    def _conversion(self, encoding: Encoding | None) -> str:
        unpack = self.printing_command() if self.kind.compression else ""
        new = self.new_name(suffix="-utf8")
        return conversion_hint(encoding, self.path, new=new, unpack=unpack)

    def _step_after(self, error: OSError) -> str:
        """The hint for a file that cannot be read."""
        if error.filename is not None:
            return "check the path and the permissions of the file"
        if self.kind.compression == "zip":
            target = shell_path(self.new_name("", suffix="-unpacked"))
            return (
                "unpack it to a new folder, and give that folder or a file in it: "
                f"unzip -n {shell_path(self.path)} -d {target}"
            )
        if isinstance(error, TooLargeError):
            return "does its extension match its content?"
        if self.kind.compression is not None:
            return (
                "is the file complete? Download it again, or look at its content: "
                f"{self.printing_command()} | head -c 1000"
            )
        return "is the file complete? Download it again"


def decoded_blocks(file: DataFile, block_bytes: int) -> Iterator[str]:
    """A file's text in blocks, with line ends converted to newlines and byte order marks removed
    (joined files have one at the start of a line).

    Raises:
        DataError: it cannot be read or is not UTF-8 text; the message gives the byte.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    read_bytes = 0
    held_return = ""
    at_line_start = True
    with file.open() as stream:
        while True:
            block = stream.read(block_bytes)
            if read_bytes == 0:
                _refuse_marks(file, block)
            if b"\0" in block and not file.keeps_zero_bytes:
                place = f"byte {read_bytes + block.index(0):,} is zero"
                raise file.zero_byte(file.name, place)
            waiting = len(decoder.getstate()[0])
            try:
                text = held_return + decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                raise file.not_utf8(
                    f"{file.name} is not UTF-8: {error.reason} at byte "
                    f"{read_bytes - waiting + error.start:,}"
                ) from None
            read_bytes += len(block)
            if at_line_start and text:
                text = text.lstrip("\ufeff")
            if "\n\ufeff" in text:
                text = _MARKS_OF_LINES.sub("\n", text)
            held_return = ""
            if block and text.endswith("\r"):  # its newline may be in the next block
                text, held_return = text[:-1], "\r"
            if "\r" in text:
                text = text.replace("\r\n", "\n")
            at_line_start = text.endswith("\n") if text else at_line_start and not held_return
            yield text
            if not block:
                return


def decoded_lines(file: DataFile) -> Iterator[str]:
    """A file's lines with their ends, without byte order marks.

    Raises:
        DataError: it cannot be read, is not UTF-8 text, or has a line that is too long; the message
            gives the line.
    """
    with file.open() as stream:
        for number, line in enumerate(bounded_lines(stream, LONGEST_LINE_BYTES), start=1):
            if number == 1:
                _refuse_marks(file, line)
            where = f"{file.name}, line {number:,}"
            if b"\0" in line and not file.keeps_zero_bytes:
                raise file.zero_byte(where, "it holds a zero byte")
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise file.not_utf8(
                    f"{where} is not UTF-8: {error.reason} at byte {error.start:,}"
                ) from None
            yield text.lstrip("\ufeff")


def _refuse_marks(file: DataFile, head: bytes) -> None:
    marked = mark_of(head)
    if marked is not None:
        raise file.not_utf8(f"{file.name} is not UTF-8: byte 0 begins a {marked} mark")
