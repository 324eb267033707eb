"""The extras of the package are those that the documentation and our hints name."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
EXTRAS: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))[
    "project"
]["optional-dependencies"]
ROW = re.compile(r"^\| `pip install -e '\.\[([\w-]+)\]'` \| ([^|]+) \|", re.MULTILINE)
NAMED = re.compile(r"(?:\.|\bslm)\[([a-z][a-z0-9,-]*)\]")
TEXTS = [
    path
    for pattern in ("*.md", "Makefile", "*.txt", "docs/**/*.md", "course/*", "slm/**/*.py")
    for path in sorted(ROOT.glob(pattern))
    if path.is_file()
]


def test_the_page_about_installing_lists_every_extra_once():
    page = (ROOT / "docs" / "how-to" / "install.md").read_text("utf-8")
    assert sorted(name for name, _ in ROW.findall(page)) == sorted(EXTRAS)


@pytest.mark.parametrize("extra", sorted(set(EXTRAS) - {"dev"}))
def test_the_page_about_installing_lists_the_packages(extra):
    page = (ROOT / "docs" / "how-to" / "install.md").read_text("utf-8")
    packages = dict(ROW.findall(page))[extra].split(", ")
    assert packages == [Requirement(text).name for text in EXTRAS[extra]]


def test_every_extra_that_a_text_names_exists():
    named = {
        (path.relative_to(ROOT).as_posix(), extra)
        for path in TEXTS
        for found in NAMED.findall(path.read_text("utf-8"))
        for extra in found.split(",")
    }
    assert len(named) > 10
    assert {(path, extra) for path, extra in named if extra not in EXTRAS} == set()
