"""Folders as sources: their splits, their identity, and what is known before reading."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slm.data.documents import whole_stories
from slm.data.folder_source import FolderSource
from slm.data.prepare import prepare
from slm.data.sources import Source, open_source
from slm.data.splits import SPLITS
from slm.errors import DataError

EOT = "<|endoftext|>"


def splits(source: Source) -> tuple[list[str], list[str]]:
    train, validation = (list(whole_stories(source.parts(split))) for split in SPLITS)
    return train, validation


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    for i in range(3):
        rows = "".join(json.dumps({"text": f"story {10 * i + k}"}) + "\n" for k in range(10))
        write(tmp_path / "data" / f"train-{i:05d}-of-00003.jsonl", rows)
    write(tmp_path / "data" / "dev.jsonl", '"a"\n"b"\n')
    return tmp_path


def test_shards_are_one_text(shards: Path) -> None:
    source = open_source(str(shards))
    assert isinstance(source, FolderSource)
    assert splits(source) == ([f"story {i}" for i in range(30)], ["a", "b"])
    limited = open_source(str(shards), limit=12)
    assert splits(limited) == ([f"story {i}" for i in range(12)], ["a", "b"])
    assert source.expected_stories is None
    assert source.expected_bytes == sum(
        path.stat().st_size for path in (shards / "data").glob("train*")
    )


def test_books_are_one_document_each_and_a_share_is_held_out(tmp_path: Path) -> None:
    for i in range(40):
        write(tmp_path / "books" / f"b{i}.txt", f"Book {i}.\n\nIts end.\n")
    write(tmp_path / "books" / "b7.txt", "  \n")
    write(tmp_path / "books" / "sub" / "two.txt", f"One.\n{EOT}\nTwo.\n{EOT}\n")
    notes: list[str] = []
    source = open_source(str(tmp_path / "books"), validation_fraction=0.3, seed=5, log=notes.append)
    train, validation = splits(source)
    assert len(notes) == 1
    assert 4 <= len(validation) <= 20
    expected = [f"Book {i}.\n\nIts end.\n" for i in range(40) if i != 7] + ["One.", "Two."]
    assert sorted([*train, *validation]) == sorted(expected)
    assert [text for text in expected if text in train] == train
    assert splits(open_source(str(tmp_path / "books"), validation_fraction=0.3, seed=5)) == (
        train,
        validation,
    )
    assert len(splits(open_source(str(tmp_path / "books"), limit=9))[0]) == 9


@pytest.mark.parametrize("extension", ["txt", "jsonl", "csv", "tsv"])
def test_empty_files_among_others_are_passed_over(tmp_path: Path, extension: str) -> None:
    for name in "abcd":
        rows = f'"The story {name}1."\n"The story {name}2."\n'
        write(tmp_path / f"{name}.{extension}", "" if name in "bd" else rows)
    train, validation = splits(open_source(str(tmp_path), validation_fraction=0.5))
    text = "".join(sorted([*train, *validation]))
    assert [text.count(f"story {name}") for name in "abcd"] == [2, 0, 2, 0]


def test_one_book_is_cut(tmp_path: Path) -> None:
    write(tmp_path / "book.txt", "word " * 200)
    (train,), (validation,) = splits(open_source(str(tmp_path)))
    assert train + validation == "word " * 200


def test_identity_covers_every_file(shards: Path) -> None:
    first = open_source(str(shards)).identity()
    assert json.loads(json.dumps(first)) == first
    assert open_source(str(shards)).identity() == first
    assert open_source(str(shards), seed=3).identity() == first  # nothing is held out by it
    assert open_source(str(shards), limit=3).identity() != first
    os.utime(shards / "data" / "train-00001-of-00003.jsonl", ns=(1, 1))
    second = open_source(str(shards)).identity()
    assert second != first
    os.utime(shards / "data" / "dev.jsonl", ns=(1, 1))
    assert open_source(str(shards)).identity() != second
    (shards / "data" / "dev.jsonl").unlink()
    held_out = open_source(str(shards)).identity()
    assert open_source(str(shards), seed=3).identity() != held_out


def test_identity_of_two_files_is_as_it_always_was(tmp_path: Path) -> None:
    train, validation = (write(tmp_path / f"{name}.txt", "x\n") for name in SPLITS)
    expected = {
        name: {
            "path": path.resolve().as_posix(),
            "size": 2,
            "mtime_ns": path.stat().st_mtime_ns,
        }
        for name, path in (("train", train), ("validation", validation))
    }
    assert open_source(str(tmp_path)).identity() == {"kind": "folder", **expected, "limit": None}


@pytest.mark.parametrize("layout", ["val", "shards", "books", "subfolder"])
def test_prepared_data_are_found_again(tmp_path: Path, layout: str) -> None:
    folder = tmp_path / "text"
    names = {
        "val": ["train.txt", "val.txt"],
        "shards": ["train_0.txt", "train_1.txt"],
        "books": ["b1.txt", "b2.txt", "b3.txt"],
        "subfolder": ["data/train.txt", "data/val.txt"],
    }[layout]
    for name in names:
        write(folder / name, f"{name}\n{EOT}\nmore\n{EOT}\n")
    data = prepare(str(folder), "bytes", tmp_path / "out")
    assert Path(data.meta.source_name) == folder.resolve()
    notes: list[str] = []
    again = prepare(data.meta.source_name, "bytes", tmp_path / "out", log=notes.append)
    assert again.meta == data.meta
    assert not [note for note in notes if "replacing" in note]
    write(folder / names[-1], "another\n")
    prepare(str(folder), "bytes", tmp_path / "out", log=notes.append)
    assert [note for note in notes if "replacing" in note]


@pytest.mark.skipif(os.name == "nt", reason="links")
def test_a_linked_file_keeps_its_name(tmp_path: Path) -> None:
    write(tmp_path / "blobs" / "0123", "one\ntwo\n")
    for name in ("train.txt", "val.txt"):
        (tmp_path / "snapshot").mkdir(exist_ok=True)
        (tmp_path / "snapshot" / name).symlink_to("../blobs/0123")
    data = prepare(str(tmp_path / "snapshot"), "bytes", tmp_path / "out")
    assert Path(data.meta.source_name) == (tmp_path / "snapshot").resolve()


def test_rows_of_many_tables_are_estimated(tmp_path: Path) -> None:
    for i in range(30):
        pq.write_table(pa.table({"text": ["story"] * 10}), tmp_path / f"train-{i}.parquet")
    source = open_source(str(tmp_path))
    assert source.expected_stories == 300
    assert source.expected_bytes is None
    for limit, expected in ((7, 7), (10**6, 300)):
        assert open_source(str(tmp_path), limit=limit).expected_stories == expected


def test_thousands_of_files_say_a_few_things(tmp_path: Path) -> None:
    for i in range(12):
        write(tmp_path / f"b{i}.txt", f"one{EOT}Two")
    notes: list[str] = []
    source = open_source(str(tmp_path), log=notes.append)
    train, validation = splits(source)
    assert len(train) + len(validation) == 24
    assert [f"b{i}.txt" in note for i, note in enumerate(notes[1:4])] == [True] * 3
    assert notes[4:] == [f"note: {tmp_path}: notes about more files are omitted"]


def test_a_file_that_vanished(shards: Path) -> None:
    source = open_source(str(shards))
    (shards / "data" / "train-00001-of-00003.jsonl").unlink()
    with pytest.raises(DataError, match="train-00001-of-00003.jsonl"):
        source.identity()
    with pytest.raises(DataError, match="train-00001-of-00003.jsonl"):
        list(source.parts("train"))


def test_a_file_with_nothing_but_an_empty_split(tmp_path: Path) -> None:
    write(tmp_path / "train.txt", "text")
    write(tmp_path / "val.txt", " \n")
    with pytest.raises(DataError, match=r"val\.txt contains no text"):
        splits(open_source(str(tmp_path)))
