"""One file of any format: names, contents that do not fit them, and hints that are followed."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import pickle
import shlex
import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slm.data.documents import whole_stories
from slm.data.quality.check import TextCheck
from slm.data.readers import EXTENSIONS, read_documents, rows_of, text_bytes_of
from slm.data.sources import open_source
from slm.errors import DataError
from tests.foreign_files import as_npy, as_parquet, as_zip
from tests.packing import PACK, PACKINGS

STORIES = [f"Mia, number {number}; saw it\u2019s a ball." for number in range(40)]
TEXT = "\n<|endoftext|>\n".join(STORIES)
JSON_LINES = "".join(json.dumps({"id": 1, "text": story}) + "\n" for story in STORIES)
JSON_LIST = json.dumps([{"text": story} for story in STORIES])
CSV = "id,text\n" + "".join(f'{n},"{story}"\n' for n, story in enumerate(STORIES))
BY_EXTENSION = {
    ".txt": TEXT,
    ".md": TEXT,
    ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES,
    ".json": JSON_LIST,
    ".csv": CSV,
    ".tsv": CSV.replace(",", "\t", 1).replace(',"', '\t"'),
}


needs_quality = pytest.mark.skipif(
    not all(importlib.util.find_spec(library) for library in ("ftfy", "rensa", "py3langid")),
    reason="needs the extra quality",
)


def as_table(kind: str) -> bytes:
    table, sink = pa.table({"text": STORIES}), pa.BufferOutputStream()
    if kind == "parquet":
        pq.write_table(table, sink)
    else:
        new = pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream
        with new(sink, table.schema) as writer:
            writer.write_table(table)
    return bytes(sink.getvalue())


def stories(path: Path | str) -> list[str]:
    return list(whole_stories(read_documents(Path(path))))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refused(path: Path | str) -> DataError:
    with pytest.raises(DataError) as caught:
        stories(path)
    assert str(path) in caught.value.message
    return caught.value


@pytest.mark.parametrize("extension", BY_EXTENSION)
@pytest.mark.parametrize("packing", ["", *PACKINGS])
def test_every_text_format_and_every_compression(
    tmp_path: Path, extension: str, packing: str
) -> None:
    content = BY_EXTENSION[extension].encode()
    path = tmp_path / f"My.stories{extension}"
    if packing:
        path = path.with_name(f"{path.name}.{packing}")
        content = PACK[PACKINGS[packing]](content, f"a{extension}")
    path.write_bytes(content)
    assert stories(path) == STORIES
    assert (text_bytes_of(path) is None) == bool(packing)
    assert rows_of(path) is None


@pytest.mark.parametrize("extension", BY_EXTENSION)
@pytest.mark.parametrize("packing", ["", "gz"])
def test_a_folder_has_splits_of_any_kind(tmp_path: Path, extension: str, packing: str) -> None:
    path = tmp_path / f"train{extension}"
    content = BY_EXTENSION[extension].encode()
    if packing:
        path = path.with_name(f"{path.name}.{packing}")
        content = PACK[PACKINGS[packing]](content, "")
    path.write_bytes(content)
    (tmp_path / "validation.ndjson").write_text('"held out"\n', encoding="utf-8")
    source = open_source(str(tmp_path))
    assert list(whole_stories(source.parts("train"))) == STORIES
    assert list(whole_stories(source.parts("validation"))) == ["held out"]


def test_a_list_of_json_is_read_under_any_name_for_json(tmp_path: Path) -> None:
    for name, content in (("a.jsonl", JSON_LIST), ("a.json", JSON_LINES)):
        (tmp_path / name).write_text(content, encoding="utf-8")
        assert stories(tmp_path / name) == STORIES


FOREIGN = {
    "json lines": (JSON_LINES, "JSON Lines"),
    "one line of json": (JSON_LINES.splitlines()[0], "JSON Lines"),
    "a long line of json": (json.dumps({"text": "words " * 50_000}), "JSON Lines"),
    "a list": (JSON_LIST, "JSON"),
    "a list of strings": (json.dumps(STORIES, indent=2), "JSON"),
    "indented json": (json.dumps({"text": "a", "n": [1]}, indent=2), "JSON"),
    "a table": (CSV, "a table (CSV, its fields separated by commas)"),
    "a table with tabs": (BY_EXTENSION[".tsv"], "a table (CSV, its fields separated by tabs)"),
    "a page": ("\n<!DOCTYPE HTML>\n<html><body>Not found", "an HTML page"),
    "xml": ('<?xml version="1.0"?>\n<a/>', "an XML document"),
    "dictionaries": ("".join(f"{{'text': {story!r}}}\n" for story in STORIES), "as Python prints"),
    "rtf": ("{\\rtf1\\ansi words}", "a Rich Text document"),
    "lfs": ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("extension", [".txt", ".md", ".jsonl", ".csv", ".parquet", ".txt.gz"])
def test_content_that_is_evidently_not_what_the_name_says(
    tmp_path: Path, kind: str, extension: str
) -> None:
    content, found = FOREIGN[kind]
    path = tmp_path / f"data{extension}"
    raw = content.encode()
    path.write_bytes(gzip.compress(raw) if extension == ".txt.gz" else raw)
    if (extension == ".jsonl" and "JSON" in found) or (extension == ".csv" and "CSV" in found):
        return
    error = refused(path)
    assert found in error.message
    assert error.hint
    is_text = extension in (".txt", ".md", ".txt.gz") and kind != "lfs"
    assert ("<|endoftext|>" in error.hint) == is_text


@pytest.mark.parametrize("kind", ["json lines", "a list", "a table", "a table with tabs"])
@pytest.mark.parametrize("extension", [".txt", ".txt.gz", ".csv", ".jsonl", ".parquet"])
def test_following_the_hint_gives_the_stories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, extension: str
) -> None:
    monkeypatch.chdir(tmp_path)
    content = FOREIGN[kind][0].encode()
    name = f"my data{extension}"
    Path(name).write_bytes(gzip.compress(content) if extension == ".txt.gz" else content)
    if (extension == ".jsonl" and "table" not in kind) or (extension == ".csv" and "table" in kind):
        assert stories(name) == STORIES
        return
    subprocess.run(str(refused(name).hint).rpartition(": ")[2], shell=True, check=True)
    (new,) = names(tmp_path)
    assert new != name
    assert stories(new) == STORIES


@pytest.mark.parametrize("extension", [".txt", ".txt.gz", ".csv", ".jsonl", ".parquet"])
def test_following_the_hint_for_dictionaries_gives_the_stories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extension: str
) -> None:
    monkeypatch.chdir(tmp_path)
    content = FOREIGN["dictionaries"][0].encode()
    name = f"my data{extension}"
    Path(name).write_bytes(gzip.compress(content) if extension == ".txt.gz" else content)
    subprocess.run(str(refused(name).hint).rpartition(": ")[2], shell=True, check=True)
    (new,) = set(names(tmp_path)) - {name}
    assert stories(new) == STORIES


@pytest.mark.parametrize("mark", "^~\x01")
def test_a_table_of_a_database_named_as_text(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "data.txt"
    path.write_text(f"id{mark}text\n1{mark}One.\n2{mark}Two.\n", encoding="utf-8")
    assert f"its fields separated by the character {mark!r}" in refused(path).message


@pytest.mark.parametrize("kind", FOREIGN)
def test_who_marks_documents_means_the_text_as_it_is(tmp_path: Path, kind: str) -> None:
    content = FOREIGN[kind][0].removesuffix("\n")
    path = tmp_path / "data.txt"
    path.write_text(f"<|endoftext|>\n{content}\n", encoding="utf-8")
    assert stories(path) == [content]


@pytest.mark.parametrize(
    "text",
    [
        "[Verse 1]\nWords, and words\n",
        '["Hello," he said.]\n',
        "[[A page]] of a wiki\n",
        '"Hello," said Tom.\n"Hello," said Mia.\n"Come," said Sam.\n',
        "{a: 1}\n",
        "<b>bold</b> words\n",
        "One, two\nthree, four\nfive, six\nseven, eight\n",
        "Tom:\tHello\nMia:\tHello\nSam:\tHello\n",
        "Story: text\nTom: Hello\nMia: Hello\nSam: Hello\n",
        "{'tis the season: 1}\n",
        "# Title\n\n| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n",
    ],
)
def test_text_that_only_looks_a_little_like_something_else(tmp_path: Path, text: str) -> None:
    path = tmp_path / "data.txt"
    path.write_text(text, encoding="utf-8")
    assert "".join(stories(path)) == text


ENCODINGS = ["cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]


@pytest.mark.skipif(shutil.which("iconv") is None, reason="needs iconv")
@pytest.mark.parametrize("extension", [*BY_EXTENSION, ".txt.gz", ".csv.zip"])
@pytest.mark.parametrize("codec", ENCODINGS)
def test_following_the_hint_for_another_encoding_gives_the_stories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extension: str, codec: str
) -> None:
    monkeypatch.chdir(tmp_path)
    packing = Path(f"a{extension}").suffix.removeprefix(".")
    plain = extension.removesuffix(f".{packing}") if packing in PACKINGS else extension
    content = BY_EXTENSION[plain].replace("\\u2019", "\u2019").encode(codec)
    if packing in PACKINGS:
        content = PACK[PACKINGS[packing]](content, "a file.csv")
    name = f"my file{extension}"
    Path(name).write_bytes(content)
    error = refused(name)
    assert "UTF-8" in error.message
    subprocess.run(str(error.hint).rpartition(": ")[2], shell=True, check=True)
    (new,) = set(names(tmp_path)) - {name}
    assert new == f"my file-utf8{plain}"
    assert stories(new) == STORIES


@pytest.mark.parametrize(
    ("name", "content", "new"),
    [
        ("a.log", TEXT, "a.log.txt"),
        ("noextension", JSON_LINES, "noextension.jsonl"),
        ("a.data", CSV, "a.data.csv"),
        ("a.gz", gzip.compress(JSON_LINES.encode()), "a.jsonl.gz"),
        ("a.txt.gz", TEXT, "a.txt"),
        ("a.txt", gzip.compress(TEXT.encode()), "a.txt.gz"),
        ("a.jsonl.gz", PACK["zstd"](JSON_LINES.encode(), ""), "a.jsonl.zst"),
        ("a.zip", as_zip("noextension"), "a.txt.zip"),
        ("a.data", as_table("parquet"), "a.data.parquet"),
        ("a.data", as_table("arrow"), "a.data.arrow"),
        ("a.data", as_table("stream"), "a.data.arrow"),
        ("a.parquet", as_table("arrow"), "a.arrow"),
        ("a.parquet", as_table("stream"), "a.arrow"),
        ("a.feather", as_table("parquet"), "a.parquet"),
        ("a.txt", as_table("stream"), "a.arrow"),
    ],
)
def test_following_the_hint_for_a_name_gives_the_stories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str | bytes, new: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    subprocess.run(str(refused(name).hint).rpartition(": ")[2], shell=True, check=True)
    assert names(tmp_path) == [new]
    assert stories(new) == (["words"] if name == "a.zip" else STORIES)


def test_a_compressed_table_is_unpacked_by_the_command_of_the_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my data.parquet.gz").write_bytes(gzip.compress(as_parquet()))
    error = refused("my data.parquet.gz")
    assert "only be read uncompressed" in error.message
    subprocess.run(str(error.hint).rpartition(": ")[2], shell=True, check=True)
    assert stories("my data.parquet") == ["words"]


@pytest.mark.skipif(shutil.which("unzip") is None, reason="needs unzip")
def test_an_archive_of_several_files_is_unpacked_by_the_command_of_the_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my data.zip").write_bytes(as_zip("a.txt", "b.txt"))
    error = refused("my data.zip")
    assert "the archive holds 2 files, expected one" in error.message
    subprocess.run(str(error.hint).rpartition(": ")[2], shell=True, check=True, capture_output=True)
    assert names(Path("my data-unpacked")) == ["a.txt", "b.txt"]


def test_a_cached_file_is_never_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, here = tmp_path / "cache", tmp_path / "here"
    cache.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    path = cache / "train.txt"
    path.write_text(JSON_LINES, encoding="utf-8")
    with pytest.raises(DataError, match=r"^owner/name/train.txt contains JSON Lines") as caught:
        read_documents(path, name="owner/name/train.txt")
    subprocess.run(str(caught.value.hint).rpartition(": ")[2], shell=True, check=True)
    assert names(cache) == ["train.txt"]
    assert stories("train.jsonl") == STORIES


def test_a_format_for_a_name_that_has_none(tmp_path: Path) -> None:
    path = tmp_path / "data.log"
    path.write_text(JSON_LINES, encoding="utf-8")
    assert len(list(read_documents(path, format="json"))) == len(STORIES)


def test_what_a_file_of_another_program_needs(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(as_zip())
    assert refused(tmp_path / "a.xlsx").hint == (
        "open it in a spreadsheet program and save it as CSV in UTF-8"
    )


def test_the_syntax_of_structured_files_is_not_offered_as_text(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("- text: Mia ran.\n", encoding="utf-8")
    assert str(refused(tmp_path / "a.yaml").hint).startswith("write the texts in it to")
    (tmp_path / "a.page").write_text("<!doctype html><p>Mia ran.", encoding="utf-8")
    assert str(refused(tmp_path / "a.page").hint).startswith("if a web page was saved")


def test_what_is_in_an_archive_needs_its_own_step(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(as_zip("b.pdf"))
    assert str(refused(tmp_path / "a.zip").hint).startswith("unpack it; then open it")


def test_notes_are_given_once(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text('"Mia ran home."\n"Tom ran home."\n"Sam sat."\n', encoding="utf-8")
    notes: list[str] = []
    source = open_source(str(path), log=notes.append)
    both = [*whole_stories(source.parts("train")), *whole_stories(source.parts("validation"))]
    assert sorted(both) == ["Mia ran home.", "Sam sat.", "Tom ran home."]
    assert notes == [f"note: {path}: no column names; the first row is read as a story too"]


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
        assert rows_of(path) == 1
        assert [part.text for part in read_documents(path)] == ["words"]
        return
    with pytest.raises(DataError, match=rf"data\{extension}.* is {kind}"):
        list(open_source(str(path)).parts("train"))


def test_text_with_the_name_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "data.parquet").write_text("text\nwords\n", encoding="utf-8")
    with pytest.raises(DataError, match="it is something else, not a Parquet file"):
        read_documents(tmp_path / "data.parquet")


@pytest.mark.parametrize("extension", [".txt", ".jsonl", ".csv"])
def test_zero_bytes_are_no_text(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"data{extension}"
    path.write_bytes(b'"text"\n"some words\0"\n')
    with pytest.raises(DataError, match=rf"data\{extension}"):
        list(open_source(str(path)).parts("train"))


@needs_quality
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b"Once\0 upon a time, in K\xc3\xb6ln."),
        ("a.txt.gz", gzip.compress(b"Once upon a time.\0")),
        ("a.csv", b"id,text\n1,Once\0 upon a time.\n"),
        ("-a b.txt", b"Once upon a time.\0"),
    ],
)
def test_the_hint_for_zero_bytes_removes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        stories(name)
    words = shlex.split((caught.value.hint or "").rpartition(": ")[2])
    assert words[:3] == ["slm", "data", "check"]
    assert words[4] == "--clean"
    for path in (name, words[3]):
        checker = TextCheck(path)
        assert checker.check().findings[1].documents == 1
    checker.clean(Path(words[5]))
    (damaged,) = whole_stories(read_documents(Path(name), allow_zero_bytes=True))
    assert "\0" in damaged
    assert stories(Path(words[5]) / "train.txt") == [damaged.replace("\0", "")]


@needs_quality
def test_zero_bytes_in_a_folder_are_removed_from_all_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "my data"
    folder.mkdir()
    (folder / "train.txt").write_bytes(b"Once upon\0 a time.")
    (folder / "val.txt").write_bytes(b"Long ago.")
    with pytest.raises(DataError) as caught:
        list(open_source(str(folder)).parts("train"))
    words = shlex.split((caught.value.hint or "").rpartition(": ")[2])
    assert words[3:] == [str(folder), "--clean", f"{folder}-clean"]
    checker = TextCheck(words[3])
    checker.check()
    checker.clean(Path(words[5]))
    assert stories(Path(words[5]) / "train.txt") == ["Once upon a time."]


@pytest.mark.skipif(shutil.which("tr") is None, reason="needs tr")
def test_zero_bytes_in_json_are_removed_by_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check cannot read them either: they are no JSON."""
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_bytes(b'{"text": "Once\0 upon a time."}\n')
    for allow in (False, True):
        with pytest.raises(DataError, match=r"a\.jsonl is not text: byte 14") as caught:
            list(read_documents(Path("a.jsonl"), allow_zero_bytes=allow))
    subprocess.run((caught.value.hint or "").rpartition(": ")[2], shell=True, check=True)
    assert stories("a-clean.jsonl") == ["Once upon a time."]


@pytest.mark.parametrize(
    "content", [bytes(9000), bytes(range(256)) * 50, STORIES[0].encode("utf-16-le")]
)
def test_zero_bytes_are_allowed_in_damaged_text_only(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DataError) as caught:
        list(read_documents(tmp_path / "a.txt", allow_zero_bytes=True))
    assert "data check" not in (caught.value.hint or "")


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_sparse_file_of_10_gb_is_refused_at_once(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"data{extension}"
    with path.open("wb") as stream:
        stream.write(b'"text"\n')
        stream.truncate(10 << 30)
    with pytest.raises(DataError, match=rf"data\{extension}"):
        list(open_source(str(path)).parts("train"))


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_pipe_never_keeps_us_waiting(tmp_path: Path, extension: str) -> None:
    os.mkfifo(tmp_path / f"data{extension}")
    with pytest.raises(DataError, match="not a regular file"):
        open_source(str(tmp_path / f"data{extension}"))
    with pytest.raises(DataError, match="not a regular file"):
        read_documents(tmp_path / f"data{extension}")
