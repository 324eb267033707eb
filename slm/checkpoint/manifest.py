"""`MANIFEST.json`: the files of a checkpoint with their sizes and checksums.

    {"format": "slm-checkpoint", "version": 1,
     "files": {"config.json": {"bytes": 1234, "sha256": "...", "crc32": [5678]}, ...},
     "checksum": "..."}

It is written last and lists every other file with its size, its SHA-256, and the CRC-32 of each
MiB, which shows where a file is damaged. Its own checksum covers everything before it, so every
change to a checkpoint is detected. Files that it does not list are ignored. Checksums detect
damage, not forgery, so sizes and nesting depths are checked as well.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import re
import stat
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from slm.config.run_files import MANIFEST_NAME
from slm.errors import CheckpointError, shown
from slm.storage.files import CHUNK_BYTES, chunk_name
from slm.storage.safe_reading import is_sealed, open_regular, read_bounded, sealed_json, strict_json

FORMAT = "slm-checkpoint"
VERSION = 1
INT8_VERSION = 2
"""Of checkpoints with int8 weights, which programs that know version 1 only cannot read."""

_MAX_MANIFEST_BYTES = 1 << 21
_MAX_JSON_BYTES = 24 << 20
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DAMAGED = "the checkpoint is damaged: use another one, or a copy of it"


@dataclass(frozen=True)
class FileRecord:
    """Size in bytes, SHA-256 (hexadecimal), and CRC-32 of each MiB of one file."""

    size: int
    sha256: str
    crc32: tuple[int, ...]


def parse_json(raw: bytes, where: Path) -> Any:
    """Parse JSON; see `strict_json`.

    Raises:
        CheckpointError: it is not valid; the message names `where`.
    """
    try:
        return strict_json(raw)
    except ValueError as error:
        raise CheckpointError(f"{where} is not valid JSON: {error}", hint=_DAMAGED) from None


@contextlib.contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """Turn `OSError` into errors that name the path.

    Raises:
        CheckpointError: the file is missing or cannot be read.
    """
    try:
        yield
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing", hint=_DAMAGED) from None
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}") from error


def _regular_size(path: Path) -> int:
    """The size of a regular file: links may lead outside, and a pipe would block."""
    with read_errors(path):
        status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise CheckpointError(
            f"{path} is not a regular file", hint="copy the file itself there, not a link to it"
        )
    return status.st_size


class HashingReader:
    """A stream that returns no byte before the checksum of its MiB is verified."""

    def __init__(self, stream: BinaryIO, path: Path, record: FileRecord) -> None:
        self.path = path
        self.size = record.size
        self._record = record
        self._stream = stream
        self._hash = hashlib.sha256()
        self._chunks = 0
        self._checked = memoryview(b"")  # verified bytes that are not returned yet

    def read(self, size: int) -> bytes:
        """The next `size` bytes.

        Raises:
            CheckpointError: the file is too short or is damaged here.
        """
        content = bytearray(size)
        self.read_into(memoryview(content))
        return bytes(content)

    def read_into(self, target: memoryview) -> None:
        """Fill `target` with the next bytes.

        Raises:
            CheckpointError: the file is too short or is damaged here.
        """
        while target:
            if not self._checked:
                self._checked = memoryview(self._next_chunk())
            size = min(len(target), len(self._checked))
            target[:size] = self._checked[:size]
            target, self._checked = target[size:], self._checked[size:]

    def _next_chunk(self) -> bytes:
        size = min(CHUNK_BYTES, self.size - self._chunks * CHUNK_BYTES)
        content = self._stream.read(size) if size > 0 else b""
        if size <= 0 or len(content) < size:
            raise CheckpointError(f"{self.path} ends too early", hint=_DAMAGED)
        if zlib.crc32(content) != self._record.crc32[self._chunks]:
            raise CheckpointError(
                f"{self.path} is damaged: the checksum of "
                f"{chunk_name(self._chunks, self.size)} is wrong",
                hint=_DAMAGED,
            )
        self._hash.update(content)
        self._chunks += 1
        return content

    def verify(self) -> None:
        """Check the SHA-256 of the whole file.

        Raises:
            CheckpointError: it is wrong, or the file was not read to its end.
        """
        if self._checked or self._chunks * CHUNK_BYTES < self.size:
            raise CheckpointError(f"{self.path} has unexpected bytes at its end", hint=_DAMAGED)
        if self._hash.hexdigest() != self._record.sha256:
            raise CheckpointError(
                f"{self.path} is damaged: its SHA-256 differs from the manifest's",
                hint=_DAMAGED,
            )


@dataclass(frozen=True)
class Manifest:
    """The files of a checkpoint directory; all exist, are regular, and have the right size."""

    directory: Path
    files: Mapping[str, FileRecord]

    @classmethod
    def read(cls, directory: Path) -> Manifest:
        """Read and check a directory's manifest, without reading the other files.

        Raises:
            CheckpointError: it is missing, malformed or of another version, or a file that it lists
                is missing or has another size.
        """
        path = directory / MANIFEST_NAME
        if _regular_size(path) > _MAX_MANIFEST_BYTES:
            raise CheckpointError(f"{path} is too large for a manifest", hint=_DAMAGED)
        with read_errors(path):
            raw = read_bounded(path, _MAX_MANIFEST_BYTES, follow_links=False)
        manifest = cls(directory, _parse_manifest(raw, path))
        for name, record in manifest.files.items():
            size = _regular_size(directory / name)
            if size != record.size:
                raise CheckpointError(
                    f"{directory / name} has {size} bytes, expected {record.size}", hint=_DAMAGED
                )
        return manifest

    def require(self, name: str) -> FileRecord:
        """The record of a required file.

        Raises:
            CheckpointError: the manifest does not list it.
        """
        if name not in self.files:
            raise CheckpointError(f"{self.directory / MANIFEST_NAME} lists no {name}")
        return self.files[name]

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[HashingReader]:
        """Open a file to read it once from start to end; it is verified at the end.

        Raises:
            CheckpointError: the file is missing, unreadable or damaged.
        """
        path, record = self.directory / name, self.require(name)
        with read_errors(path), open_regular(path, follow_links=False) as stream:
            reader = HashingReader(stream, path, record)
            yield reader
            reader.verify()

    def json(self, name: str) -> Any:
        """The verified content of a JSON file.

        Raises:
            CheckpointError: the file is missing, unreadable, too large or damaged.
        """
        path, record = self.directory / name, self.require(name)
        if record.size > _MAX_JSON_BYTES:
            raise CheckpointError(f"{path} is too large: {record.size} bytes")
        with self.open(name) as reader:
            raw = reader.read(record.size)
        return parse_json(raw, path)


def _parse_manifest(raw: bytes, path: Path) -> dict[str, FileRecord]:
    table = parse_json(raw, path)
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not the manifest of a checkpoint", hint=_DAMAGED)
    if table.get("version") not in (VERSION, INT8_VERSION):
        raise CheckpointError(
            f"{path} has version {shown(table.get('version'))}, "
            f"this program reads versions up to {INT8_VERSION}",
            hint="use the version of slm that wrote it",
        )
    files = table.get("files")
    if (
        table.keys() != {"format", "version", "files", "checksum"}
        or not isinstance(files, dict)
        or not is_sealed(raw)
    ):
        raise CheckpointError(f"{path} is damaged: its own checksum is wrong", hint=_DAMAGED)
    return {name: _parse_record(name, entry, path) for name, entry in files.items()}


def _parse_record(name: str, entry: Any, path: Path) -> FileRecord:
    if not _PLAIN_NAME.fullmatch(name) or name == MANIFEST_NAME:
        raise CheckpointError(f"{path} lists {shown(name)}, which is not a plain file name")
    if (
        not isinstance(entry, dict)
        or entry.keys() != {"bytes", "sha256", "crc32"}
        or not _is_count(entry["bytes"], below=2**53)
        or not isinstance(entry["sha256"], str)
        or not _SHA256.fullmatch(entry["sha256"])
        or not isinstance(entry["crc32"], list)
        or len(entry["crc32"]) != math.ceil(entry["bytes"] / CHUNK_BYTES)
        or not all(_is_count(crc, below=2**32) for crc in entry["crc32"])
    ):
        raise CheckpointError(f"{path} has a malformed entry for {name!r}", hint=_DAMAGED)
    return FileRecord(entry["bytes"], entry["sha256"], tuple(entry["crc32"]))


def _is_count(value: Any, *, below: int) -> bool:
    return type(value) is int and 0 <= value < below


class HashingWriter:
    """A stream that hashes and counts the bytes that are written to it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self._size = 0
        self._crc32: list[int] = []

    def write(self, content: bytes | memoryview) -> None:
        """Write bytes."""
        self._stream.write(content)
        self._hash.update(content)
        left = memoryview(content)
        while left:
            room = CHUNK_BYTES - self._size % CHUNK_BYTES
            if room == CHUNK_BYTES:
                self._crc32.append(0)
            self._crc32[-1] = zlib.crc32(left[:room], self._crc32[-1])
            self._size += len(left[:room])
            left = left[room:]

    @property
    def record(self) -> FileRecord:
        """Size and checksums of the bytes so far."""
        return FileRecord(self._size, self._hash.hexdigest(), tuple(self._crc32))


class ManifestWriter:
    """Writes the files of a new checkpoint directory, then the manifest that lists them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: dict[str, FileRecord] = {}

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[HashingWriter]:
        """Open a new file; it is listed when the block ends."""
        with (self._directory / name).open("xb") as stream:
            writer = HashingWriter(stream)
            yield writer
        self._files[name] = writer.record

    def json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file.

        Raises:
            CheckpointError: it would be too large to read again.
        """
        raw = _json_bytes(content)
        if len(raw) > _MAX_JSON_BYTES:
            raise CheckpointError(
                f"{self._directory / name} would have {len(raw):,} bytes, "
                f"more than the maximum of {_MAX_JSON_BYTES:,}"
            )
        with self.open(name) as writer:
            writer.write(raw)

    def finish(self, version: int = VERSION) -> None:
        """Write the manifest itself."""
        files = {
            name: {"bytes": record.size, "sha256": record.sha256, "crc32": list(record.crc32)}
            for name, record in sorted(self._files.items())
        }
        manifest = {"format": FORMAT, "version": version, "files": files}
        (self._directory / MANIFEST_NAME).write_bytes(sealed_json(manifest))


def _json_bytes(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode("ascii")
