"""Finds the files of each split in a folder: `train.*` and `val.*`, shards, subfolders, or books.

A file's split follows from its name (`train.txt`, `val.jsonl`, `train-00000-of-00002.parquet`) or
from the name of a folder around it (`train/0000.parquet`). If no name contains a split, all files
of the folder are training text. Hidden files are skipped, links are followed, and every folder is
visited once.
"""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from slm.data.file_names import (
    Group,
    TextFile,
    check_series,
    listed,
    natural_order,
    split_groups,
)
from slm.data.splits import Split
from slm.errors import DataError, command_line

MOST_FILES = 1_000_000
"""A folder with more is probably a home folder or a whole disk."""

_ABOUT_THE_DATA = frozenset(
    {"readme", "license", "licence", "copying", "notice", "changelog", "citation", "authors"}
    | {"contributing", "requirements", "dataset_info", "dataset_infos", "dataset_dict"}
    | {"state.json", "metadata.json", "meta.json", "config.json", "tokenizer.json"}
)
"""Names of files (whole, or up to the first period) that describe data and contain none."""
_LEFT_OUT_FOLDERS = frozenset(("__MACOSX", "__pycache__"))
_MAIN_SHARE = 0.9


@dataclass(frozen=True)
class FolderFiles:
    """The files of a folder by split, in the order in which they are read.

    Attributes:
        train: never empty.
        validation: empty if a part of the training text is to be held out.
        unused: files that are not read, except hidden ones and those about the data.
        by_name: whether names determine the training files; otherwise all files are.
    """

    train: list[Path]
    validation: list[Path]
    unused: list[str]
    by_name: bool

    def notes(self, folder: Path) -> Iterator[str]:
        """Notes for the user about the choice of files."""
        if not self.by_name and len(self.train) > 1:
            first, last = (path.relative_to(folder) for path in (self.train[0], self.train[-1]))
            yield (
                f"note: {folder}: no file name contains a split, so all {len(self.train):,} files "
                f"({first} to {last}) are read, and a part of their documents is held out"
            )
        if self.unused:
            yield f"note: {folder}: not used: {listed(self.unused)}"


def find_files(
    folder: Path, kind_of: Callable[[str], tuple[str, str] | None], *, expected: str
) -> FolderFiles:
    """Find a folder's files and their splits.

    Args:
        folder: an existing folder.
        kind_of: returns a file name's stem and kind; None: the file is not read.
        expected: the names that are read, for errors.

    Raises:
        DataError: there is no training text, the choice is ambiguous, or shards are missing.
    """
    texts: list[TextFile] = []
    others: list[str] = []
    for path, size in _walk(folder):
        name = path.rpartition("/")[2]
        known = kind_of(name)
        if {name.lower(), name.lower().partition(".")[0]} & _ABOUT_THE_DATA:
            continue
        if size is None:
            others.append(f"{path} (not a regular file)")
        elif known is None:
            others.append(path)
        else:
            texts.append(TextFile(path, *known, size))
    groups = split_groups(texts)
    train = _nearest(groups["train"])
    validation = groups["validation"]
    if train:  # files in another folder belong to something else
        validation = [group for group in validation if group.inside == train[0].inside]
    chosen: dict[Split, list[TextFile]] = {
        "train": _only_group(folder, "train", train),
        "validation": _only_group(folder, "validation", _nearest(validation)),
    }
    by_name = bool(chosen["train"])
    if not by_name:
        _refuse_without_training(folder, texts, others, chosen["validation"], expected)
        for_tests = {file.path for group in groups["test"] for file in group.files}
        chosen["train"] = [file for file in texts if file.path not in for_tests]
        if not chosen["train"]:
            raise DataError(
                f"{folder} contains only test files ({listed([file.path for file in texts])})",
                hint="give a file or folder to train on",
            )
    for split, files in chosen.items():
        files = _of_one_kind(folder, files)
        check_series(folder, files)
        chosen[split] = files
    used = {file.path for files in chosen.values() for file in files}
    unused = [*(file.path for file in texts if file.path not in used), *others]
    return FolderFiles(
        [folder / file.path for file in chosen["train"]],
        [folder / file.path for file in chosen["validation"]],
        sorted(unused, key=natural_order),
        by_name,
    )


# -- listing the files -----------------------------------------------------------------------------


def _walk(folder: Path) -> Iterator[tuple[str, int | None]]:
    """All files below a folder, in natural order, and their sizes; None: not a regular file.

    Raises:
        DataError: a folder cannot be read, or there are too many files.
    """
    n_files = 0
    entered: set[tuple[int, int]] = set()
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        try:
            status = (folder / inside).stat()
            if (status.st_dev, status.st_ino) in entered:  # a loop, or the same folder again
                continue
            entered.add((status.st_dev, status.st_ino))
            names = [path.name for path in (folder / inside).iterdir()]
        except OSError as error:
            raise DataError(
                f"cannot read the folder {folder / inside}: {error.strerror or error}"
            ) from error
        folders = []
        for name in sorted(names, key=natural_order):
            if name.startswith(".") or name in _LEFT_OUT_FOLDERS:
                continue
            path = f"{inside}{name}"
            try:
                status = (folder / path).stat()
            except OSError:  # a link to nothing, or to itself
                yield path, None
                continue
            if stat.S_ISDIR(status.st_mode):
                folders.append(f"{path}/")
                continue
            n_files += 1
            if n_files > MOST_FILES:
                raise DataError(
                    f"{folder} has more than {MOST_FILES:,} files",
                    hint="give a folder that contains only the text",
                )
            yield path, status.st_size if stat.S_ISREG(status.st_mode) else None
        waiting.extend(reversed(folders))


# -- grouping the files ----------------------------------------------------------------------------


def _nearest(groups: list[Group]) -> list[Group]:
    """The groups with the fewest parent folders."""
    depths = [len(PurePosixPath(group.inside).parts) for group in groups]
    return [group for group, depth in zip(groups, depths, strict=True) if depth == min(depths)]


def _only_group(folder: Path, split: str, groups: list[Group]) -> list[TextFile]:
    if len(groups) > 1:
        raise DataError(
            f"{folder} has {listed(list(map(str, groups)), ' and ')} for the split {split!r}, "
            "expected one of them",
            hint="move all but one out of the folder, or give the folder or file that you mean "
            "with --source",
        )
    return groups[0].files if groups else []


def _refuse_without_training(
    folder: Path,
    texts: list[TextFile],
    others: list[str],
    validation: list[TextFile],
    expected: str,
) -> None:
    if (folder / "train.bin").exists():
        raise DataError(
            f"{folder} contains prepared token files, not text",
            hint=f"train on it with: {command_line('--data', folder)}",
        )
    if not texts:
        found = f", found {listed(others)}" if others else ""
        raise DataError(
            f"{folder} contains no text, expected files of type {expected}{found}",
            hint="call the training text train.txt and the held-out text validation.txt; or put "
            "text files with any names there",
        )
    if validation:
        raise DataError(
            f"{folder} has validation text ({validation[0].path}) but no training text, "
            f"such as train{validation[0].extension}",
            hint="give the training text that name, or put it into a subfolder train",
        )


def _of_one_kind(folder: Path, files: list[TextFile]) -> list[TextFile]:
    """The files of the kind that nearly all of the text has."""
    sizes: dict[str, int] = {}
    for file in files:
        sizes[file.kind] = sizes.get(file.kind, 0) + file.size
    if len(sizes) < 2:
        return files
    main = max(sizes, key=lambda kind: sizes[kind])
    if sizes[main] < _MAIN_SHARE * sum(sizes.values()):
        found = Counter(file.kind for file in files)
        raise DataError(
            f"{folder} has files of several types "
            f"({', '.join(f'{number:,} {kind}' for kind, number in found.items())}), and no name "
            "contains a split",
            hint="call the one to train on train with its extension, such as train.txt, or give "
            "the file or folder that you mean with --source",
        )
    return [file for file in files if file.kind == main]
