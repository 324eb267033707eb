"""`slm info` verifies all of what it tells about."""

from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path

import pytest

from slm.cli import main
from slm.hardware.resources import Cpus, Memory

info = importlib.import_module("slm.cli.info")  # whose name in the package is the command's


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


@pytest.fixture
def _half_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(info, "usable_cpus", lambda: Cpus(2, 2, 2, 0.5, None))
    monkeypatch.setattr(info, "usable_memory", lambda: Memory(24 * 10**9, 2 * 10**9))


@pytest.mark.usefixtures("_half_a_cpu")
def test_what_is_used_of_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert "  used: 1 of 2 CPUs (cgroup quota 0.5)\n" in out
    assert "  used: 2.0 of 24.0 GB (cgroup memory limit)\n" in out
    assert main(["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kind"] == "machine"
    assert found["cpus"]["threads"] == found["cpus"]["threads_for_text"] == 1
    assert found["cpus"]["cgroup_quota"] == 0.5
    assert found["memory"]["usable_bytes"] == 2 * 10**9


@pytest.mark.usefixtures("_half_a_cpu")
def test_a_machine_that_does_not_tell_its_memory(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(info, "usable_memory", lambda: None)
    assert main(["info"]) == 0
    assert capsys.readouterr().out.endswith("memory: none\n")
