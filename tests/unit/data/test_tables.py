"""CSV and Parquet: columns, odd values, damaged files."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slm.data.documents import whole_stories
from slm.data.tables import parquet_rows, read_table
from slm.errors import DataError


def stories(path: Path) -> list[str]:
    kind = path.suffix.removeprefix(".")
    return list(whole_stories(read_table(kind, path, name=path.name)))


def parquet(tmp_path: Path, columns: dict[str, list[object]]) -> Path:
    path = tmp_path / "text.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=3)
    return path


def csv(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "text.csv"
    path.write_text(content, encoding="utf-8")
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


def test_csv_values_stay_text(tmp_path: Path) -> None:
    rows = 'id,text\n1,"two\nlines, ""quoted"""\n2,NA\n3,12.50\n4,\n5,null\n6,é 日本\n'
    assert stories(csv(tmp_path, rows)) == ['two\nlines, "quoted"', "NA", "12.50", "null", "é 日本"]


def test_csv_with_a_mark_and_windows_line_ends(tmp_path: Path) -> None:
    assert stories(csv(tmp_path, "\ufefftext,n\r\none,1\r\ntwo,2\r\n")) == ["one", "two"]


def test_csv_column_because_it_is_the_only_text(tmp_path: Path) -> None:
    assert stories(csv(tmp_path, "id,body\n1,one\n2,two\n")) == ["one", "two"]
    with pytest.raises(DataError, match="no text column"):
        stories(csv(tmp_path, "id,n\n1,2\n"))


def test_csv_longer_than_one_reading(tmp_path: Path) -> None:
    content = "story\n" + "".join(f"number {i}\n" for i in range(1300))
    assert stories(csv(tmp_path, content)) == [f"number {i}" for i in range(1300)]


def test_csv_that_breaks_off_is_an_error_without_noise(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError, match=r"cannot read text.csv: "):
        stories(csv(tmp_path, "id,text\n1,a\n2,b,c,d\n"))
    assert capfd.readouterr() == ("", "")
