"""Which files of a folder are read, for which split, and what is said of the others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import slm.data.folder
from slm.data.folder import FolderFiles, find_files
from slm.errors import DataError

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX files")


def kind_of(name: str) -> tuple[str, str] | None:
    stem, _, kind = name.rpartition(".")
    return (stem, kind) if kind in ("txt", "csv", "json") else None


def found(folder: Path) -> FolderFiles:
    return find_files(folder, kind_of, expected="*.txt, *.csv")


def make(folder: Path, *paths: str, size: int = 10) -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"x" * size)
    return folder


def names(folder: Path, paths: list[Path]) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


@pytest.mark.parametrize("word", ["val", "valid", "dev", "validation", "Val"])
def test_validation_under_every_name(tmp_path: Path, word: str) -> None:
    files = found(make(tmp_path, "train.txt", f"{word}.txt"))
    assert names(tmp_path, files.train) == ["train.txt"]
    assert names(tmp_path, files.validation) == [f"{word}.txt"]
    assert list(files.notes(tmp_path)) == []


def test_what_is_not_used_is_said(tmp_path: Path) -> None:
    make(
        tmp_path,
        "train.txt",
        "val.txt",
        "test.txt",
        "eval.csv",
        "more.txt",
        "image.png",
        "old/a.txt",
    )
    make(tmp_path, "README.md", "LICENSE.txt", ".hidden.txt", ".cache/huggingface/a.txt")
    (note,) = found(tmp_path).notes(tmp_path)
    assert note == (
        f"note: {tmp_path}: not used: eval.csv, image.png, more.txt, old/a.txt, test.txt"
    )
    make(tmp_path, "a.txt", "b.txt")
    (note,) = found(tmp_path).notes(tmp_path)
    assert note.endswith("not used: a.txt, b.txt, eval.csv, image.png, more.txt and 2 more")


@pytest.mark.parametrize("one", ["val.txt", "dev/a.txt", "validation.csv"])
def test_two_names_for_one_split_are_named(tmp_path: Path, one: str) -> None:
    make(tmp_path, "train.txt", "valid.txt", one)
    with pytest.raises(DataError, match=r"valid\.txt.* for the split 'validation'") as caught:
        found(tmp_path)
    assert (one if one.count("/") == 0 else "dev/") in caught.value.message
    assert caught.value.hint


def test_a_data_set_of_the_hub_as_it_is_fetched(tmp_path: Path) -> None:
    train = [f"data/train-{i:05d}-of-00003.csv" for i in range(3)]
    make(tmp_path, *train, "data/validation-00000-of-00001.csv", "data/test-00000-of-00001.csv")
    make(tmp_path, "README.md", ".gitattributes", ".cache/huggingface/download/data/x.csv.metadata")
    files = found(tmp_path)
    assert names(tmp_path, files.train) == train
    assert names(tmp_path, files.validation) == ["data/validation-00000-of-00001.csv"]
    assert files.unused == ["data/test-00000-of-00001.csv"]
    (tmp_path / train[1]).unlink()
    with pytest.raises(DataError, match=r"lacks data/train-00001-of-00003\.csv of the 3 shards"):
        found(tmp_path)


def test_split_folders(tmp_path: Path) -> None:
    make(
        tmp_path,
        "train/10.txt",
        "train/9.txt",
        "train/more/1.txt",
        "validation/a.txt",
        "test/b.txt",
    )
    files = found(tmp_path)
    assert names(tmp_path, files.train) == ["train/9.txt", "train/10.txt", "train/more/1.txt"]
    assert names(tmp_path, files.validation) == ["validation/a.txt"]
    assert files.unused == ["test/b.txt"]


def test_data_sets_next_to_each_other_need_a_choice(tmp_path: Path) -> None:
    make(tmp_path, "en/train-0-of-1.txt", "de/train-0-of-1.txt", "de/val.txt")
    with pytest.raises(DataError, match=r"de/train-0-of-1\.txt and en/train-0-of-1\.txt"):
        found(tmp_path)
    files = found(tmp_path / "de")
    assert names(tmp_path / "de", files.validation) == ["val.txt"]


def test_the_nearest_files_count_and_validation_is_next_to_them(tmp_path: Path) -> None:
    make(tmp_path, "train.txt", "old/train.txt", "old/val.txt")
    files = found(tmp_path)
    assert names(tmp_path, files.train) == ["train.txt"]
    assert files.validation == []
    assert files.unused == ["old/train.txt", "old/val.txt"]


def test_a_folder_of_books(tmp_path: Path) -> None:
    make(tmp_path, "b10.txt", "b2.txt", "a/c.txt", "Night-train.txt", "test.txt", "notes.pdf")
    make(tmp_path, "meta.json", "index.csv", "__MACOSX/b2.txt", "README.txt", size=1)
    files = found(tmp_path)
    assert names(tmp_path, files.train) == ["Night-train.txt", "b2.txt", "b10.txt", "a/c.txt"]
    first, second = files.notes(tmp_path)
    assert "so all 4 files (Night-train.txt to a/c.txt) are read, and a part" in first
    assert second.endswith("not used: index.csv, notes.pdf, test.txt")


def test_files_of_several_kinds_need_a_choice(tmp_path: Path) -> None:
    make(tmp_path, "a.txt", "b.csv")
    with pytest.raises(DataError, match=r"several types \(1 txt, 1 csv\)") as caught:
        found(tmp_path)
    assert "train" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], "contains no text, expected files of type"),
        (["a.png", "README.txt", ".a.txt"], "contains no text"),
        (["wiki.train.tokens", "b.pdf"], "of type .*, found b.pdf, wiki.train.tokens "),
        (["test.txt", "eval/a.txt"], r"only test files \(test.txt, eval/a.txt\)"),
        (["tests/a.txt", "testing.txt"], r"only test files \(testing.txt, tests/a.txt\)"),
        (
            ["b1.txt", "val.csv"],
            r"validation text \(val.csv\) but no training text, such as train",
        ),
        (["train.bin", "meta.json", "a.txt"], "prepared token files"),
    ],
)
def test_folders_without_training_text(tmp_path: Path, paths: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        found(make(tmp_path, *paths))
    assert caught.value.hint


@posix
def test_links_are_followed_once(tmp_path: Path) -> None:
    folder = make(tmp_path / "folder", "a/b.txt", "c.txt")
    outside = make(tmp_path / "outside", "d.txt")
    (folder / "a" / "loop").symlink_to(folder)
    (folder / "more").symlink_to(outside)
    (folder / "more-again").symlink_to(outside)
    (folder / "e.txt").symlink_to(outside / "d.txt")
    (folder / "f.txt").symlink_to("f.txt")
    (folder / "g.txt").symlink_to("nowhere")
    os.mkfifo(folder / "h.txt")
    files = found(folder)
    assert names(folder, files.train) == ["c.txt", "e.txt", "a/b.txt", "more/d.txt"]
    assert files.unused == [f"{name}.txt (not a regular file)" for name in "fgh"]


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read all")
def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    make(tmp_path, "a.txt", "closed/b.txt")
    (tmp_path / "closed").chmod(0)
    try:
        with pytest.raises(DataError, match=r"cannot read the folder .*closed"):
            found(tmp_path)
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_a_whole_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slm.data.folder, "MOST_FILES", 3)
    make(tmp_path, "a.txt", "b.txt", "c.txt")
    assert len(found(tmp_path).train) == 3
    with pytest.raises(DataError, match="more than 3 files"):
        found(make(tmp_path, "d.png"))
