"""`slm info` verifies all of what it tells about."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from slm.cli import main


@pytest.mark.parametrize("name", ["train.bin", "validation.bin", "meta.json", "tokenizer.json"])
def test_a_flipped_bit_in_any_file_of_prepared_data(
    data_dir: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(data_dir, tmp_path / "data"))
    assert main(["info", str(copy)]) == 0
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    assert main(["info", str(copy)]) == 1
    assert str(copy / name) in capsys.readouterr().err
