"""Opening prepared data: every kind of damage is found and named."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slm.data.prepare import prepare
from slm.data.shards import DataDirectory, dtype_for
from slm.errors import DataError
from slm.storage.files import sha256_of_file
from slm.storage.safe_reading import sealed_json


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pristine")
    text = "".join(f"story {i} of many\n<|endoftext|>\n" for i in range(60_000))
    (folder / "text.txt").write_text(text, encoding="utf-8")
    prepare(str(folder / "text.txt"), "bytes", folder / "data")
    return folder / "data"


@pytest.fixture
def data(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "data"))


def flip(path: Path, position: int, mask: int = 1) -> None:
    with path.open("r+b") as stream:
        stream.seek(position)
        byte = stream.read(1)[0]
        stream.seek(position)
        stream.write(bytes([byte ^ mask]))


def edit(data: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = data / "meta.json"
    meta = json.loads(path.read_text("utf-8"))
    del meta["checksum"]
    change(meta)
    path.write_bytes(sealed_json(meta))


def test_whole_data_opens_and_is_checked_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = DataDirectory.open(data)
    tokens = directory.tokens("train")
    assert not tokens.flags.writeable
    monkeypatch.setattr("slm.data.shards.zlib.crc32", lambda chunk: -1)
    assert directory.tokens("train") is tokens


@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize("place", [0.0, 0.4, 1.0])
def test_a_flipped_bit_is_found_at_first_use(data: Path, split: str, place: float) -> None:
    path = data / f"{split}.bin"
    flip(path, int((path.stat().st_size - 1) * place))
    directory = DataDirectory.open(data)
    with pytest.raises(DataError, match=rf"{split}.bin is damaged: .* chunk \d, bytes"):
        directory.tokens(split)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_another_size_is_found_at_opening(data: Path, split: str) -> None:
    path = data / f"{split}.bin"
    content = path.read_bytes()
    for changed in (content[:-2], content + b"\0\0", b""):
        path.write_bytes(changed)
        with pytest.raises(DataError, match=rf"{split}.bin has [\d,]+ bytes, expected"):
            DataDirectory.open(data)
    path.unlink()
    with pytest.raises(DataError, match=f"cannot read .*{split}.bin"):
        DataDirectory.open(data)


def test_swapped_files_are_found(data: Path) -> None:
    (data / "train.bin").rename(data / "x.bin")
    (data / "validation.bin").rename(data / "train.bin")
    (data / "x.bin").rename(data / "validation.bin")
    with pytest.raises(DataError, match=r"train.bin has"):
        DataDirectory.open(data)
    edit(data, lambda meta: meta["splits"]["train"].update(file="validation.bin"))
    edit(data, lambda meta: meta["splits"]["validation"].update(file="train.bin"))
    DataDirectory.open(data).tokens("train")  # the names are free, the contents are right


def test_an_id_above_the_vocabulary_is_named(data: Path) -> None:
    def shrink(meta: dict[str, Any]) -> None:
        meta["tokenizer"].update(vocab_size=200, eot_id=199)  # forged: the checksum is right

    edit(data, shrink)
    first = int(np.argmax(np.fromfile(data / "train.bin", "<u2") >= 200))
    with pytest.raises(
        DataError, match=rf"train.bin contains the id 256 at position {first}, .* below 200"
    ):
        DataDirectory.open(data).tokens("train")


def test_another_tokenizer_is_refused(data: Path) -> None:
    edit(data, lambda meta: meta["tokenizer"].update(fingerprint="f" * 64))
    with pytest.raises(DataError, match="not the tokenizer that made"):
        _ = DataDirectory.open(data).tokenizer
    edit(data, lambda meta: meta["tokenizer"].update(sha256="f" * 64))
    with pytest.raises(DataError, match=r"tokenizer.json is damaged"):
        _ = DataDirectory.open(data).tokenizer
    (data / "tokenizer.json").unlink()
    with pytest.raises(DataError, match=r"cannot read .*tokenizer.json"):
        DataDirectory.open(data)


def test_not_prepared_says_what_to_do(tmp_path: Path) -> None:
    """And never to prepare into a folder that is there, which may be the user's own."""
    with pytest.raises(DataError, match="does not exist") as caught:
        DataDirectory.open(tmp_path / "none")
    assert "slm prepare --source TEXT --out NEW_FOLDER" in str(caught.value.hint)
    folder = tmp_path / "my texts"
    folder.mkdir()
    with pytest.raises(DataError, match="no prepared data") as caught:
        DataDirectory.open(folder)
    assert caught.value.hint == f"for a folder of text: --source '{folder}'"
    for name in ("one", "two"):  # as `data`, where prepared data go by default
        (folder / name).mkdir()
        (folder / name / "meta.json").touch()
    with pytest.raises(DataError, match="contains no prepared data") as caught:
        DataDirectory.open(folder)
    one, two = (f"'{folder / name}'" for name in ("one", "two"))
    assert caught.value.hint == f"prepared data are in {one} and {two}"
    (tmp_path / "book.txt").write_bytes(b"")
    with pytest.raises(DataError, match="is a file, not a folder") as caught:
        DataDirectory.open(tmp_path / "book.txt")
    assert caught.value.hint == f"to use it as text: --source {tmp_path / 'book.txt'}"


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(format="other"),
        lambda m: m.update(dtype="int8"),
        lambda m: m.update(splits=[]),
        lambda m: m["splits"].pop("validation"),
        lambda m: m["splits"]["train"].update(size=-2),
        lambda m: m["splits"]["train"].update(tokens=10**30),
        lambda m: m["splits"]["train"].update(tokens="12"),
        lambda m: m["splits"]["train"].update(tokens=1.5),
        lambda m: m["splits"]["train"].update(crc32=[1]),
        lambda m: m["splits"]["train"].update(crc32=[-1]),
        lambda m: m["splits"]["train"].update(crc32={"a": 1}),
        lambda m: m["splits"]["train"].update(file="../train.bin"),
        lambda m: m["splits"]["train"].update(file="/etc/passwd"),
        lambda m: m["splits"]["train"].update(file="a\\b"),
        lambda m: m["splits"]["train"].update(file=".."),
        lambda m: m["splits"]["train"].update(file="train.bin\n"),
        lambda m: m["tokenizer"].update(vocab_size=0),
        lambda m: m["tokenizer"].update(eot_id=257),
        lambda m: m.pop("tokenizer"),
        lambda m: m["tokenizer"].update(size=2**40),
        lambda m: m["tokenizer"].update(sha256="0" * 63),
        lambda m: m.update(more=1),
        lambda m: m["splits"].update(test=m["splits"]["train"]),
        lambda m: m["splits"]["train"].update(more=1),
        lambda m: m["tokenizer"].update(more=1),
    ],
)
def test_a_hostile_description_is_refused(
    data: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    edit(data, change)
    with pytest.raises(DataError, match=r"meta.json"):
        DataDirectory.open(data)


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 10_000],
)
def test_a_description_that_is_none_is_refused(data: Path, content: bytes) -> None:
    (data / "meta.json").write_bytes(content)
    with pytest.raises(DataError, match=r"meta.json"):
        DataDirectory.open(data)


def test_another_version_is_named(data: Path) -> None:
    edit(data, lambda meta: meta.update(version=2))
    with pytest.raises(DataError, match="has version 2, this program reads version 1"):
        DataDirectory.open(data)


def test_every_bit_of_the_description_and_the_tokenizer_counts(data: Path) -> None:
    for name in ("meta.json", "tokenizer.json"):
        path = data / name
        for position in range(path.stat().st_size):
            mask = 1 << position % 8
            flip(path, position, mask)
            with pytest.raises(DataError, match=name):
                _ = DataDirectory.open(data).tokenizer
            flip(path, position, mask)
    _ = DataDirectory.open(data).tokenizer


def test_the_description_is_that_of_the_files(data: Path) -> None:
    meta = DataDirectory.open(data).meta
    assert meta.tokenizer.sha256 == sha256_of_file(data / "tokenizer.json")
    content = (data / "train.bin").read_bytes()
    chunks = [content[start : start + (1 << 20)] for start in range(0, len(content), 1 << 20)]
    assert meta.splits.train.crc32 == [zlib.crc32(chunk) for chunk in chunks]


@pytest.mark.skipif(os.name == "nt", reason="making links needs rights on Windows")
def test_a_directory_may_be_a_link(data: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("data")
    assert DataDirectory.open(tmp_path / "link").tokens("train").size


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
@pytest.mark.parametrize("name", ["meta.json", "tokenizer.json", "train.bin"])
def test_a_pipe_never_keeps_us_waiting(data: Path, name: str) -> None:
    (data / name).unlink()
    os.mkfifo(data / name)
    with pytest.raises(DataError, match=rf"{name}.* not a regular file"):
        DataDirectory.open(data)


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
@pytest.mark.parametrize("name", ["tokenizer.json", "train.bin"])
def test_what_becomes_a_pipe_after_opening(data: Path, name: str) -> None:
    directory = DataDirectory.open(data)
    (data / name).unlink()
    os.mkfifo(data / name)
    with pytest.raises(DataError, match=rf"{name}.*not a regular file"):
        _ = directory.tokens("train") if name == "train.bin" else directory.tokenizer


@pytest.mark.parametrize("name", ["x" * 10_000, "a\0b"])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(DataError, match="does not exist"):
        DataDirectory.open(name)


def test_a_name_of_a_megabyte_is_cut_in_the_message(data: Path) -> None:
    edit(data, lambda meta: meta["splits"].update({"x" * (1 << 20): 1}))
    with pytest.raises(DataError, match=r"meta.json") as caught:
        DataDirectory.open(data)
    assert len(caught.value.message) < 400 + len(str(data))


def test_documents_are_the_text_again(data: Path) -> None:
    directory = DataDirectory.open(data)
    train, validation = list(directory.documents("train")), list(directory.documents("validation"))
    assert len(train) == directory.split("train").stories
    assert len(validation) == directory.split("validation").stories
    assert {*train, *validation} == {f"story {i} of many" for i in range(60_000)}


def test_unknown_split(data: Path) -> None:
    with pytest.raises(DataError, match="unknown split 'test'"):
        DataDirectory.open(data).split("test")


def test_smallest_format_that_holds_every_id() -> None:
    assert [dtype_for(size) for size in (257, 65_536, 65_537)] == ["uint16", "uint16", "uint32"]
