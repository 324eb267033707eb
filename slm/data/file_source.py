"""Text in local files: one file of which part is held out, or a folder with a file a split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slm.data.documents import Piece
from slm.data.readers import (
    Note,
    check_file,
    is_readable,
    kind_of,
    read_documents,
    rows_of,
    text_bytes_of,
)
from slm.data.splits import HeldOut, Split, limited
from slm.errors import DataError


def existing_path(spec: str) -> Path | None:
    """The file or folder here that a specification means, `~` being a home folder; None: nothing
    is there, or nothing could be."""
    try:
        path = Path(spec).expanduser()
        return path if spec.strip() and path.exists() else None
    except (OSError, ValueError, RuntimeError):  # too long, a null in it, the home of nobody
        return None


class FileSource:
    """One file, part of which is held out."""

    story_bytes = None

    def __init__(
        self,
        path: Path,
        *,
        limit: int | None,
        fraction: float,
        seed: int,
        note: Note | None = None,
    ) -> None:
        check_file(path)
        self._path = path
        self._limit = limit
        self._fraction = fraction
        self._seed = seed
        self._held_out = HeldOut(
            lambda: read_documents(path, note=note),
            name=str(path),
            seed=seed,
            fraction=fraction,
            limit=limit,
        )

    @property
    def name(self) -> str:
        return str(self._path)

    @property
    def expected_stories(self) -> int | None:
        return self._limit or rows_of(self._path)

    @property
    def expected_bytes(self) -> int | None:
        return _text_bytes_of([self._path])

    def identity(self) -> dict[str, Any]:
        return {
            "kind": "file",
            **_file_identity(self._path),
            "seed": self._seed,
            "limit": self._limit,
            "validation_fraction": self._fraction,
        }

    def details(self) -> dict[str, Any]:
        return {}

    def forget(self) -> None:
        pass

    def pieces(self, split: Split) -> Iterator[Piece]:
        return self._held_out.pieces(split)


class FolderSource:
    """A folder with a file for each split."""

    story_bytes = None

    def __init__(
        self,
        folder: Path,
        train: Path,
        validation: Path,
        *,
        limit: int | None,
        note: Note | None = None,
    ) -> None:
        self._folder = folder
        self._files: dict[Split, Path] = {"train": train, "validation": validation}
        self._limit = limit
        self._note = note

    @property
    def name(self) -> str:
        return str(self._folder)

    @property
    def expected_stories(self) -> int | None:
        return self._limit or rows_of(self._files["train"])

    @property
    def expected_bytes(self) -> int | None:
        return _text_bytes_of(list(self._files.values()))

    def identity(self) -> dict[str, Any]:
        return {
            "kind": "folder",
            **{split: _file_identity(path) for split, path in self._files.items()},
            "limit": self._limit,
        }

    def details(self) -> dict[str, Any]:
        return {}

    def forget(self) -> None:
        pass

    def pieces(self, split: Split) -> Iterator[Piece]:
        limit = self._limit if split == "train" else None
        return limited(
            read_documents(self._files[split], note=self._note),
            limit,
            name=str(self._files[split]),
        )


def open_folder(
    folder: Path,
    *,
    limit: int | None,
    fraction: float,
    seed: int,
    note: Note | None = None,
) -> FileSource | FolderSource:
    """The source that a folder's `train.*` and `validation.*` make.

    Raises:
        DataError: there is no training text, or two files for one split.
    """
    train = _split_file(folder, "train")
    validation = _split_file(folder, "validation")
    if train is None:
        if (folder / "train.bin").exists():
            raise DataError(
                f"{folder} holds prepared token files, not text",
                hint=f"train on it with --data {folder}",
            )
        raise DataError(
            f"{folder} has no train file, expected train.txt, train.jsonl, train.csv or such",
            hint="name the training text train.txt, and the held-out text validation.txt",
        )
    if validation is None:
        return FileSource(train, limit=limit, fraction=fraction, seed=seed, note=note)
    return FolderSource(folder, train, validation, limit=limit, note=note)


def _split_file(folder: Path, split: Split) -> Path | None:
    found = sorted(
        path
        for path in folder.iterdir()
        if kind_of(path.name).stem == split and is_readable(path.name) and path.is_file()
    )
    if len(found) > 1:
        raise DataError(
            f"{folder} has {' and '.join(path.name for path in found)}, expected one of them",
            hint="move all but one out of the folder",
        )
    return found[0] if found else None


def _file_identity(path: Path) -> dict[str, Any]:
    status = path.stat()
    return {
        "path": path.resolve().as_posix(),
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
    }


def _text_bytes_of(paths: list[Path]) -> int | None:
    sizes = [text_bytes_of(path) for path in paths]
    return None if None in sizes else sum(size or 0 for size in sizes)
