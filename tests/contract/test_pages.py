"""Links, anchors and pictures of every page exist, and no page is unfinished."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT, ROOT / "course")
PAGES = [
    *(page for folder in FOLDERS for page in sorted(folder.glob("*.md"))),
    *sorted((ROOT / "docs").rglob("*.md")),
]
PICTURES = sorted((ROOT / "docs" / "pictures").iterdir())
SOURCE = re.compile(r'(?:src|srcset)="([^":]+)"')
IMAGE = re.compile(r"<img [^>]*>")
MARKDOWN_IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^( *)```.*?^\1```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@cache
def prose(page: Path) -> str:
    """A page without its code, in which brackets are no links."""
    return CODE.sub("", page.read_text("utf-8"))


@cache
def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    without_blocks = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", without_blocks, re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in plain}


@each_page
def test_links_lead_to_files_and_headings(page: Path) -> None:
    broken = []
    for target in LINK.findall(prose(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = page if not path else Path(os.path.normpath(page.parent / path))
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@each_page
def test_pictures_exist_and_are_described(page: Path) -> None:
    text = page.read_text("utf-8")
    assert [path for path in SOURCE.findall(text) if not (page.parent / path).is_file()] == []
    assert [tag for tag in IMAGE.findall(text) if not re.search(r' alt="[^"]{20,}"', tag)] == []
    assert [path for words, path in MARKDOWN_IMAGE.findall(text) if len(words) < 20] == []


def test_every_picture_is_on_a_page() -> None:
    texts = "".join(page.read_text("utf-8") for page in PAGES)
    assert [picture.name for picture in PICTURES if f"pictures/{picture.name}" not in texts] == []


def test_every_page_can_be_reached_from_the_map() -> None:
    todo, seen = [ROOT / "README.md"], set()
    while todo:
        page = todo.pop()
        seen.add(page)
        paths = {target.partition("#")[0] for target in LINK.findall(prose(page))}
        files = {Path(os.path.normpath(page.parent / path)) for path in paths if path}
        todo += [file for file in files - seen if file.suffix == ".md" and file.is_file()]
    assert [page for page in PAGES if page not in seen] == []


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_pictures_are_small_and_themed_ones_come_in_pairs(picture: Path) -> None:
    """GitHub shows the one that fits the reader's theme."""
    assert picture.stat().st_size <= 120_000
    name, _, theme = picture.stem.rpartition("-")
    other = {"light": "dark", "dark": "light"}.get(theme, theme)
    assert picture.with_stem(f"{name}-{other}" if name else other) in PICTURES


@each_page
def test_no_line_is_a_placeholder(page: Path) -> None:
    lines = page.read_text("utf-8").splitlines()
    assert [line for line in lines if re.fullmatch(r"[A-Z_]{4,}|TODO.*|TBD.*", line.strip())] == []


@each_page
def test_percent_signs_follow_their_number(page: Path) -> None:
    assert re.findall(r"\d %", prose(page)) == []
