"""`python -m course`: notebooks, and what it says where jupytext is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from course.__main__ import main
from course.build import sources


def test_notebooks_are_written_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my lessons"
    assert main([str(folder)]) == 0
    printed = capsys.readouterr().out
    assert f"{len(sources())} new notebooks in {folder.resolve()}" in printed
    assert f'-m jupyter lab "{folder / sources()[0].stem}.ipynb"' in printed
    assert main([str(folder)]) == 0
    assert "0 new notebooks" in capsys.readouterr().out


@pytest.mark.parametrize("package", ["jupytext", "nbformat"])
def test_without_a_package_the_extra_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    package: str,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert main([str(tmp_path / "lessons")]) != 0
    said = capsys.readouterr().err
    assert said.startswith(f"error: making notebooks needs the package {package}")
    assert "hint: install it with: " in said
    assert not (tmp_path / "lessons").exists()
