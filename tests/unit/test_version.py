"""One version, in one place, also where the program is not installed."""

from __future__ import annotations

import importlib.metadata
import json
import tomllib
from pathlib import Path

import pytest

import slm
from slm.data.prepare import prepare
from slm.version import __version__
from tests.conftest import tell_stories

ROOT = Path(__file__).parents[2]


def test_the_package_takes_it_from_the_program() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert table["project"]["dynamic"] == ["version"]
    assert "version" not in table["project"]
    assert table["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "slm.version.__version__"}
    assert slm.__version__ == __version__


def test_the_citation_names_it() -> None:
    lines = (ROOT / "CITATION.cff").read_text("utf-8").splitlines()
    assert f"version: {__version__}" in lines


def test_a_preparation_needs_no_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was looked up after hours of work, when the older data were gone."""

    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    (tmp_path / "book.txt").write_text(tell_stories(40, seed=0), encoding="utf-8")
    prepare(str(tmp_path / "book.txt"), "bytes", tmp_path / "data")
    meta = json.loads((tmp_path / "data" / "meta.json").read_text("utf-8"))
    assert meta["created_by"] == f"slm {__version__}"


def test_nothing_asks_what_is_installed() -> None:
    asking = [
        p for p in (ROOT / "slm").rglob("*.py") if "importlib.metadata" in p.read_text("utf-8")
    ]
    assert asking == []
