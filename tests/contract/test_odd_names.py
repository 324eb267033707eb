"""Files and folders whose names are no valid Unicode, as they can be on Linux."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

ODD = os.fsdecode(b"caf\xe9 \xff")
QUICK = ["--preset", "tiny", "--steps", "1", "--set", "threads=1", "eval_tokens=256"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with such a name."""
    folder = tmp_path / ODD
    try:
        folder.mkdir()
    except (OSError, ValueError):
        pytest.skip("this system has no such names")
    return folder


def test_all_goes_on_as_with_other_names(slm, place: Path, corpus: Path) -> None:
    source = place / f"{ODD}.txt"
    shutil.copy(corpus, source)
    data = place / "data"

    prepare = ["prepare", "--source", source, "--tokenizer", "bytes", "--out", data]
    assert slm(*prepare)[0] == 0
    prepared = (data / "train.bin").stat().st_mtime_ns
    assert slm(*prepare)[0] == 0
    assert (data / "train.bin").stat().st_mtime_ns == prepared

    code, out, err = slm("train", *QUICK, "--data", data, "--out", place / "run", "--json")
    assert code == 0, err
    assert json.loads((place / "run" / "config.json").read_text("utf-8"))
    assert json.loads(out)["step"] == 1
    words = ["train", "--out", place / "run", "--resume", "--set", "max_steps=2"]
    code, _, err = slm(*words)
    assert code == 0, err
    for words in (
        ["info", data],
        ["info", place / "run", "--json"],
        ["generate", "--checkpoint", place / "run", "One day", "--max-new-tokens", "5"],
        ["eval", "--checkpoint", place / "run", "--source", source, "--json"],
        ["eval", "--checkpoint", place / "run", "--data", data],
    ):
        code, out, err = slm(*words)
        assert code == 0, err
        assert out


def test_text_that_is_named_so_is_prepared_and_found_again(slm, place: Path, corpus: Path) -> None:
    source = place / f"{ODD}.txt"
    shutil.copy(corpus, source)
    words = ["--source", source, "--tokenizer", "bytes", "--out", place / "run"]

    code, _, err = slm("train", *QUICK, *words, f"data_dir={place / 'data'}")
    assert code == 0, err
    code, _, err = slm("train", "--out", place / "run", "--resume", "--set", "max_steps=2")
    assert code == 0, err


def test_what_is_not_there_is_said(slm, place: Path) -> None:
    code, _, err = slm("prepare", "--source", place / "none.txt", "--out", place / "data")
    assert code == 2
    assert r"caf\udce9 \udcff" in err
