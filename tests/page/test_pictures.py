"""The script that takes the pictures of the documentation, run on a tiny model."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from slm.cli import main

SCRIPT = Path(__file__).parents[2] / "docs" / "pictures.py"
STORY = "One day, Anna found a red ball near the river. She took it home.\n<|endoftext|>\n"
PNG_WITH_PALETTE = 3


@pytest.fixture
def tiny_run(tmp_path):
    source, data, run = (tmp_path / name for name in ("stories.txt", "data", "run"))
    source.write_text(STORY * 60, encoding="utf-8")
    prepare = ["prepare", "--source", source, "--tokenizer", "bytes", "--out", data]
    train = ["train", "--preset", "tiny", "--data", data, "--out", run, "--steps", "2"]
    train += ["--set", "threads=1", "eval_tokens=256"]
    assert main([str(word) for word in prepare]) == 0
    assert main([str(word) for word in train]) == 0
    return run


@pytest.mark.slow
@pytest.mark.usefixtures("browser")  # which skips the test if there is none
def test_the_pictures_of_a_run(tiny_run, tmp_path):
    folder = tmp_path / "pictures"
    command = [sys.executable, str(SCRIPT), str(tiny_run), "--out", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    names = {
        f"{view}-{theme}.png" for view in ("write", "inside", "run") for theme in ("light", "dark")
    }
    assert {path.name for path in folder.iterdir()} == names
    backgrounds = set()
    for path in folder.iterdir():
        content = path.read_bytes()
        width, _, _, color_type = struct.unpack(">IIBB", content[16:26])
        assert (content[1:4], width, color_type) == (b"PNG", 1200, PNG_WITH_PALETTE)
        assert len(content) <= 120_000
        assert f"{path}  {len(content) / 1000:.0f} kB" in done.stdout
        backgrounds.add((path.stem.split("-")[1], corner(path)))
    assert len(backgrounds) == 2  # one color for each theme, the same in every view


def corner(path):
    from PIL import Image

    with Image.open(path) as image:
        return image.convert("RGB").getpixel((2, 2))
