"""Parses the names of data files: split, order, and shard number."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from slm.data.readers import kind_of
from slm.data.splits import Split
from slm.errors import DataError

SPLIT_NAMES: dict[str, Split | Literal["test"]] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "tests": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
"""Words that name a split; test files are used for neither training nor validation."""

_SHARD = r"(?P<number>[0-9]{1,18})(?:[-_.]of[-_.](?P<total>[0-9]{1,18}))?(?:-[0-9a-f]{8,64})?"
_NAME = re.compile(
    rf"(?:(?P<prefix>.+)[-_.])?(?P<word>{'|'.join(SPLIT_NAMES)})"
    rf"(?:[-_.]?(?:part|shard|chunk|file)?[-_.]?{_SHARD})?",
    re.IGNORECASE,
)
_QUALIFIED = re.compile(rf"(?P<word>{'|'.join(SPLIT_NAMES)})[-_.].+", re.IGNORECASE)
_OF_SERIES = re.compile(rf"(?P<prefix>.*?){_SHARD}")
_SHOWN_FILES = 5


class TextFile(NamedTuple):
    """A file of a readable kind.

    Attributes:
        path: relative to the folder, with slashes.
        stem: the name without the extension.
        kind: the format.
        size: bytes.
    """

    path: str
    stem: str
    kind: str
    size: int

    @property
    def parent(self) -> str:
        return PurePosixPath(self.path).parent.as_posix()

    @property
    def extension(self) -> str:
        return self.path.rpartition("/")[2][len(self.stem) :]


@dataclass
class Group:
    """Files that belong together: one file, the shards of a series, or a folder named for a split.

    Attributes:
        inside: the folder that contains the group.
        name: the folder's name with a trailing slash; None for files.
        files: the files.
    """

    inside: str
    name: str | None = None
    files: list[TextFile] = field(default_factory=list)

    def __str__(self) -> str:
        paths = [file.path for file in self.files]
        return self.name or (paths[0] if len(paths) == 1 else f"{paths[0]} to {paths[-1]}")


def natural_order(path: str) -> tuple[list[tuple[int, str]], str]:
    """A sort key that puts `b2` before `b10`."""
    parts = re.split(r"([0-9]+)", path)
    numbers = {place: part.lstrip("0") for place, part in enumerate(parts) if place % 2}
    return [
        (len(numbers[place]), numbers[place]) if place in numbers else (0, part)
        for place, part in enumerate(parts)
    ], path


def split_groups(texts: list[TextFile]) -> dict[str, list[Group]]:
    """The files of each split, in groups that could each be the whole split."""
    by_name = {file.path: _NAME.fullmatch(file.stem) for file in texts}
    splits_of_prefix: dict[tuple[str, str], set[str]] = {}
    for file in texts:
        if (match := by_name[file.path]) is not None and match["prefix"]:
            siblings = splits_of_prefix.setdefault((file.parent, match["prefix"]), set())
            siblings.add(SPLIT_NAMES[match["word"].lower()])
    all_are_named = all(
        _split_folder(file) or by_name[file.path] or _QUALIFIED.fullmatch(file.stem)
        for file in texts
    )
    groups: dict[str, dict[tuple[object, ...], Group]] = {
        split: {} for split in SPLIT_NAMES.values()
    }
    for file in texts:
        match = by_name[file.path]
        key: tuple[object, ...] = (file.path,)
        if (place := _split_folder(file)) is not None:
            word = PurePosixPath(place).name
            key, group = (place,), Group(PurePosixPath(place).parent.as_posix(), f"{place}/")
        elif match is not None and (
            all_are_named
            or not match["prefix"]
            or match["total"]  # not the name of a book
            or len(splits_of_prefix[file.parent, match["prefix"]]) > 1
        ):
            word, group = match["word"], Group(file.parent)
            if match["number"] is not None:
                series = match["prefix"], word.lower(), file.extension.lower(), match["total"]
                key = file.parent, *series
        elif all_are_named and (match := _QUALIFIED.fullmatch(file.stem)) is not None:
            word, group = match["word"], Group(file.parent)
        else:
            continue
        groups[SPLIT_NAMES[word.lower()]].setdefault(key, group).files.append(file)
    return {split: list(found.values()) for split, found in groups.items()}


def _split_folder(file: TextFile) -> str | None:
    """The outermost folder of a file that is named after a split."""
    parts = file.parent.split("/")
    named = (place for place, part in enumerate(parts, 1) if part.lower() in SPLIT_NAMES)
    return next(("/".join(parts[:place]) for place in named), None)


def check_series(folder: Path, files: list[TextFile]) -> None:
    """Check that no shard named `NUMBER-of-TOTAL` is missing.

    Raises:
        DataError: shards are missing, or two have the same number.
    """
    series: dict[tuple[str, str, int], dict[int, TextFile]] = {}
    for file in files:
        match = _OF_SERIES.fullmatch(file.stem)
        if match is None or match["total"] is None:
            continue
        shards = series.setdefault((file.parent, match["prefix"], int(match["total"])), {})
        other = shards.setdefault(int(match["number"]), file)
        if other is not file:
            raise DataError(
                f"{folder} has both {other.path} and {file.path}, expected one of them",
                hint="move the older one out of the folder",
            )
    for (_, _, total), shards in series.items():
        first = 1 if total in shards else 0
        n_missing = total - sum(first <= number < first + total for number in shards)
        if not n_missing:
            continue
        example = next(iter(shards.values()))
        absent = (number for number in range(first, first + total) if number not in shards)
        names = [_shard_name(example, n) for n in itertools.islice(absent, _SHOWN_FILES)]
        raise DataError(
            f"{folder} lacks {listed(names, n_all=n_missing)} of the {total:,} shards that the "
            f"name {example.path} announces",
            hint="download the missing shards; or, to train without them, rename the others so "
            "that their names do not contain -of-",
        )


def _shard_name(example: TextFile, number: int) -> str:
    match = _OF_SERIES.fullmatch(example.stem)
    assert match is not None
    start, end = match.span("number")
    digits = str(number).zfill(end - start)
    stem = f"{example.stem[:start]}{digits}{example.stem[end : match.end('total')]}"
    return (PurePosixPath(example.parent) / (stem + example.extension)).as_posix()


def shard_note(path: Path) -> str | None:
    """A note about a single file that is one of several shards; None if it is not."""
    match = _OF_SERIES.fullmatch(kind_of(path.name).stem)
    if match is None or int(match["total"] or 1) < 2:
        return None
    return (
        f"note: {path} is one of {int(match['total']):,} shards; give the folder "
        f"({path.parent}) to read them all"
    )


def listed(names: Sequence[str], joint: str = ", ", *, n_all: int | None = None) -> str:
    """The first few names, and how many more there are."""
    more = (len(names) if n_all is None else n_all) - _SHOWN_FILES
    return joint.join(names[:_SHOWN_FILES]) + (f" and {more:,} more" if more > 0 else "")
