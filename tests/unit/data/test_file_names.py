"""What names say: orders, splits, and series of shards."""

from __future__ import annotations

from pathlib import Path

import pytest

from slm.data.file_names import (
    TextFile,
    check_series,
    listed,
    natural_order,
    shard_note,
    split_groups,
)
from slm.errors import DataError


def files(*paths: str) -> list[TextFile]:
    names = [(path, path.rpartition("/")[2].rpartition(".")) for path in paths]
    return [TextFile(path, stem, f".{kind}", 1) for path, (stem, _, kind) in names]


def grouped(*paths: str) -> dict[str, list[list[str]]]:
    groups = split_groups(files(*paths))
    found = {
        split: [[file.path for file in group.files] for group in groups[split]] for split in groups
    }
    return {split: paths for split, paths in found.items() if paths}


def test_numbers_sort_as_numbers() -> None:
    names = ["b10", "b2", "B1", "b02", "b1a", "b", "b1", "b\u00b2", "b1b10", "b1b9"]
    expected = ["B1", "b", "b1", "b1a", "b1b9", "b1b10", "b02", "b2", "b10", "b\u00b2"]
    assert sorted(names, key=natural_order) == expected


@pytest.mark.parametrize(
    "name", ["train", "Train", "TRAINING", "train_0", "train00", "train-part-3"]
)
def test_training_names(name: str) -> None:
    assert grouped(f"{name}.txt", "other.txt") == {"train": [[f"{name}.txt"]]}


@pytest.mark.parametrize(
    ("name", "split"),
    [("val", "validation"), ("valid", "validation"), ("dev", "validation")]
    + [("Validation", "validation"), ("test", "test"), ("eval", "test"), ("val.1", "validation")]
    + [("train-00000-of-00001-0123456789abcdef", "train")],
)
def test_split_names(name: str, split: str) -> None:
    assert grouped(f"{name}.jsonl") == {split: [[f"{name}.jsonl"]]}


@pytest.mark.parametrize(
    "name",
    ["b1", "trains", "Night-train", "Train of thought", "invalid", "latest", "train-robbers"],
)
def test_books_about_trains(name: str) -> None:
    assert grouped(f"{name}.txt", "other.txt") == {}


@pytest.mark.parametrize(
    "series",
    [
        ["train_0.txt", "train_1.txt", "train_10.txt"],
        ["train-00000-of-00002.txt", "train-00001-of-00002.txt"],
        ["data/train.0.txt", "data/train.1.txt"],
        ["data/c4-train.00000-of-01024.txt", "data/c4-train.00001-of-01024.txt"],
        ["train/a.txt", "train/b.csv", "train/more/c.txt"],
        ["x/Train/test.txt", "x/Train/train.txt"],
    ],
)
def test_files_that_belong_together(series: list[str]) -> None:
    assert grouped(*series, "other.txt") == {"train": [series]}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("val.txt", "valid.txt"),
        ("train.txt", "train.csv"),
        ("train.txt", "train_0.txt"),
        ("train.txt", "Train.txt"),
        ("train.txt", "training.txt"),
        ("train.txt", "train/a.txt"),
        ("train-0-of-2.txt", "train-0-of-3.txt"),
        ("en/train-0-of-1.txt", "de/train-0-of-1.txt"),
        ("en/train/a.txt", "de/train/a.txt"),
        ("old-train.txt", "new-train.txt"),
        ("train-small.txt", "train-large.txt"),
    ],
)
def test_files_of_which_one_is_meant(one: str, other: str) -> None:
    assert [sorted(found) for found in grouped(one, other).values()] == [sorted([[one], [other]])]


def test_a_prefix_counts_where_two_splits_have_it() -> None:
    assert grouped("Tiny-train.txt", "Tiny-valid.txt", "notes.txt") == {
        "train": [["Tiny-train.txt"]],
        "validation": [["Tiny-valid.txt"]],
    }


def test_words_behind_count_where_every_file_has_a_split() -> None:
    assert grouped("train-clean.txt", "dev-clean.txt") == {
        "train": [["train-clean.txt"]],
        "validation": [["dev-clean.txt"]],
    }
    assert grouped("train-clean.txt", "dev-clean.txt", "more.txt") == {}


def test_missing_shards_are_named(tmp_path: Path) -> None:
    there = files(*(f"data/train-{i:05d}-of-00012-89abcdef.txt" for i in (0, 2, 11)))
    with pytest.raises(DataError) as caught:
        check_series(tmp_path, there)
    assert (
        f"{tmp_path} lacks data/train-00001-of-00012.txt, data/train-00003-of-00012.txt, "
        "data/train-00004-of-00012.txt, data/train-00005-of-00012.txt, "
        "data/train-00006-of-00012.txt and 4 more of the 12 shards" in caught.value.message
    )


@pytest.mark.parametrize(
    "names",
    [
        ["a-0-of-2.txt", "a-1-of-2.txt"],
        ["a-1-of-2.txt", "a-2-of-2.txt"],
        ["a_00_of_02.txt", "a_01_of_02.txt", "b-0-of-1.txt"],
        ["x/0-of-2.txt", "x/1-of-2.txt", "y/0-of-1.txt", "a-3.txt", "a-5.txt"],
        ["part 1 of 3.txt"],
    ],
)
def test_whole_series_pass(tmp_path: Path, names: list[str]) -> None:
    check_series(tmp_path, files(*names))


def test_a_shard_twice_or_beyond_the_end(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has both a-0-of-1.txt and a-0-of-1-0123456789.txt"):
        check_series(tmp_path, files("a-0-of-1.txt", "a-0-of-1-0123456789.txt"))
    with pytest.raises(DataError, match=r"lacks a-1-of-2.txt"):
        check_series(tmp_path, files("a-0-of-2.txt", "a-3-of-2.txt"))
    with pytest.raises(DataError, match=r"and 999,999,999,999,999,993 more"):
        check_series(tmp_path, files("a-0-of-999999999999999999.txt"))


def test_one_shard_alone_is_noted() -> None:
    note = shard_note(Path("data/train-00001-of-00002.parquet"))
    assert note == (
        "note: data/train-00001-of-00002.parquet is one of 2 shards; give the folder (data) to "
        "read them all"
    )
    assert shard_note(Path("data/train-00001-of-00002.jsonl.gz")) is not None
    assert shard_note(Path("train-0-of-1.txt")) is None
    assert shard_note(Path("train-1.txt")) is None


def test_long_lists_are_cut() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed(list("abcdefgh"), " and ") == "a and b and c and d and e and 3 more"
