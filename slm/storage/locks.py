"""Locks: one writer for a file or directory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from slm.errors import RunLockedError
from slm.storage.files import atomic_write, make_directory, write_errors
from slm.storage.safe_reading import read_bounded

LOCK_FILE = ".lock"
"""It is never removed from a directory that this program has written to."""
HOLDER_FILE = ".lock-holder"
"""Which process holds the lock, for people."""


@contextlib.contextmanager
def directory_lock(directory: Path) -> Iterator[None]:
    """Lock a directory as its only writer; the lock ends when the process does.

    Raises:
        RunLockedError: another process holds the lock; the message names that process.
        WriteError: the directory cannot be made or written.
    """
    make_directory(directory)
    lock = FileLock(directory / LOCK_FILE, thread_local=False, preserve_lock_file=True)
    holder = directory / HOLDER_FILE
    with write_errors(directory):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RunLockedError(
                f"{directory} is in use by another process ({_first_line(holder)})",
                hint="wait for it to end, or choose another folder",
            ) from None
    try:
        atomic_write(holder, f"pid {os.getpid()}\n")
        yield
    finally:
        with contextlib.suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


@contextlib.contextmanager
def waiting_lock(path: Path) -> Iterator[None]:
    """Wait until no other process writes a file or directory; the lock is a file next to it.

    Raises:
        WriteError: the lock cannot be made.
    """
    make_directory(path.parent)
    lock = FileLock(path.with_name(f"{path.name}.lock"), thread_local=False)
    with write_errors(path.parent):
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _first_line(path: Path) -> str:
    """A small file's first line; its owner may be writing or removing it."""
    try:
        return read_bounded(path, 1 << 10).decode("utf-8").partition("\n")[0]
    except (OSError, UnicodeDecodeError):
        return "unknown"
