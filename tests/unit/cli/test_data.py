from __future__ import annotations

import json
from pathlib import Path

import pytest

from slm.cli import main
from tests.conftest import tell_stories

for library in ("ftfy", "rensa", "py3langid"):
    pytest.importorskip(library)


def test_a_table_and_examples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = tmp_path / "book.txt"
    book.write_text(
        tell_stories(30, seed=0) + "\n<|endoftext|>\nOnce there was a", encoding="utf-8"
    )
    assert main(["data", "check", str(book), "--clean", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert "cut off at the end" in said.out
    assert "Once there was a" in said.out
    assert "documents written" in said.err
    assert (tmp_path / "out" / "train.txt").is_file()
    assert main(["data", "check", str(book), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["documents"] == 31
    assert found["cleaned"] is None


def test_what_does_not_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(tmp_path / "none.txt")]) == 2
    assert main(["data", "check", "builtin", "--limit", "0"]) == 2
    assert "--limit must be at least 1" in capsys.readouterr().err
    book = tmp_path / "book.txt"
    book.write_text("Mia saw a dog.", encoding="utf-8")
    assert main(["data", "check", str(book), "--clean", str(book / "out")]) == 1
    assert f"error: cannot write {book}: there is a file" in capsys.readouterr().err
    assert main(["data", "check", str(book), "--clean", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert "exists already" in said.err
    assert not said.out  # it was refused before the text was read
