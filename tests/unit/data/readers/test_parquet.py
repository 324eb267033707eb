"""Parquet and Arrow: columns, every type that holds text, odd values, damaged files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slm.data.documents import whole_stories
from slm.data.readers import read_documents
from slm.data.readers.parquet import parquet_rows
from slm.errors import DataError

VALUES = ["Zoë\n日本", None, "", "two"]
STORIES = ["Zoë\n日本", "two"]
TEXT_TYPES = {
    "string": pa.string(),
    "large_string": pa.large_string(),
    "string_view": pa.string_view(),
    "dictionary": pa.dictionary(pa.int32(), pa.string()),
    "dictionary of large": pa.dictionary(pa.int8(), pa.large_string()),
}
BYTE_TYPES = {
    "binary": pa.binary(),
    "large_binary": pa.large_binary(),
    "binary_view": pa.binary_view(),
}


def stories(path: Path) -> list[str]:
    return list(whole_stories(read_documents(path)))


def array(type: pa.DataType) -> pa.Array:
    if type in BYTE_TYPES.values():
        return pa.array([None if text is None else text.encode() for text in VALUES], type)
    return pa.array(VALUES).cast(type)


def write(path: Path, table: pa.Table) -> Path:
    """A table in the format that the name says; `.arrow` is a stream, `.feather` a file."""
    if path.suffix in (".parquet", ".pq"):
        pq.write_table(table, path, row_group_size=3)
    elif path.suffix == ".arrow":
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    return path


def parquet(tmp_path: Path, columns: dict[str, Any]) -> Path:
    return write(tmp_path / "text.parquet", pa.table(columns))


@pytest.mark.parametrize("extension", [".parquet", ".pq", ".arrow", ".feather"])
@pytest.mark.parametrize("kind", [*TEXT_TYPES, *BYTE_TYPES])
def test_every_type_that_holds_text(tmp_path: Path, extension: str, kind: str) -> None:
    column = array({**TEXT_TYPES, **BYTE_TYPES}[kind])
    table = pa.table({"id": [1, 2, 3, 4], "text": column, "title": ["a", "b", "c", "d"]})
    assert stories(write(tmp_path / f"data{extension}", table)) == STORIES


@pytest.mark.parametrize("kind", TEXT_TYPES)
def test_the_only_column_of_text_needs_no_name(tmp_path: Path, kind: str) -> None:
    columns = {"image": pa.array([b"\xff\xd8"] * 4), "body": array(TEXT_TYPES[kind])}
    assert stories(parquet(tmp_path, columns)) == STORIES


def test_run_end_encoded_text(tmp_path: Path) -> None:
    column = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["a", "b"]))
    path = write(tmp_path / "data.arrow", pa.table({"text": column}))
    assert stories(path) == ["a", "a", "b"]


@pytest.mark.parametrize("extension", [".parquet", ".arrow"])
def test_text_in_a_struct(tmp_path: Path, extension: str) -> None:
    rows = [{"text": "one", "n": 1}, None, {"text": None, "n": 2}, {"text": "two", "n": 3}]
    table = pa.table({"id": [1, 2, 3, 4], "row": pa.array(rows)})
    assert stories(write(tmp_path / f"data{extension}", table)) == ["one", "two"]
    deeper = pa.table({"a": pa.array([{"b": row} for row in rows])})
    assert stories(write(tmp_path / f"deeper{extension}", deeper)) == ["one", "two"]
    both = table.append_column("story", pa.array(["w", "x", "y", "z"]))
    assert stories(write(tmp_path / f"both{extension}", both)) == ["w", "x", "y", "z"]


def test_parquet_text_in_order_without_empty_rows(tmp_path: Path) -> None:
    texts: list[object] = ["Zoë\n日本", None, "", " ", *(f"story {i}" for i in range(1200))]
    path = parquet(tmp_path, {"id": list(range(len(texts))), "text": texts, "title": texts})
    assert stories(path) == ["Zoë\n日本", *(f"story {i}" for i in range(1200))]
    assert parquet_rows(path) == 1204


@pytest.mark.parametrize("column", ["story", "Text", "anything"])
def test_parquet_column_by_name_or_because_it_is_the_only_one(tmp_path: Path, column: str) -> None:
    assert stories(parquet(tmp_path, {"id": [1], column: ["x"]})) == ["x"]


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"a": ["x"], "b": ["y"]}, r"'a' \(string\), 'b' \(string\)"),
        ({"text": [1]}, r"'text' \(int64\)"),
        ({"text": [["one", "two"]]}, r"'text' \(list<element: string>\)"),
        ({"text": [["one"]], "title": ["x"]}, r"'text' .*, 'title' \(string\)"),
    ],
)
def test_without_a_column_of_text_the_message_names_what_it_found(
    tmp_path: Path, columns: dict[str, Any], found: str
) -> None:
    with pytest.raises(
        DataError, match=rf"no text column 'text' or 'story', found {found} "
    ) as caught:
        stories(parquet(tmp_path, columns))
    assert caught.value.hint == "write the stories to one column of strings, named 'text'"


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    path = parquet(tmp_path, {"text": pa.array([b"fine", b"caf\xe9"])})
    with pytest.raises(DataError, match=r"text.parquet, row 2 is not UTF-8: .* at byte 3"):
        stories(path)


@pytest.mark.parametrize("extension", [".parquet", ".arrow", ".feather"])
def test_a_damaged_table_is_an_error_without_noise(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], extension: str
) -> None:
    path = write(tmp_path / f"data{extension}", pa.table({"text": ["some words"] * 5000}))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=rf"cannot read .*data{extension}: ") as caught:
        stories(path)
    assert caught.value.hint
    assert parquet_rows(path) is None
    assert capfd.readouterr() == ("", "")


def test_an_arrow_table_that_lies_about_its_strings_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "data.arrow", pa.table({"text": ["w" * 43]}))
    end_of_words = b"\0\0\0\0\x2b\0\0\0w"
    assert path.read_bytes().count(end_of_words) == 1
    path.write_bytes(path.read_bytes().replace(end_of_words, b"\0\0\0\0\0\0\0\x40w"))
    with pytest.raises(DataError, match=r"cannot read .*data.arrow"):
        stories(path)
