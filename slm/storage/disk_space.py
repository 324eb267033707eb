"""Disk space: checked before work begins, and recognized behind any error.

Libraries report a full disk in their own ways; `find_no_space` recognizes them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
from pathlib import Path

from slm.errors import NoSpaceError, causes

if sys.platform != "win32":
    import resource

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Full disk, exceeded quota, and a file beyond the process's limit."""


def no_space_to_write(what: object, reason: str | None, needed: int | None = None) -> NoSpaceError:
    """The error for a file that could not be written, with its size in bytes if known."""
    size = "" if needed is None else f", which takes {needed:,} bytes"
    return NoSpaceError(
        f"no space left to write {what}{size} ({reason or 'the disk is full'}); "
        "its previous content is unchanged",
        hint="free some space or choose another folder",
    )


def find_no_space(error: BaseException) -> NoSpaceError | None:
    """The full disk that caused an error, however often it was wrapped; None if another cause."""
    for link in causes(error):
        if isinstance(link, NoSpaceError):
            return link
        if isinstance(link, OSError) and link.errno in NO_SPACE:
            if link.filename is None:  # stdout, or another open file
                return NoSpaceError(
                    f"no space left to write the output ({link.strerror or 'the disk is full'})",
                    hint="free some space",
                )
            return no_space_to_write(os.fsdecode(link.filename), link.strerror)
        # Native libraries report it in words only.
        for number in NO_SPACE:
            if f"{os.strerror(number)} (os error {number})" in str(link):
                return no_space_to_write("a file of a library", os.strerror(number))
    return None


def require_space(path: Path, needed: int, *, largest_file: int = 0) -> None:
    """Refuse work whose files would not fit.

    Args:
        path: an existing folder on the disk.
        needed: the total size of all files in bytes.
        largest_file: the size of the largest file, which the process's limit must allow.

    Raises:
        NoSpaceError: the message names the path, the bytes needed and the bytes found.
    """
    limit = _file_size_limit()
    if limit is not None and largest_file > limit:
        raise NoSpaceError(
            f"{path}: a file of {largest_file:,} bytes is needed, but this process may write at "
            f"most {limit:,} bytes per file",
            hint="raise the limit: ulimit -f unlimited",
        )
    with contextlib.suppress(OSError):  # if it is unknown, writing will fail instead
        free = shutil.disk_usage(path).free
        if needed > free:
            raise NoSpaceError(
                f"{path}: {needed:,} bytes are needed to save the results, {free:,} are free",
                hint="free some space or choose another folder",
            )


def _file_size_limit() -> int | None:
    if sys.platform == "win32":
        return None
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return None if limit == resource.RLIM_INFINITY else limit
