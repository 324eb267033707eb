"""Every page leads where it says, and none is unfinished."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
PICTURES = sorted((ROOT / "docs" / "pictures").iterdir())
PICTURE = re.compile(r'(?:src|srcset)="([^":]+)"')
IMAGE = re.compile(r"<img [^>]*>")
LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    targets = [target for target in LINK.findall(text) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pictures_exist_and_are_described(page: Path) -> None:
    text = page.read_text("utf-8")
    pictures = PICTURE.findall(text)
    assert [picture for picture in pictures if not (page.parent / picture).is_file()] == []
    assert [tag for tag in IMAGE.findall(text) if not re.search(r' alt="[^"]{20,}"', tag)] == []


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_pictures_are_small_and_themed_ones_come_in_pairs(picture: Path) -> None:
    """GitHub shows the one that fits the reader's theme."""
    assert picture.stat().st_size <= 120_000
    name, _, theme = picture.stem.rpartition("-")
    other = {"light": "dark", "dark": "light"}.get(theme, theme)
    assert picture.with_stem(f"{name}-{other}" if name else other) in PICTURES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_line_is_a_placeholder(page: Path) -> None:
    lines = page.read_text("utf-8").splitlines()
    assert [line for line in lines if re.fullmatch(r"[A-Z_]{4,}|TODO.*|TBD.*", line.strip())] == []
