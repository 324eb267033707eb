"""The listing kept from an earlier run is distrusted like any other file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slm.data import hub

SOUND = {
    "format": "slm-hub-listing",
    "commit": "0" * 40,
    "kind": "parquet",
    "splits": {"train": ["data/train.parquet"]},
}


@pytest.fixture
def listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(hub, "_listing_path", lambda name: tmp_path / "files.json")
    return tmp_path / "files.json"


def test_a_sound_listing_is_used(listing: Path) -> None:
    listing.write_text(json.dumps(SOUND), encoding="utf-8")
    assert hub._load_listing("owner/name") == SOUND


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"commit": None},
        {"kind": "pandas"},  # which unpickles
        {"kind": "webdataset"},
        {"kind": ["parquet"]},
        {"splits": {}},
        {"splits": {"train": "a"}},
        {"splits": {"train": [1]}},
        {"splits": {"train": ["../../secret.txt"]}},
        {"splits": {"train": ["/etc/passwd"]}},
        {"splits": {"train": ["a\\..\\b"]}},
    ],
)
def test_an_odd_one_counts_as_none(listing: Path, change: dict[str, Any]) -> None:
    listing.write_text(json.dumps({**SOUND, **change}), encoding="utf-8")
    assert hub._load_listing("owner/name") is None


@pytest.mark.parametrize("content", [b"", b"\xff", b"[" * 10_000, b'{"a": 1e999}'])
def test_a_damaged_one_counts_as_none(listing: Path, content: bytes) -> None:
    listing.write_bytes(content)
    assert hub._load_listing("owner/name") is None


def test_a_sparse_one_counts_as_none(listing: Path) -> None:
    with listing.open("wb") as stream:
        stream.truncate(10 << 30)
    assert hub._load_listing("owner/name") is None


def test_an_endpoint_that_is_no_address_is_named() -> None:
    assert str(hub.unreachable("hub.example.org")).startswith(
        "hub.example.org cannot be reached (unknown url type"
    )
