"""CSV: columns, quotes, odd values, damaged rows that are named, and bounded memory."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from slm.data.documents import whole_stories
from slm.data.readers import csv as csv_file
from slm.data.readers import data_file
from slm.data.readers.csv import read_csv_file
from slm.data.readers.data_file import DataFile
from slm.errors import DataError


def stories(tmp_path: Path, content: str | bytes) -> list[str]:
    path = tmp_path / "text.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(whole_stories(read_csv_file(DataFile(path))))


def test_values_stay_text(tmp_path: Path) -> None:
    rows = 'id,text\n1,"two\nlines, ""quoted"""\n2,NA\n3,12.50\n4,\n5,null\n6,é 日本\n7, \n'
    expected = ['two\nlines, "quoted"', "NA", "12.50", "null", "é 日本"]
    assert stories(tmp_path, rows) == expected
    assert stories(tmp_path, rows.removesuffix("\n")) == expected


def test_a_mark_windows_line_ends_and_blank_lines(tmp_path: Path) -> None:
    assert stories(tmp_path, "\ufefftext,n\r\none,1\r\n\r\ntwo,2\r\n") == ["one", "two"]


def test_the_column_by_name_or_because_it_is_the_only_one_with_words(tmp_path: Path) -> None:
    assert stories(tmp_path, "a,story\nx,one\ny,two\n") == ["one", "two"]
    assert stories(tmp_path, "a,text,story\nx,one,z\n") == ["one"]
    assert stories(tmp_path, "id,body\n1,one\n-2.5e3,two\n,3\n") == ["one", "two", "3"]
    for content in ("id,n\n1,2\n", "a,b\nx,y\n", "a\n", ""):
        with pytest.raises(DataError, match="no text column"):
            stories(tmp_path, content)


def test_many_rows_and_long_fields(tmp_path: Path) -> None:
    long = "some words here " * 20_000  # more than Python's reader takes by itself
    content = f"story\n{long}\n" + "".join(f"number {i}\n" for i in range(1300))
    assert stories(tmp_path, content) == [long, *(f"number {i}" for i in range(1300))]
    assert csv.field_size_limit() >= csv_file.LONGEST_LINE_BYTES


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"id,text\n1,a\n2,b,c,d\n", "the row that ends in line 3 has 4 fields, the first row 2"),
        (b"id,text\n1,a\n2\n", "the row that ends in line 3 has 1 fields, the first row 2"),
        (b'id,text\n1,"a\nb\n', "unexpected end of data, in line 3"),
        (b'id,text\n1,"a"b\n', "expected after .* in line 2"),
        (b"id,text\n1,a\n2,\xff\n", "line 3 is not UTF-8: .* at byte 2"),
        (b"id,text\n1,a\n2,\0\n", "line 3 is not text: it holds a zero byte"),
    ],
)
def test_a_damaged_row_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=rf"text\.csv.*{message}"):
        stories(tmp_path, content)


def test_a_file_without_line_ends_is_not_taken_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_file, "LONGEST_LINE_BYTES", 1000)
    with pytest.raises(DataError, match="line 2 is longer than 1,000 bytes"):
        stories(tmp_path, "text\n" + "a" * 1001)


def test_a_quote_that_never_ends_is_not_taken_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = csv.field_size_limit(1000)
    monkeypatch.setattr(csv_file, "LONGEST_LINE_BYTES", 1000)
    try:
        with pytest.raises(DataError, match=r"field larger than field limit \(1000\)"):
            stories(tmp_path, 'text\n"' + "words\n" * 1000)
    finally:
        csv.field_size_limit(limit)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read .*absent"):
        list(read_csv_file(DataFile(tmp_path / "absent.csv")))
