"""Text in local files: one file of which part is held out, or a folder with a file a split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slm.data.csv_file import read_csv_file
from slm.data.documents import Piece
from slm.data.jsonl_file import read_jsonl_file
from slm.data.splits import HeldOut, Split, limited
from slm.data.tables import parquet_rows, read_table
from slm.data.text_file import read_text_file
from slm.errors import DataError, command_line
from slm.reading import kind_by_magic, open_regular

EXTENSIONS = (".txt", ".jsonl", ".csv", ".parquet")
_HEAD_BYTES = 16
_PARQUET_MAGIC = b"PAR1"


def existing_path(spec: str) -> Path | None:
    """The file or folder here that a specification means, `~` being a home folder; None: nothing
    is there, or nothing could be."""
    try:
        path = Path(spec).expanduser()
        return path if spec.strip() and path.exists() else None
    except (OSError, ValueError, RuntimeError):  # too long, a null in it, the home of nobody
        return None


def read_documents(path: Path) -> Iterator[Piece]:
    """The documents of one local file, in pieces, by the kind that its name tells.

    Raises:
        DataError: the file is of another kind, or cannot be read.
    """
    kind = path.suffix.lower()
    _check_content(path)
    if kind == ".txt":
        return read_text_file(path)
    if kind == ".jsonl":
        return read_jsonl_file(path)
    if kind == ".csv":
        return read_csv_file(path)
    return read_table(kind.removeprefix("."), path, name=str(path))


class FileSource:
    """One file, part of which is held out."""

    story_bytes = None

    def __init__(self, path: Path, *, limit: int | None, fraction: float, seed: int) -> None:
        _check_kind(path)
        self._path = path
        self._limit = limit
        self._fraction = fraction
        self._seed = seed
        self._held_out = HeldOut(
            lambda: read_documents(path),
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
        return self._limit or _rows_of(self._path)

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

    def __init__(self, folder: Path, train: Path, validation: Path, *, limit: int | None) -> None:
        self._folder = folder
        self._files: dict[Split, Path] = {"train": train, "validation": validation}
        self._limit = limit

    @property
    def name(self) -> str:
        return str(self._folder)

    @property
    def expected_stories(self) -> int | None:
        return self._limit or _rows_of(self._files["train"])

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
        return limited(read_documents(self._files[split]), limit, name=str(self._files[split]))


def open_folder(
    folder: Path, *, limit: int | None, fraction: float, seed: int
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
                hint=f"token files go with: {command_line('--data', folder)}",
            )
        raise DataError(
            f"{folder} has no train file, expected train{' or train'.join(EXTENSIONS)}",
            hint="name the training text train.txt, and the held-out text validation.txt",
        )
    if validation is None:
        return FileSource(train, limit=limit, fraction=fraction, seed=seed)
    return FolderSource(folder, train, validation, limit=limit)


def _split_file(folder: Path, split: Split) -> Path | None:
    found = [folder / f"{split}{extension}" for extension in EXTENSIONS]
    found = [path for path in found if path.is_file()]
    if len(found) > 1:
        raise DataError(
            f"{folder} has {' and '.join(path.name for path in found)}, expected one of them",
            hint="move all but one out of the folder",
        )
    return found[0] if found else None


def _check_kind(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"{path} is not a regular file")
    if path.suffix.lower() not in EXTENSIONS:
        raise DataError(
            f"{path} is of an unknown kind, expected one of {', '.join(EXTENSIONS)}",
            hint=f"if it is plain text, rename it to {path.stem or 'text'}.txt",
        )


def _check_content(path: Path) -> None:
    """Whether a file's first bytes are as its name says; nothing is ever opened by name alone.

    Raises:
        DataError: they are those of something else.
    """
    try:
        with open_regular(path) as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    kind, found = path.suffix.lower(), kind_by_magic(head)
    if not head and kind in (".csv", ".parquet"):
        raise DataError(f"{path} is empty")
    if kind == ".parquet":
        if not head.startswith(_PARQUET_MAGIC):
            raise DataError(
                f"cannot read {path}: it is {found or 'something else'}, not a Parquet file"
            )
    elif kind in EXTENSIONS and found is not None:
        raise DataError(
            f"{path} is {found}, not text", hint="unpack or convert it, and give the text"
        )


def _file_identity(path: Path) -> dict[str, Any]:
    status = path.stat()
    return {
        "path": path.resolve().as_posix(),
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
    }


def _rows_of(path: Path) -> int | None:
    return parquet_rows(path) if path.suffix.lower() == ".parquet" else None


def _text_bytes_of(paths: list[Path]) -> int | None:
    if any(path.suffix.lower() == ".parquet" for path in paths):
        return None  # compressed
    return sum(path.stat().st_size for path in paths)
