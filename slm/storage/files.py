"""Atomic writes: files and directories that are complete or absent; checksums.

Every file that matters is written under a temporary name next to its final one, flushed to the disk
(fsync), and renamed. A crash at any moment leaves the old or the new content, and at worst files
named `.partial-*`, which the next writer removes. Readers open only one kind of them:
`.partial-NAME-old`, the complete old directory of a writer that is, or died, between two renames.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from slm.errors import WriteError
from slm.storage.disk_space import NO_SPACE, no_space_to_write
from slm.storage.safe_reading import status_of

if sys.platform == "darwin":
    import fcntl

PARTIAL_PREFIX = ".partial-"
ASIDE_SUFFIX = "-old"
CHUNK_BYTES = 1 << 20
_CANNOT_FSYNC = {errno.EINVAL, errno.ENOTSUP, errno.EACCES}
_WINDOWS_RENAME_PAUSES = (0.01, 0.05, 0.1, 0.2, 0.5)


@contextlib.contextmanager
def write_errors(
    path: Path, *, within: Path | None = None, needed: int | None = None
) -> Iterator[None]:
    """Turn `OSError` into errors that name the path.

    Args:
        path: the file or folder that is written, for the message.
        within: if the block also runs a caller's code: translate only errors that name a file in
            this folder, and those of streams, which name none.
        needed: the size in bytes, if known, for the message.

    Raises:
        NoSpaceError: the disk, the quota or the file size limit is reached.
        WriteError: the folder is read-only, is not a folder, or cannot be written.
    """
    try:
        yield
    except OSError as error:
        if within is not None and not _concerns(error, within):
            raise
        if error.errno in NO_SPACE:
            raise no_space_to_write(path, error.strerror, needed) from error
        raise WriteError(
            f"cannot write {path}: {_reason(error)}", hint="choose a writable folder"
        ) from error


def _concerns(error: OSError, place: Path) -> bool:
    if isinstance(error.filename, str | bytes):
        return Path(os.fsdecode(error.filename)).is_relative_to(place)
    # Subclasses without a file name come from elsewhere: connections, time-outs, libraries.
    return type(error) is OSError


def _reason(error: OSError) -> str:
    if isinstance(error, FileExistsError | NotADirectoryError):
        return "there is a file where a folder should be"
    if isinstance(error, IsADirectoryError):
        return "there is a folder where a file should be"
    return error.strerror or str(error)


def make_directory(path: Path) -> Path:
    """Create a directory and its missing parents durably, and return it.

    Raises:
        WriteError: the directory cannot be made.
    """
    with write_errors(path):
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for made in reversed(missing):
            fsync_directory(made.parent)
    return path


def _fsync(descriptor: int) -> None:
    if sys.platform == "darwin":  # fsync leaves the data in the drive's cache there
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


def _fsync_file(path: Path) -> None:
    # Windows flushes only through a writable handle.
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        _fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_directory(path: Path) -> None:
    """Make renames inside a directory durable.

    Windows and some network file systems have no such call; they are skipped.
    """
    if os.name == "nt":
        return
    try:
        _fsync_file(path)
    except OSError as error:
        if error.errno not in _CANNOT_FSYNC:
            raise


def _fsync_tree(top: Path) -> None:
    for folder, _, names in os.walk(top, topdown=False):
        for name in names:
            file = Path(folder, name)
            if not file.is_symlink():
                _fsync_file(file)
        fsync_directory(Path(folder))


def _rename(source: Path, target: Path) -> None:
    """Rename; on Windows, retry while readers or virus scanners have a file open."""
    for pause in _WINDOWS_RENAME_PAUSES if os.name == "nt" else ():
        try:
            source.replace(target)
        except PermissionError:
            time.sleep(pause)
        else:
            return
    source.replace(target)


def _partial(path: Path) -> Path:
    """A new unique name next to `path`, short enough for the longest name.

    Raises:
        WriteError: the path is `.` or `/`, which has no name.
    """
    if not path.name:
        raise WriteError(f"cannot write {path}: it has no name", hint="choose a name below it")
    return path.with_name(f"{PARTIAL_PREFIX}{path.name[:40]}-{secrets.token_hex(4)}")


def partial_bytes(path: Path) -> int:
    """How much there is of a file or directory that is being written."""
    begins = f"{PARTIAL_PREFIX}{path.name[:40]}-"
    sizes: list[int] = []
    with contextlib.suppress(OSError):  # it is renamed meanwhile
        for place in path.absolute().parent.iterdir():
            if place.name.startswith(begins):
                files = place.rglob("*") if place.is_dir() else [place]
                sizes += [file.stat().st_size for file in files if file.is_file()]
    return sum(sizes)


def _aside(path: Path) -> Path:
    """The path to which a directory is moved aside; `.` and `/` are never replaced."""
    return path.with_name(f"{PARTIAL_PREFIX}{path.name}{ASIDE_SUFFIX}") if path.name else path


def without_aside(path: Path) -> Path:
    """The original path of a directory that was moved aside, or the path itself."""
    if path.name.startswith(PARTIAL_PREFIX) and path.name.endswith(ASIDE_SUFFIX):
        name = path.name[len(PARTIAL_PREFIX) : -len(ASIDE_SUFFIX)]
        return path if name in ("", ".", "..") else path.with_name(name)
    return path


def _discard(leftover: Path) -> None:
    """Remove a file or directory that is not used; errors are ignored."""
    with contextlib.suppress(OSError):
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_open(path: Path, *, needed: int | None = None) -> Iterator[BinaryIO]:
    """Open a file for writing that appears under its name only when it is complete and on disk.

    Args:
        path: the file.
        needed: its size in bytes, if known, for messages.

    Raises:
        WriteError, NoSpaceError: no partial file remains, and an older file is unchanged.
    """
    partial = _partial(path)
    try:
        with (
            write_errors(path, within=partial, needed=needed),
            partial.open("xb") as stream,
        ):
            yield stream
            stream.flush()
            _fsync(stream.fileno())
        with write_errors(path):
            _rename(partial, path)
            fsync_directory(path.parent)
    finally:
        _discard(partial)


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield the name of a temporary file that becomes `path` when the block ends without an error.

    For libraries that write to a name; see `atomic_open`.

    Raises:
        WriteError, NoSpaceError: nothing is left behind, and an earlier file is unchanged.
    """
    make_directory(path.parent)
    partial = _partial(path)
    try:
        with write_errors(path, within=partial):
            yield partial
            _fsync_file(partial)
        with write_errors(path):
            _rename(partial, path)
            fsync_directory(path.parent)
    finally:
        _discard(partial)


def atomic_write(path: Path, content: bytes | str) -> None:
    """Write a whole file, or leave the old one. Text is written as UTF-8.

    Raises:
        WriteError, NoSpaceError: no partial file remains, and an older file is unchanged.
    """
    raw = content.encode("utf-8") if isinstance(content, str) else content
    with atomic_open(path, needed=len(raw)) as stream:
        stream.write(raw)


@contextlib.contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Fill a directory that appears under its name only when the block ends without an error.

    Yields a temporary sibling directory to write into, which is flushed to the disk before the
    rename. An existing directory of that name is replaced: it is moved aside first, where
    `readable_directory` finds it, and `settle_directory` moves it back if the process dies.

    Raises:
        WriteError, NoSpaceError: nothing is left behind, and an older directory is kept.
    """
    make_directory(path.parent)
    settle_directory(path)
    if status_of(path) is not None and not path.is_dir():
        raise WriteError(
            f"cannot write {path}: there is a file where a folder should be",
            hint="choose another folder",
        )
    partial = _partial(path)
    try:
        with write_errors(path, within=partial):
            partial.mkdir()
            yield partial
            _fsync_tree(partial)
        with write_errors(path):
            if path.exists():
                _rename(path, _aside(path))
                fsync_directory(path.parent)
            _rename(partial, path)
            fsync_directory(path.parent)
    finally:
        _discard(partial)
        with contextlib.suppress(WriteError):  # of the two errors, the first one matters
            settle_directory(path)


def readable_directory(path: Path) -> Path:
    """The current path of a directory's content: `path`, or aside while it is being replaced."""
    aside = _aside(path)
    return aside if status_of(path) is None and status_of(aside) is not None else path


def settle_directory(path: Path) -> None:
    """Finish a replacement that a dead process started: keep the new directory, or else the old.

    Call it only as the directory's single writer.

    Raises:
        WriteError: the directory that was moved aside can be neither moved back nor removed.
    """
    aside = _aside(path)
    if aside == path or status_of(aside) is None:
        return
    if path.exists():
        remove_directory(aside)
    else:
        with write_errors(path):
            _rename(aside, path)
            fsync_directory(path.parent)


def remove_directory(path: Path) -> None:
    """Remove a directory so that at any moment it is complete or absent.

    Raises:
        WriteError: it cannot be renamed.
    """
    doomed = _partial(path)
    with write_errors(path):
        _rename(path, doomed)
    _discard(doomed)


def remove_partials(directory: Path) -> None:
    """Remove temporary files of dead processes, and move back directories they had moved aside.

    Call it only while holding the directory's lock and writing nothing else there.

    Raises:
        WriteError: a directory that was moved aside cannot be moved back.
    """
    for leftover in sorted(directory.glob(f"{PARTIAL_PREFIX}*")):
        original = without_aside(leftover)
        if original != leftover:
            settle_directory(original)
        else:
            _discard(leftover)


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal, read in bounded memory."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def chunk_name(number: int, size: int) -> str:
    """The name of a MiB of a file of `size` bytes in messages; numbers start at 0."""
    first, last = number * CHUNK_BYTES, min(size, (number + 1) * CHUNK_BYTES) - 1
    return f"chunk {number}, bytes {first:,} to {last:,},"
