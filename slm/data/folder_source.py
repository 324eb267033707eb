"""Text in a folder: files for each split, or files of which a part is held out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from slm.data.documents import DocumentPart
from slm.data.file_source import FileSource, file_identity, file_status, size_and_digest
from slm.data.folder import FolderFiles, find_files
from slm.data.readers import (
    READABLE,
    is_readable,
    kind_of,
    read_documents,
    rows_of,
    text_bytes_of,
)
from slm.data.source_options import SourceOptions, least
from slm.data.splits import HeldOut, Split, limited
from slm.log import Log

_COUNTED_FILES = 20
"""If there are more files, the number of documents is estimated from the first ones."""
_NOTES_ABOUT_FILES = 3


class FolderSource:
    """The files of a folder; without validation files, a part of the training text is held out."""

    story_bytes = None

    def __init__(self, folder: Path, files: FolderFiles, options: SourceOptions) -> None:
        self._folder = folder
        self._files = files
        self._options = replace(options, log=_few(options.log, folder))
        self._held_out = HeldOut(
            lambda: self._documents(files.train),
            name=str(folder),
            options=options,
        )

    @property
    def name(self) -> str:
        return str(self._folder)

    @cached_property
    def expected_stories(self) -> int | None:
        return least(self._options.limit, self._stories_by_rows())

    def _stories_by_rows(self) -> int | None:
        counted = self._files.train[:_COUNTED_FILES]
        rows = [rows_of(path) for path in counted]
        n_rows = sum(number for number in rows if number is not None)
        if None in rows or not n_rows:
            return None
        n_bytes = sum(file_status(path).st_size for path in counted)
        all_bytes = sum(file_status(path).st_size for path in self._files.train)
        return round(n_rows * all_bytes / n_bytes)

    @cached_property
    def expected_bytes(self) -> int | None:
        n_bytes = [text_bytes_of(path) for path in self._files.train]
        return None if None in n_bytes else sum(filter(None, n_bytes))

    def identity(self) -> dict[str, Any]:
        files = self._files
        identity: dict[str, Any] = {
            "kind": "folder",
            "train": self._identity_of(files.train),
            "limit": self._options.limit,
        }
        if files.validation:
            identity["validation"] = self._identity_of(files.validation)
        else:
            identity |= {
                "seed": self._options.seed,
                "validation_fraction": self._options.validation_fraction,
            }
        is_plain = len(files.train) == len(files.validation) == 1
        if not is_plain or any(
            path.parent != self._folder for path in (*files.train, *files.validation)
        ):
            identity["path"] = self._folder.resolve().as_posix()
        return identity

    def _identity_of(self, paths: list[Path]) -> dict[str, Any]:
        """A value of bounded size that changes if any of the files changes."""
        if len(paths) == 1:
            return file_identity(paths[0])
        size, digest = size_and_digest(paths, self._folder)
        return {"files": len(paths), "size": size, "sha256": digest}

    def details(self) -> dict[str, Any]:
        return {}

    def forget(self) -> None:
        pass

    def parts(self, split: Split) -> Iterator[DocumentPart]:
        if not self._files.validation:
            return self._held_out.parts(split)
        files = self._files.train if split == "train" else self._files.validation
        limit = self._options.limit if split == "train" else None
        name = str(files[0] if len(files) == 1 else f"{self._folder} ({split})")
        return limited(self._documents(files), limit, name=name)

    def _documents(self, paths: list[Path]) -> Iterator[DocumentPart]:
        for path in paths:
            yield from read_documents(
                path,
                source=self._folder,
                allow_zero_bytes=self._options.allow_zero_bytes,
                log=self._options.log,
            )


def open_folder(folder: Path, options: SourceOptions) -> FileSource | FolderSource:
    """The source for the files of an existing folder; files that are not read are logged.

    Raises:
        DataError: there is no training text, the choice is ambiguous, or shards are missing.
    """
    files = find_files(folder, _kind_of, expected=READABLE)
    for sentence in files.notes(folder):
        options.log(sentence)
    if len(files.train) == 1 and not files.validation:
        return FileSource(files.train[0], options)
    return FolderSource(folder, files, options)


def _few(log: Log, folder: Path) -> Log:
    """A `log` that drops all but the first few sentences: there may be thousands of files."""
    said: set[str] = set()

    def say(sentence: str) -> None:
        if sentence in said or len(said) > _NOTES_ABOUT_FILES:
            return
        said.add(sentence)
        is_over = len(said) > _NOTES_ABOUT_FILES
        log(f"note: {folder}: notes about more files are omitted" if is_over else sentence)

    return say


def _kind_of(name: str) -> tuple[str, str] | None:
    kind = kind_of(name)
    return (kind.stem, kind.format or "archive") if is_readable(name) else None
