"""`MANIFEST.json`: which files belong to a checkpoint, and how to know that they are whole.

    {"format": "slm-checkpoint", "version": 1,
     "files": {"config.json": {"bytes": 1234, "sha256": "..."}, ...}}

It is written last and names every other file with its size and SHA-256. It has no checksum of its
own; instead it holds nothing that is not checked, and its JSON may be laid out in one way only, so
that no change to a checkpoint goes unseen. Files that it does not name are ignored. Checksums find
damage, not forgery, so nothing that is read here is trusted for its size or depth either.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

from slm.errors import CheckpointError
from slm.files import CHUNK_BYTES

MANIFEST_NAME = "MANIFEST.json"
FORMAT = "slm-checkpoint"
VERSION = 1

_MAX_MANIFEST_BYTES = 1 << 20
_MAX_JSON_BYTES = 1 << 24
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DAMAGED = "it is damaged: use another checkpoint, or a copy of this one"


@dataclass(frozen=True)
class FileRecord:
    """Size in bytes and SHA-256 (hexadecimal) of one file."""

    size: int
    sha256: str


def parse_json(raw: bytes, where: Path) -> Any:
    """Parse JSON strictly: UTF-8, no duplicate keys, no NaN, no bottomless nesting.

    Raises:
        CheckpointError: it is not such JSON; the message names `where`.
    """
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except RecursionError:
        raise CheckpointError(f"{where} is nested too deep", hint=_DAMAGED) from None
    except ValueError as error:
        raise CheckpointError(f"{where} is not valid JSON: {error}", hint=_DAMAGED) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key is there twice")
    return table


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


@contextlib.contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to read into errors that name the path.

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
    """Size of a real file: links may lead outside, and a pipe would block."""
    with read_errors(path):
        status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise CheckpointError(
            f"{path} is not a regular file", hint="copy the file itself there, not a link to it"
        )
    return status.st_size


class HashingReader:
    """A stream that hashes what is read from it, and ends in a verdict."""

    def __init__(self, stream: BufferedReader, path: Path, record: FileRecord) -> None:
        self.path = path
        self.size = record.size
        self._expected = record.sha256
        self._stream = stream
        self._hash = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """The next `size` bytes.

        Raises:
            CheckpointError: the file ends before.
        """
        content = bytearray(size)
        self.read_into(memoryview(content))
        return bytes(content)

    def read_into(self, target: memoryview) -> None:
        """Fill `target` with the next bytes.

        Raises:
            CheckpointError: the file ends before.
        """
        for begin in range(0, len(target), CHUNK_BYTES):
            chunk = target[begin : begin + CHUNK_BYTES]
            if self._stream.readinto(chunk) != len(chunk):
                raise CheckpointError(f"{self.path} ends too early", hint=_DAMAGED)
            self._hash.update(chunk)

    def verify(self) -> None:
        """Say whether the whole file was as it was written.

        Raises:
            CheckpointError: it was not.
        """
        if self._hash.hexdigest() != self._expected:
            raise CheckpointError(
                f"{self.path} is not what was written: its SHA-256 differs from the manifest's",
                hint=_DAMAGED,
            )


@dataclass(frozen=True)
class Manifest:
    """The files of a checkpoint directory; all are there, regular, and of the right size."""

    directory: Path
    files: Mapping[str, FileRecord]

    @classmethod
    def read(cls, directory: Path) -> Manifest:
        """Read and check a directory's manifest, without reading the other files.

        Raises:
            CheckpointError: it is missing, malformed or of another version, or a file that it names
                is missing or of another size.
        """
        path = directory / MANIFEST_NAME
        if _regular_size(path) > _MAX_MANIFEST_BYTES:
            raise CheckpointError(f"{path} is too large for a manifest", hint=_DAMAGED)
        with read_errors(path):
            raw = path.read_bytes()
        manifest = cls(directory, _parse_manifest(raw, path))
        for name, record in manifest.files.items():
            size = _regular_size(directory / name)
            if size != record.size:
                raise CheckpointError(
                    f"{directory / name} has {size} bytes, expected {record.size}", hint=_DAMAGED
                )
        return manifest

    def require(self, name: str) -> FileRecord:
        """The record of a file that must be there.

        Raises:
            CheckpointError: the manifest does not name it.
        """
        if name not in self.files:
            raise CheckpointError(f"{self.directory / MANIFEST_NAME} lists no {name}")
        return self.files[name]

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[HashingReader]:
        """Open a file to be read once, from front to back, and verified at the end.

        Raises:
            CheckpointError: the file is missing, unreadable, or not what was written.
        """
        path, record = self.directory / name, self.require(name)
        with read_errors(path), path.open("rb") as stream:
            reader = HashingReader(stream, path, record)
            yield reader
            reader.verify()

    def json(self, name: str) -> Any:
        """The verified content of a JSON file.

        Raises:
            CheckpointError: the file is missing, unreadable, too large, or not what was written.
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
    if table.get("version") != VERSION:
        raise CheckpointError(
            f"{path} has version {table.get('version')!r}, this program reads version {VERSION}",
            hint="use the version of slm that wrote it",
        )
    files = table.get("files")
    if (
        table.keys() != {"format", "version", "files"}
        or not isinstance(files, dict)
        or raw != _json_bytes(table)
    ):
        raise CheckpointError(f"{path} is malformed", hint=_DAMAGED)
    return {name: _parse_record(name, entry, path) for name, entry in files.items()}


def _parse_record(name: str, entry: Any, path: Path) -> FileRecord:
    if not _PLAIN_NAME.fullmatch(name) or name == MANIFEST_NAME:
        raise CheckpointError(f"{path} lists {name!r}, which is not a plain file name")
    if (
        not isinstance(entry, dict)
        or entry.keys() != {"bytes", "sha256"}
        or type(entry["bytes"]) is not int
        or entry["bytes"] < 0
        or not isinstance(entry["sha256"], str)
        or not _SHA256.fullmatch(entry["sha256"])
    ):
        raise CheckpointError(f"{path} has a malformed entry for {name!r}", hint=_DAMAGED)
    return FileRecord(entry["bytes"], entry["sha256"])


class HashingWriter:
    """A stream that hashes and counts what is written to it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self._size = 0

    def write(self, content: bytes | memoryview) -> None:
        """Write bytes."""
        self._stream.write(content)
        self._hash.update(content)
        self._size += len(content)

    @property
    def record(self) -> FileRecord:
        """Size and hash of what was written so far."""
        return FileRecord(self._size, self._hash.hexdigest())


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
        """Write a JSON file."""
        with self.open(name) as writer:
            writer.write(_json_bytes(content))

    def finish(self) -> None:
        """Write the manifest itself."""
        files = {
            name: {"bytes": record.size, "sha256": record.sha256}
            for name, record in sorted(self._files.items())
        }
        manifest = {"format": FORMAT, "version": VERSION, "files": files}
        (self._directory / MANIFEST_NAME).write_bytes(_json_bytes(manifest))


def _json_bytes(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode("ascii")
