"""Parquet and what `datasets` reads: columns, odd values, damaged files, no cache."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slm.data.documents import whole_stories
from slm.data.readers.parquet import parquet_rows, read_table
from slm.errors import DataError


def stories(path: Path) -> list[str]:
    kind = path.suffix.removeprefix(".")
    return list(whole_stories(read_table(kind, path, name=path.name)))


def parquet(tmp_path: Path, columns: dict[str, list[object]]) -> Path:
    path = tmp_path / "text.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=3)
    return path


def test_parquet_text_in_order_without_empty_rows(tmp_path: Path) -> None:
    texts: list[object] = ["Zoë\n日本", None, "", " ", *(f"story {i}" for i in range(1200))]
    path = parquet(tmp_path, {"id": list(range(len(texts))), "text": texts, "title": texts})
    assert stories(path) == ["Zoë\n日本", *(f"story {i}" for i in range(1200))]
    assert parquet_rows(path) == 1204


@pytest.mark.parametrize("column", ["story", "anything"])
def test_parquet_column_by_name_or_because_it_is_the_only_one(tmp_path: Path, column: str) -> None:
    assert stories(parquet(tmp_path, {"id": [1], column: ["x"]})) == ["x"]


def test_parquet_without_a_text_column_names_what_it_found(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no text column .* found 'a' \(string\), 'b' \(string\)"):
        stories(parquet(tmp_path, {"a": ["x"], "b": ["y"]}))
    with pytest.raises(DataError, match=r"'text' \(int64\)"):
        stories(parquet(tmp_path, {"text": [1]}))


def test_damaged_parquet_is_an_error_without_noise(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = parquet(tmp_path, {"text": ["some words"] * 50})
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"cannot read text.parquet: "):
        stories(path)
    assert parquet_rows(path) is None
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("json", '[{"text": "one", "n": 1}, {"text": "two", "n": 2}]'),
        ("csv", "text,n\none,1\ntwo,2\n"),
        ("text", "one\ntwo\n"),
    ],
)
def test_other_kinds_leave_nothing_in_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, content: str
) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    path = tmp_path / f"data.{kind}"
    path.write_text(content, encoding="utf-8")
    assert list(whole_stories(read_table(kind, path, name=kind))) == ["one", "two"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [path.name]
