"""Compressed files: what they hold, damage, and bounds."""

from __future__ import annotations

import contextlib
import io
import lzma
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from slm.data.readers import compression
from slm.data.readers.compression import MAGIC, UNPACK_COMMANDS, member_name, unpacked
from slm.data.readers.kinds import Compression
from tests.packing import PACK, as_zip

TEXT = b"".join(b"line %d of some text\n" % number for number in range(20_000))


def unpack(content: bytes, kind: Compression) -> bytes:
    with unpacked(io.BytesIO(content), kind) as stream:
        return stream.read()


@pytest.mark.parametrize("kind", PACK)
def test_the_content_comes_out(kind: Compression) -> None:
    packed = PACK[kind](TEXT, "text.txt")
    assert packed.startswith(MAGIC[kind])
    assert unpack(packed, kind) == TEXT
    assert unpack(PACK[kind](b"", "a.txt"), kind) == b""
    with unpacked(io.BytesIO(packed), kind) as stream:
        assert [stream.readline(), stream.readline(3)] == [b"line 0 of some text\n", b"lin"]


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz", "zstd"])
def test_parts_one_after_the_other(kind: Compression) -> None:
    pack = PACK[kind]
    assert unpack(pack(TEXT, "") + pack(b"", "") + pack(b"more\n", ""), kind) == TEXT + b"more\n"


@pytest.mark.parametrize("padding", [4, 1 << 18])
def test_padding_of_xz(padding: int) -> None:
    packed = lzma.compress(TEXT) + bytes(padding)
    assert unpack(packed, "xz") == TEXT
    assert unpack(packed + lzma.compress(b"more\n"), "xz") == TEXT + b"more\n"


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("cut", [1, 9, 1000])
def test_what_is_cut_off_is_refused(kind: Compression, cut: int) -> None:
    with pytest.raises(OSError, match="truncated|damaged|Truncated"):
        unpack(PACK[kind](TEXT, "text.txt")[:-cut], kind)


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz", "zip"])  # zstd's checksum is optional
@pytest.mark.parametrize("place", [20, 300, 3000])
def test_a_changed_byte_never_gives_other_text(kind: Compression, place: int) -> None:
    packed = bytearray(PACK[kind](TEXT, "text.txt"))
    packed[place] ^= 0x10
    with contextlib.suppress(OSError):
        assert unpack(bytes(packed), kind) == TEXT


@pytest.mark.parametrize("kind", PACK)
def test_what_unpacks_to_far_more_than_text_does_is_refused(
    kind: Compression, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compression, "_JUDGED_FROM_BYTES", 1 << 20)
    packed = PACK[kind](b"a" * (4 << 20), "a.txt")
    with pytest.raises(OSError, match="unpacks to more than 500 times its size"):
        unpack(packed, kind)
    monkeypatch.setattr(compression, "_JUDGED_FROM_BYTES", 8 << 20)
    assert len(unpack(packed, kind)) == 4 << 20


def test_an_xz_file_that_asks_for_much_memory_is_refused() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 512 << 20}]
    packed = lzma.compress(b"words\n", filters=filters)
    with pytest.raises(OSError, match="Memory usage limit"):
        unpack(packed, "xz")


def test_the_only_file_of_an_archive() -> None:
    assert member_name(io.BytesIO(as_zip(TEXT, "text.txt"))) == "folder/text.txt"
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_BZIP2):
        assert unpack(as_zip(TEXT, "text.txt", method), "zip") == TEXT


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "holds 0 files"),
        (["a.txt", "b.txt"], "holds 2 files"),
        (["a", "b", "c"], "holds 3 files"),
    ],
)
def test_archives_of_another_number_of_files(names: list[str], message: str) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, TEXT)
    with pytest.raises(OSError, match=message):
        member_name(stream)


def test_archives_that_cannot_be_unpacked() -> None:
    with pytest.raises(OSError, match="compression method of the archive is not supported"):
        unpack(as_zip(TEXT, "text.txt", zipfile.ZIP_LZMA), "zip")
    packed = bytearray(as_zip(TEXT, "text.txt"))
    at = packed.index(b"PK\1\2", packed.index(b"PK\1\2") + 1)
    packed[at + 8] |= 1  # encrypted, says the directory
    with pytest.raises(OSError, match="archive is encrypted"):
        unpack(bytes(packed), "zip")
    many = io.BytesIO()
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(20_000):
            archive.writestr(f"{number}.txt", b"")
    with pytest.raises(OSError, match="holds too many files"):
        member_name(many)


@pytest.mark.parametrize("kind", UNPACK_COMMANDS)
def test_the_command_that_prints_the_content(tmp_path: Path, kind: Compression) -> None:
    command = UNPACK_COMMANDS[kind].split()
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not here")
    path = tmp_path / "packed"
    path.write_bytes(PACK[kind](TEXT, "text.txt"))
    with path.open("rb") as stream:
        done = subprocess.run(command, stdin=stream, capture_output=True, check=True)
    assert done.stdout == TEXT
