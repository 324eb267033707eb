"""The manifest lets nothing pass that was not written so, and never leads outside."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from slm.checkpoint.manifest import MANIFEST_NAME, Manifest, ManifestWriter, parse_json
from slm.errors import CheckpointError


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
    path.write_bytes((json.dumps(table, indent=2) + "\n").encode())


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
    with pytest.raises(CheckpointError, match=r"b\.bin.*SHA-256"), manifest.open("b.bin") as reader:
        reader.read(4)


def test_a_file_that_is_not_read_to_its_end_is_not_verified(directory: Path) -> None:
    manifest = Manifest.read(directory)
    with pytest.raises(CheckpointError, match=r"b\.bin"), manifest.open("b.bin") as reader:
        reader.read(3)


@pytest.mark.parametrize("content", [b"123", b"12345", b""])
def test_another_size_is_seen_at_once(directory: Path, content: bytes) -> None:
    (directory / "b.bin").write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"b\.bin has {len(content)} bytes, expected 4"):
        Manifest.read(directory)


def test_another_version_is_said(directory: Path) -> None:
    edit(directory, version=2)
    with pytest.raises(CheckpointError, match="version 2, this program reads version 1"):
        Manifest.read(directory)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "other"},
        {"files": []},
        {"files": {"a.json": None}},
        {"files": {"a.json": {"bytes": 11}}},
        {"files": {"a.json": {"bytes": True, "sha256": "0" * 64}}},
        {"files": {"a.json": {"bytes": -1, "sha256": "0" * 64}}},
        {"files": {"a.json": {"bytes": 11, "sha256": "F" * 64}}},
        {"files": {"a.json": {"bytes": 11, "sha256": "0" * 63}}},
        {"files": {"a.json": {"bytes": 11, "sha256": 0}}},
        {"files": {"a.json": {"bytes": 11, "sha256": "0" * 64, "more": 1}}},
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
        with pytest.raises(CheckpointError, match="malformed"):
            Manifest.read(directory)


@pytest.mark.parametrize(
    "name",
    ["../secret", "/etc/passwd", "a/b", "a\\b", "..", ".", "", "C:x", "a\0", ".hidden", "x" * 101],
)
def test_names_that_lead_elsewhere_are_refused(directory: Path, name: str) -> None:
    (directory.parent / "secret").write_bytes(b"")
    edit(directory, files={name: {"bytes": 0, "sha256": "0" * 64}})
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
    ],
)
def test_json_that_is_too_deep_or_not_strict_is_refused(raw: bytes) -> None:
    with pytest.raises(CheckpointError, match=r"x\.json"):
        parse_json(raw, Path("x.json"))


def test_enormous_files_are_not_read(directory: Path) -> None:
    with (directory / "a.json").open("r+b") as stream:
        stream.truncate(10 * 2**30)  # sparse
    edit(directory, files={"a.json": {"bytes": 10 * 2**30, "sha256": "0" * 64}})
    manifest = Manifest.read(directory)
    with pytest.raises(CheckpointError, match=r"a\.json is too large"):
        manifest.json("a.json")
    with (directory / MANIFEST_NAME).open("r+b") as stream:
        stream.truncate(10 * 2**30)
    with pytest.raises(CheckpointError, match="too large for a manifest"):
        Manifest.read(directory)
