"""The manifest lets nothing pass that was not written so, and never leads outside."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from pathlib import Path
from typing import Any

import pytest

from slm.checkpoint import manifest
from slm.checkpoint.manifest import Manifest, ManifestWriter, parse_json
from slm.config.run_files import MANIFEST_NAME
from slm.errors import CheckpointError
from slm.storage.safe_reading import sealed_json


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    place = tmp_path / "it"
    place.mkdir()
    writer = ManifestWriter(place)
    writer.json("a.json", {"a": 1})
    with writer.open("b.bin") as stream:
        stream.write(b"12")
        stream.write(b"34")
    writer.finish()
    return place


def edit(directory: Path, **changes: Any) -> None:
    path = directory / MANIFEST_NAME
    table = json.loads(path.read_text("utf-8")) | changes
    del table["checksum"]
    path.write_bytes(sealed_json(table))


EMPTY = {"bytes": 0, "sha256": hashlib.sha256().hexdigest(), "crc32": []}
RECORD = {"bytes": 11, "sha256": "0" * 64, "crc32": [1]}


def test_what_was_written_is_read(directory: Path) -> None:
    manifest = Manifest.read(directory)
    assert set(manifest.files) == {"a.json", "b.bin"}
    assert manifest.json("a.json") == {"a": 1}
    with manifest.open("b.bin") as reader:
        assert reader.read(4) == b"1234"


def test_files_that_are_not_listed_are_ignored(directory: Path) -> None:
    (directory / "notes.txt").write_text("mine", "utf-8")
    assert "notes.txt" not in Manifest.read(directory).files


def test_a_changed_byte_is_seen_when_the_file_is_read(directory: Path) -> None:
    (directory / "b.bin").write_bytes(b"1235")
    manifest = Manifest.read(directory)
    with pytest.raises(CheckpointError, match=r"b\.bin.*chunk 0"), manifest.open("b.bin") as reader:
        reader.read(4)


def test_a_file_that_is_not_read_to_its_end_is_not_verified(directory: Path) -> None:
    manifest = Manifest.read(directory)
    with pytest.raises(CheckpointError, match=r"b\.bin"), manifest.open("b.bin") as reader:
        reader.read(3)


def test_the_damaged_chunk_is_named_before_any_of_it_is_handed_on(tmp_path: Path) -> None:
    content = os.urandom((3 << 20) + 5)
    writer = ManifestWriter(tmp_path)
    with writer.open("b.bin") as stream:
        for start in range(0, len(content), 700_001):
            stream.write(content[start : start + 700_001])
    writer.finish()
    record = Manifest.read(tmp_path).files["b.bin"]
    chunks = [content[start : start + (1 << 20)] for start in range(0, len(content), 1 << 20)]
    assert record.crc32 == tuple(map(zlib.crc32, chunks))
    for chunk, expected in [
        (0, "chunk 0, bytes 0 to 1,048,575"),
        (2, "chunk 2, bytes 2,097,152 to 3,145,727"),
        (3, "chunk 3, bytes 3,145,728 to 3,145,732"),
    ]:
        damaged = bytearray(content)
        damaged[(chunk << 20) + 2] ^= 8
        (tmp_path / "b.bin").write_bytes(damaged)
        read = 0
        with (
            pytest.raises(CheckpointError, match=rf"b\.bin .* {expected}"),
            Manifest.read(tmp_path).open("b.bin") as reader,
        ):
            while read < len(content):
                size = min(300_007, len(content) - read)
                assert reader.read(size) == content[read : read + size]
                read += size
        assert read <= chunk << 20


def test_contents_that_only_the_long_checksum_tells_apart(directory: Path) -> None:
    files = json.loads((directory / MANIFEST_NAME).read_bytes())["files"]
    files["b.bin"]["sha256"] = "0" * 64
    edit(directory, files=files)
    manifest = Manifest.read(directory)
    with pytest.raises(CheckpointError, match=r"b\.bin.*SHA-256"), manifest.open("b.bin") as reader:
        reader.read(4)


@pytest.mark.parametrize("content", [b"123", b"12345", b""])
def test_another_size_is_seen_at_once(directory: Path, content: bytes) -> None:
    (directory / "b.bin").write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"b\.bin has {len(content)} bytes, expected 4"):
        Manifest.read(directory)


def test_another_version_is_said(directory: Path) -> None:
    edit(directory, version=3)
    with pytest.raises(CheckpointError, match="version 3, this program reads versions up to 2"):
        Manifest.read(directory)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "other"},
        {"files": []},
        {"files": {"a.json": None}},
        {"files": {"a.json": {"bytes": 11}}},
        {"files": {"a.json": RECORD | {"bytes": True}}},
        {"files": {"a.json": RECORD | {"bytes": -1}}},
        {"files": {"a.json": RECORD | {"bytes": 2**53}}},
        {"files": {"a.json": RECORD | {"sha256": "F" * 64}}},
        {"files": {"a.json": RECORD | {"sha256": "0" * 63}}},
        {"files": {"a.json": RECORD | {"sha256": 0}}},
        {"files": {"a.json": RECORD | {"crc32": []}}},
        {"files": {"a.json": RECORD | {"crc32": [1, 1]}}},
        {"files": {"a.json": RECORD | {"crc32": [-1]}}},
        {"files": {"a.json": RECORD | {"crc32": [2**32]}}},
        {"files": {"a.json": RECORD | {"crc32": [1.0]}}},
        {"files": {"a.json": RECORD | {"crc32": 1}}},
        {"files": {"a.json": RECORD | {"more": 1}}},
        {"more": 1},
    ],
)
def test_a_malformed_manifest_is_refused(directory: Path, changes: dict[str, Any]) -> None:
    edit(directory, **changes)
    with pytest.raises(CheckpointError, match=MANIFEST_NAME):
        Manifest.read(directory)


def test_another_layout_of_the_same_json_is_refused(directory: Path) -> None:
    path = directory / MANIFEST_NAME
    table = json.loads(path.read_bytes())
    for text in (json.dumps(table), json.dumps(table, indent=2), json.dumps(table, indent=4)):
        path.write_text(text, "utf-8")
        with pytest.raises(CheckpointError, match="its own checksum is wrong"):
            Manifest.read(directory)


@pytest.mark.parametrize(
    "name",
    ["../secret", "/etc/passwd", "a/b", "a\\b", "..", ".", "", "C:x", "a\0", ".hidden", "x" * 101],
)
def test_names_that_lead_elsewhere_are_refused(directory: Path, name: str) -> None:
    (directory.parent / "secret").write_bytes(b"")
    edit(directory, files={name: EMPTY})
    with pytest.raises(CheckpointError, match="not a plain file name"):
        Manifest.read(directory)


@pytest.mark.skipif(os.name == "nt", reason="making links needs rights on Windows")
def test_links_and_pipes_are_refused(directory: Path) -> None:
    outside = directory.parent / "outside"
    outside.write_bytes(b"1234")
    (directory / "b.bin").unlink()
    (directory / "b.bin").symlink_to(outside)
    with pytest.raises(CheckpointError, match=r"b\.bin is not a regular file"):
        Manifest.read(directory)
    (directory / "b.bin").unlink()
    os.mkfifo(directory / "b.bin")
    with pytest.raises(CheckpointError, match=r"b\.bin is not a regular file"):
        Manifest.read(directory)


@pytest.mark.skipif(os.name == "nt", reason="making links needs rights on Windows")
def test_what_becomes_a_link_or_a_pipe_after_the_manifest_was_read(directory: Path) -> None:
    manifest = Manifest.read(directory)
    (directory / "b.bin").rename(directory / "elsewhere")
    (directory / "b.bin").symlink_to("elsewhere")
    with pytest.raises(CheckpointError, match=r"b\.bin: it is a link"), manifest.open("b.bin"):
        pass
    (directory / "b.bin").unlink()
    os.mkfifo(directory / "b.bin")
    with pytest.raises(CheckpointError, match=r"b\.bin: .*not a regular"), manifest.open("b.bin"):
        pass


def test_missing_files_are_named(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"lists no c\.bin"):
        Manifest.read(directory).require("c.bin")
    (directory / "b.bin").unlink()
    with pytest.raises(CheckpointError, match=r"b\.bin is missing"):
        Manifest.read(directory)
    with pytest.raises(CheckpointError, match=rf"{MANIFEST_NAME} is missing"):
        Manifest.read(tmp_path)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"cannot read|is missing"):
        Manifest.read(tmp_path / "file")


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 100_000,
        b"",
        b"\xff",
        b'{"a": 1, "a": 1}',
        b"NaN",
        b"[Infinity]",
        b"1" * 10_000,
        b'{"a": 1e999}',
    ],
)
def test_json_that_is_too_deep_or_not_strict_is_refused(raw: bytes) -> None:
    with pytest.raises(CheckpointError, match=r"x\.json"):
        parse_json(raw, Path("x.json"))


def test_enormous_files_are_not_read(directory: Path) -> None:
    with (directory / "a.json").open("r+b") as stream:
        stream.truncate(10 * 2**30)  # sparse
    huge = {"bytes": 10 * 2**30, "sha256": "0" * 64, "crc32": [0] * 10 * 2**10}
    edit(directory, files={"a.json": huge})
    manifest = Manifest.read(directory)
    with pytest.raises(CheckpointError, match=r"a\.json is too large"):
        manifest.json("a.json")
    with (directory / MANIFEST_NAME).open("r+b") as stream:
        stream.truncate(10 * 2**30)
    with pytest.raises(CheckpointError, match="too large for a manifest"):
        Manifest.read(directory)


def test_no_json_is_written_that_would_not_be_read(tmp_path: Path) -> None:
    limit = manifest._MAX_JSON_BYTES
    writer = ManifestWriter(tmp_path)
    with pytest.raises(CheckpointError, match=r"large\.json would have [\d,]* bytes"):
        writer.json("large.json", {"text": "x" * limit})
    assert not (tmp_path / "large.json").exists()
    writer.json("small.json", {"text": "x" * (limit - 100)})
    writer.finish()
    assert len(Manifest.read(tmp_path).json("small.json")["text"]) == limit - 100
