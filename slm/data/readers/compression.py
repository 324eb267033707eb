"""Compressed files as streams, in bounded memory, with protection against decompression bombs.

Each format is decompressed by its own library, a small block at a time. A file that decompresses to
hundreds of times its size, which text does not, is rejected, and so are dictionaries that need more
memory than usual compressor settings.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from slm.data.readers.kinds import Compression

UNPACK_COMMANDS: dict[Compression, str] = {
    "gzip": "gzip -dc",
    "bzip2": "bzip2 -dc",
    "xz": "xz -dc",
    "zstd": "zstd -dc",
}
"""Commands that print the content of a file on stdout."""

MAGIC: dict[Compression, bytes] = {
    "gzip": b"\x1f\x8b",
    "bzip2": b"BZh",
    "xz": b"\xfd7zXZ\x00",
    "zstd": b"\x28\xb5\x2f\xfd",
    "zip": b"PK",
}
SKIPPABLE_ZSTD = b"*M\x18"
"""Bytes 1 to 3 of a frame without content, with which a zstd file may begin."""

MOST_RATIO = 500
"""Text is repetitive: logs decompress to 30 to 100 times their size."""
_JUDGED_FROM_BYTES = 16 << 20
_XZ_MEMORY_BYTES = 128 << 20  # `xz -9` needs 65 MB
_BUFFER_BYTES = 1 << 17
_LARGEST_DIRECTORY_BYTES = 1 << 20
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_ENCRYPTED = 1


def unpacked(packed: BinaryIO, compression: Compression) -> BinaryIO:
    """The content of a compressed stream; of a zip archive, that of its only file.

    Raises:
        OSError: it is damaged, truncated, or unpacks to far more than text would; also while the
            content is read.
    """
    with _reasons():
        if compression == "zip":
            archive = zipfile.ZipFile(_SmallReads(packed))
            member = only_member(archive)
            content, packed_size = archive.open(member), member.compress_size
            return io.BufferedReader(_Bounded(content, lambda: packed_size), _BUFFER_BYTES)
        return io.BufferedReader(_Bounded(_opened(packed, compression), packed.tell), _BUFFER_BYTES)


def member_name(packed: BinaryIO) -> str:
    """The name of the only file of a zip archive.

    Raises:
        OSError: as `unpacked`.
    """
    with _reasons(), zipfile.ZipFile(_SmallReads(packed)) as archive:
        return only_member(archive).filename


def only_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The one file in an archive; the metadata files of macOS are ignored."""
    members = [
        member
        for member in archive.infolist()
        if not member.filename.endswith("/")
        and not member.filename.startswith("__MACOSX/")
        and not member.filename.rpartition("/")[2].startswith(".")
    ]
    if len(members) != 1:
        raise _refusal(f"the archive holds {len(members):,} files, expected one")
    if members[0].flag_bits & _ENCRYPTED:
        raise _refusal("the archive is encrypted")
    if members[0].compress_type not in _ZIP_METHODS:
        raise _refusal("the compression method of the archive is not supported")
    return members[0]


def _opened(packed: BinaryIO, compression: Compression) -> Any:
    if compression == "gzip":
        return gzip.GzipFile(fileobj=packed, mode="rb")
    if compression == "bzip2":
        return bz2.BZ2File(packed)
    if compression == "xz":
        return _XzFile(packed)
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), "zstd")


class _Bounded(io.RawIOBase):
    """Reads a decompressed stream as long as its size stays in proportion to the file's."""

    def __init__(self, content: Any, read_so_far: Callable[[], int]) -> None:
        super().__init__()
        self._content = content
        self._read_so_far = read_so_far
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with _reasons():
            block = self._content.read(len(buffer))
            self._size += len(block)
            largest = max(_JUDGED_FROM_BYTES, MOST_RATIO * self._read_so_far())
            if self._size > largest:
                raise _refusal(
                    f"it unpacks to more than {MOST_RATIO} times its size, which text does not"
                )
        buffer[: len(block)] = block
        return len(block)


class _XzFile:
    """An xz file, read with bounded memory, which `lzma.LZMAFile` does not support."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._decompressor = self._new()

    def read(self, size: int) -> bytes:
        while True:
            if self._decompressor.eof:
                rest = self._decompressor.unused_data or self._packed.read(_BUFFER_BYTES)
                while rest and not rest.strip(b"\0"):  # padding between streams
                    rest = self._packed.read(_BUFFER_BYTES)
                if not rest:
                    return b""
                self._decompressor = self._new()
                rest = rest.lstrip(b"\0")
            elif self._decompressor.needs_input:
                rest = self._packed.read(_BUFFER_BYTES)
                if not rest:
                    raise EOFError
            else:
                rest = b""
            block = self._decompressor.decompress(rest, size)
            if block:
                return block

    @staticmethod
    def _new() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES)


class _SmallReads:
    """A file with bounded reads: a forged archive may claim to have a huge directory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek = file.seek
        self.tell = file.tell
        self.seekable = file.seekable

    def read(self, size: int = -1) -> bytes:
        most = _LARGEST_DIRECTORY_BYTES + 1
        content = self._file.read(most if size < 0 else min(size, most))
        if len(content) == most:
            raise _refusal("the archive holds too many files")
        return content


@contextmanager
def _reasons() -> Iterator[None]:
    """Turn the libraries' exceptions into an `OSError` with the reason."""
    try:
        yield
    except EOFError:
        raise _refusal("it is truncated") from None
    except (zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise _refusal(f"it is damaged ({error})") from None
    except (NotImplementedError, RuntimeError, ValueError) as error:  # unusual zip archives
        raise _refusal(f"it cannot be unpacked ({error})") from None


def _refusal(reason: str) -> OSError:
    return OSError(errno.EINVAL, reason)
