"""What is read is a regular file of bounded size, strict JSON, and what its first bytes say."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from slm.storage.disk_space import find_no_space
from slm.storage.safe_reading import (
    TooLargeError,
    bounded_lines,
    is_sealed,
    kind_by_magic,
    open_regular,
    read_at_most,
    read_bounded,
    sealed_json,
    status_of,
    strict_json,
)
from tests.foreign_files import as_npy, as_parquet, as_zip

posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX files and links")


# -- files ---------------------------------------------------------------------------------------


def test_a_file_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert read_bounded(path, 5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes"):
        read_bounded(path, 4)


def test_a_sparse_file_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as stream:
        stream.truncate(10 << 30)
    with pytest.raises(OSError, match="larger than 9,000,000,000 bytes"):
        read_bounded(tmp_path / "a", 9_000_000_000)


def test_a_stream_up_to_its_limit() -> None:
    assert read_at_most(io.BytesIO(b"12345"), 5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes"):
        read_at_most(io.BytesIO(b"12345"), 4)


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        before = Path.cwd()
        os.chdir(path.parent)  # the names of sockets are short
        try:
            listener.bind(path.name)
        finally:
            os.chdir(before)


@posix_only
@pytest.mark.parametrize("make", [make_pipe, make_socket, Path.mkdir])
def test_what_is_no_regular_file_is_refused_at_once(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "a")
    with pytest.raises(OSError):  # noqa: PT011 - three kinds of files, three reasons
        open_regular(tmp_path / "a")


@posix_only
def test_devices_are_refused() -> None:
    with pytest.raises(OSError, match="not a regular file"):
        open_regular(Path("/dev/zero"))


@posix_only
def test_links_are_followed_where_they_may_be(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "link").symlink_to("a")
    assert read_bounded(tmp_path / "link", 1) == b"x"
    with pytest.raises(OSError, match="it is a link"):
        open_regular(tmp_path / "link", follow_links=False)


@pytest.mark.parametrize("name", ["absent", "x" * 10_000, "a\0b", "a/b" * 3000])
def test_names_of_nothing(tmp_path: Path, name: str) -> None:
    assert status_of(tmp_path) is not None
    assert status_of(tmp_path / name) is None


def test_lines_up_to_their_limit() -> None:
    assert list(bounded_lines(io.BytesIO(b"a\n\nbcd\ne"), 4)) == [b"a\n", b"\n", b"bcd\n", b"e"]
    with pytest.raises(OSError, match="line 3 is longer than 3 bytes"):
        list(bounded_lines(io.BytesIO(b"a\n\nbcd\ne"), 3))


# -- JSON ----------------------------------------------------------------------------------------


def test_json_as_it_should_be() -> None:
    value = {"a": [1, 2.5, None, True, "é"], "b": {"a": -1e300}}
    assert strict_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "Expecting value"),
        (b"\xff", "utf-8"),
        (b'\xef\xbb\xbf""', "Expecting value|BOM"),
        (b"1 2", "Extra data"),
        (b"[" * 10_000 + b"]" * 10_000, "nested too deep"),
        (b'{"a":' * 10_000, "nested too deep"),
        (b'{"a": 1, "a": 1}', "twice"),
        (b"[NaN]", "NaN"),
        (b"-Infinity", "Infinity"),
        (b'{"a": 1e999}', "1e999 is too large"),
        (b"-1e999", "too large"),
        (b"9" * 10_000, "integer string conversion"),
        (b"[" + b"[]," * 2_000_000 + b"1]", "too many entries"),
        (b"{" + b'"a":1,' * 600_000 + b'"b":1}', "too many entries"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_json_that_is_refused(raw: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        strict_json(raw)


def test_every_bit_of_sealed_json_counts() -> None:
    raw = sealed_json({"a": 1, "b": {"c": [1.5, "é"]}})
    table = json.loads(raw)
    assert list(table) == ["a", "b", "checksum"]
    assert is_sealed(raw)
    for bit in range(len(raw) * 8):
        damaged = bytearray(raw)
        damaged[bit // 8] ^= 1 << bit % 8
        assert not is_sealed(bytes(damaged))
    for size in range(len(raw)):
        assert not is_sealed(raw[:size])
    assert not is_sealed(raw + b"\n")


# -- magic bytes ---------------------------------------------------------------------------------


KINDS: dict[str, Callable[[], bytes]] = {
    "zip": as_zip,
    "NumPy": as_npy,
    "Parquet": as_parquet,
    "pickle": lambda: pickle.dumps([1], protocol=4),
    "safetensors": lambda: safetensors.numpy.save({"a": np.ones(3)}),
    "gzip": lambda: gzip.compress(b"a"),
    "bzip2": lambda: bz2.compress(b"a"),
    "xz": lambda: lzma.compress(b"a"),
    "GGUF": lambda: b"GGUF\x03\x00\x00\x00" + bytes(16),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_what_its_first_bytes_say(kind: str) -> None:
    found = kind_by_magic(KINDS[kind]()[:16])
    assert found is not None
    assert kind in found


@pytest.mark.parametrize(
    "text",
    ["", "P", "PK", "PARIS", "GGUF is a format", "BZh, he said", "%", "{", "Once\nupon a time"],
)
def test_text_is_of_no_kind(text: str) -> None:
    assert kind_by_magic(text.encode()) is None


def test_a_program() -> None:
    head = Path(sys.executable).resolve().read_bytes()[:16]
    assert not head.startswith(b"\x7fELF") or kind_by_magic(head) == "a program"


def test_what_is_too_large_to_read_is_no_full_disk(tmp_path: Path) -> None:
    file = tmp_path / "large.json"
    file.write_bytes(b"x" * 100)
    with pytest.raises(TooLargeError) as caught:
        read_bounded(file, 99)
    assert find_no_space(caught.value) is None
    with pytest.raises(TooLargeError, match="line 1 is longer than 99 bytes") as caught:
        list(bounded_lines(io.BytesIO(b"x" * 100), 99))
    assert find_no_space(caught.value) is None
