"""The Python of the documentation runs, each page's blocks in order, on a tiny run and data."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from slm.errors import MissingExtraError

DOCS = Path(__file__).parents[2] / "docs"


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


NEEDS_A_SERVER = DOCS / "how-to" / "serve.md"  # see test_serve_examples.py
WITH_PYTHON = [
    page for page in sorted(DOCS.rglob("*.md")) if python_blocks(page) and page != NEEDS_A_SERVER
]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.name)
def test_the_examples_run(page, run_dir, data_dir, tmp_path, monkeypatch, capsys):
    shutil.copytree(run_dir, tmp_path / "runs" / "demo")
    shutil.copytree(data_dir, tmp_path / "data" / "book")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    try:
        for block in python_blocks(page):
            exec(compile(block, page.name, "exec"), names)
    except (ModuleNotFoundError, MissingExtraError) as error:  # of another program
        pytest.skip(str(error))
    assert capsys.readouterr().out


def test_pages_with_examples_are_found():
    assert {"generate.md", "own-tokenizer.md"} <= {page.name for page in WITH_PYTHON}


def test_the_example_of_the_readme_runs(run_dir, tmp_path, monkeypatch, capsys):
    block, *_ = python_blocks(DOCS.parent / "README.md")
    *_, last = block.splitlines()
    assert last.startswith('run = slm.train(source="book.txt", minutes=5)')  # which takes too long
    shutil.copytree(run_dir, tmp_path / "runs" / "demo")
    monkeypatch.chdir(tmp_path)
    exec(compile(block.removesuffix(f"{last}\n"), "README.md", "exec"), {})
    text, bits_per_byte = capsys.readouterr().out.rsplit("\n", 2)[:2]
    assert text.startswith("Once upon a time")
    assert float(bits_per_byte) > 0
