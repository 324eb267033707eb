"""Files are told by their first bytes, and only regular ones are read."""

from __future__ import annotations

import gzip
import os
import pickle
from pathlib import Path

import pytest

from slm.data.readers import EXTENSIONS, read_documents
from slm.data.sources import open_source
from slm.errors import DataError
from tests.foreign_files import as_npy, as_parquet, as_zip

CONTENTS = {
    "a zip archive": as_zip(),
    "a Python pickle": pickle.dumps("words"),
    "a gzip archive": gzip.compress(b"words"),
    "a NumPy array": as_npy(),
    "a Parquet file": as_parquet(),
}


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("kind", CONTENTS)
def test_another_kind_than_the_name_says_is_named(
    tmp_path: Path, extension: str, kind: str
) -> None:
    path = tmp_path / f"data{extension}"
    path.write_bytes(CONTENTS[kind])
    if kind == "a Parquet file" and extension in (".parquet", ".pq"):
        assert [piece.text for piece in read_documents(path)] == ["words"]
        return
    with pytest.raises(DataError, match=rf"data\{extension}.* is {kind}"):
        list(open_source(str(path)).pieces("train"))


def test_text_with_the_name_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "data.parquet").write_text("text\nwords\n", encoding="utf-8")
    with pytest.raises(DataError, match="it is something else, not a Parquet file"):
        read_documents(tmp_path / "data.parquet")


@pytest.mark.parametrize("extension", [".txt", ".jsonl", ".csv"])
def test_zero_bytes_are_no_text(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"data{extension}"
    path.write_bytes(b'"text"\n"some words\0"\n')
    with pytest.raises(DataError, match=rf"data\{extension}"):
        list(open_source(str(path)).pieces("train"))


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_sparse_file_of_10_gb_is_refused_at_once(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"data{extension}"
    with path.open("wb") as stream:
        stream.write(b'"text"\n')
        stream.truncate(10 << 30)
    with pytest.raises(DataError, match=rf"data\{extension}"):
        list(open_source(str(path)).pieces("train"))


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_pipe_never_keeps_us_waiting(tmp_path: Path, extension: str) -> None:
    os.mkfifo(tmp_path / f"data{extension}")
    with pytest.raises(DataError, match="not a regular file"):
        open_source(str(tmp_path / f"data{extension}"))
    with pytest.raises(DataError, match="not a regular file"):
        read_documents(tmp_path / f"data{extension}")
