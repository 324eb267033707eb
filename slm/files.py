"""Files that are either whole or absent: atomic writes, checksums, and one writer a directory.

Everything that matters is written beside its final place, flushed to the disk (fsync), and renamed.
A crash at any moment leaves the old file or the new one, and at worst a `.partial-*` leftover that
no reader ever opens and that the next writer removes.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from slm.errors import NoSpaceError, RunLockedError, WriteError

PARTIAL_PREFIX = ".partial-"
CHUNK_BYTES = 1 << 20
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write into errors that name the path.

    Raises:
        NoSpaceError: the disk, the quota or the file size limit is reached.
        WriteError: the place is read-only, not a folder, or otherwise refuses.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _NO_SPACE:
            raise NoSpaceError(
                f"no space left to write {path} ({reason}); what was there before is untouched",
                hint="free some space or choose another folder",
            ) from error
        raise WriteError(
            f"cannot write {path}: {reason}", hint="choose a folder that you may write to"
        ) from error


def make_directory(path: Path) -> Path:
    """Create a directory and its parents, if missing, and return it.

    Raises:
        WriteError: the directory cannot be made.
    """
    with write_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def _partial(path: Path) -> Path:
    return path.with_name(f"{PARTIAL_PREFIX}{path.name}-{os.getpid()}")


def fsync_directory(path: Path) -> None:
    """Make renames inside a directory durable. Windows has no such call and needs none."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def atomic_open(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that appears under its name only when it is whole and on the disk.

    Raises:
        WriteError, NoSpaceError: nothing is left behind, and an older file stays as it was.
    """
    partial = _partial(path)
    try:
        with write_errors(path):
            with partial.open("wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(path)
            fsync_directory(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def atomic_write(path: Path, content: bytes | str) -> None:
    """Write a whole file in one go, or leave the old one. Text is written as UTF-8.

    Raises:
        WriteError, NoSpaceError: nothing is left behind, and an older file stays as it was.
    """
    with atomic_open(path) as stream:
        stream.write(content.encode("utf-8") if isinstance(content, str) else content)


@contextlib.contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Fill a directory that appears under its name only when the block ends without an error.

    Yields a temporary sibling directory to write into. Files in it are flushed to the disk before
    the rename. An existing directory of that name is replaced: it is set aside first, as
    `.partial-NAME-old`, and `settle_directory` puts it back if the process dies in between.

    Raises:
        WriteError, NoSpaceError: nothing is left behind, and an older directory stays.
    """
    partial = _partial(path)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with write_errors(path):
            partial.mkdir(parents=True)
            yield partial
            for child in sorted(partial.rglob("*")):
                if child.is_file():
                    with child.open("rb+") as stream:
                        os.fsync(stream.fileno())
            fsync_directory(partial)
            aside = _aside(path)
            if path.exists():
                shutil.rmtree(aside, ignore_errors=True)
                path.rename(aside)
            partial.rename(path)
            fsync_directory(path.parent)
            shutil.rmtree(aside, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        settle_directory(path)


def _aside(path: Path) -> Path:
    return path.with_name(f"{PARTIAL_PREFIX}{path.name}-old")


def settle_directory(path: Path) -> None:
    """Finish what a process that died inside `atomic_directory` left: put the old one back."""
    aside = _aside(path)
    if aside.exists() and not path.exists():
        with write_errors(path):
            aside.rename(path)


def remove_partials(directory: Path) -> None:
    """Remove what dead writers left. Call it only while holding the directory's lock."""
    for leftover in directory.glob(f"{PARTIAL_PREFIX}*"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal, read in bounded memory."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def crc32_of_chunks(path: Path) -> list[int]:
    """CRC-32 of each MiB of a file, in order; the last chunk may be shorter."""
    checksums = []
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            checksums.append(zlib.crc32(chunk))
    return checksums


@contextlib.contextmanager
def directory_lock(directory: Path) -> Iterator[None]:
    """Hold a directory as its only writer; the lock ends with the process, however it ends.

    Raises:
        RunLockedError: another living process holds it; the message names that process.
        WriteError: the directory cannot be made or written.
    """
    make_directory(directory)
    lock = FileLock(directory / ".lock", thread_local=False)
    holder = directory / ".lock-holder"
    with write_errors(directory):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            who = holder.read_text("utf-8").strip() if holder.exists() else "unknown"
            raise RunLockedError(
                f"{directory} is in use by another process ({who})",
                hint="wait for it to end, stop it, or choose another folder",
            ) from None
    try:
        atomic_write(holder, f"pid {os.getpid()}\n")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()
