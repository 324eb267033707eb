"""Text in one local file, of which a part is held out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from slm.data.documents import DocumentPart
from slm.data.readers import (
    check_file,
    read_documents,
    rows_of,
    text_bytes_of,
)
from slm.data.source_options import SourceOptions, least
from slm.data.splits import HeldOut, Split
from slm.errors import DataError
from slm.storage.user_paths import user_path


def existing_path(spec: str) -> Path | None:
    """The existing file or folder that a specification names (`~` is the home folder), or None."""
    try:
        path = user_path(spec)
        return path if spec.strip() and path.exists() else None
    except (OSError, ValueError):  # too long, a null character
        return None


class FileSource:
    """One file, of which a part is held out."""

    story_bytes = None

    def __init__(self, path: Path, options: SourceOptions) -> None:
        check_file(path)
        self._path = path
        self._options = options
        self._held_out = HeldOut(
            lambda: read_documents(
                path, allow_zero_bytes=options.allow_zero_bytes, log=options.log
            ),
            name=str(path),
            options=options,
        )

    @property
    def name(self) -> str:
        return str(self._path)

    @property
    def expected_stories(self) -> int | None:
        return least(self._options.limit, rows_of(self._path))

    @property
    def expected_bytes(self) -> int | None:
        return text_bytes_of(self._path)

    def identity(self) -> dict[str, Any]:
        return {
            "kind": "file",
            **file_identity(self._path),
            "seed": self._options.seed,
            "limit": self._options.limit,
            "validation_fraction": self._options.validation_fraction,
        }

    def details(self) -> dict[str, Any]:
        return {}

    def forget(self) -> None:
        pass

    def parts(self, split: Split) -> Iterator[DocumentPart]:
        return self._held_out.parts(split)


def file_identity(path: Path) -> dict[str, Any]:
    """Path, size and modification time, which change if the file's text may have changed.

    Raises:
        DataError: the file no longer exists.
    """
    status = file_status(path)
    return {
        "path": (path.parent.resolve() / path.name).as_posix(),
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
    }


def size_and_digest(paths: Iterable[Path], start: Path) -> tuple[int, str]:
    """The size of all files, and a hash that changes if one of them may have changed.

    Args:
        paths: the files.
        start: where their names in the hash begin.

    Raises:
        DataError: a file no longer exists.
    """
    digest = hashlib.sha256()
    size = 0
    for path in paths:
        status = file_status(path)
        size += status.st_size
        digest.update(os.fsencode(path.relative_to(start).as_posix()))
        digest.update(f"\0{status.st_size}\0{status.st_mtime_ns}\n".encode("ascii"))
    return size, digest.hexdigest()


def file_status(path: Path) -> os.stat_result:
    """The result of `stat` for a file.

    Raises:
        DataError: it no longer exists.
    """
    try:
        return path.stat()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
