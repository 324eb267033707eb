"""The reading path is short, its line counts are true, and its files need nothing of the house."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorials" / "reading-the-code.md"
MOST_FILES = 13
MOST_LINES = 1_600
HOUSE = (
    *("native", "checkpoint", "parallel", "runs", "planning", "reporting", "interop", "bench"),
    *("server", "storage", "terminal", "presets", "cli", "api", "files", "reading", "space"),
)


def reading_path() -> list[tuple[str, int]]:
    """The files of the page's table, in order, with the lines that it states."""
    rows = re.findall(
        r"^\| \d+ \| \[`([\w/.]+)`\]\([\w/.]+\) \| (\d+) \|", PAGE.read_text("utf-8"), re.M
    )
    return [(name, int(lines)) for name, lines in rows]


def test_it_can_be_read_in_an_evening() -> None:
    path = reading_path()
    assert 10 <= len(path) <= MOST_FILES
    assert sum(lines for _, lines in path) <= MOST_LINES


def test_the_line_counts_are_true() -> None:
    counted = [
        (name, len((ROOT / name).read_text("utf-8").splitlines())) for name, _ in reading_path()
    ]
    assert reading_path() == counted, f"update the table in {PAGE.name}"
    total = sum(lines for _, lines in counted)
    for page in (PAGE, ROOT / "README.md"):
        words = " ".join(page.read_text("utf-8").split())
        assert f"{len(counted)} files with {total:,} lines" in words, page.name


def test_the_page_names_every_file_of_the_subject() -> None:
    page = PAGE.read_text("utf-8")
    for name, _ in reading_path():
        subject = r"^\s*from (slm\.(?:model|training|generation)\.[\w.]+) import"
        for module in re.findall(subject, (ROOT / name).read_text("utf-8"), re.M):
            assert f"{module.replace('.', '/')}.py" in page, f"{name} imports it"


def test_no_file_of_it_needs_the_house() -> None:
    imports = {
        name: re.findall(r"^\s*(?:from|import) slm\.(\w+)", (ROOT / name).read_text("utf-8"), re.M)
        for name, _ in reading_path()
    }
    assert {name: set(found) & set(HOUSE) for name, found in imports.items()} == {
        name: set() for name in imports
    }
