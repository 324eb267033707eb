"""The model that a command uses, and what is said where it is not the one that was meant."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from slm.api.loading import load
from slm.cli import main
from slm.errors import CheckpointError


@pytest.fixture(scope="module")
def trained(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with the checkpoints of steps 1 and 2, and a best model."""
    run = tmp_path_factory.mktemp("loading") / "run"
    words = ["train", "--preset", "tiny", "--data", str(data_dir), "--out", str(run)]
    changes = ["checkpoint_interval=1", "eval_tokens=64", "sample_prompts=[]", "device=cpu"]
    words += [word for change in changes for word in ("--set", change)]
    assert main([*words, "--steps", "2", "--json"]) == 0
    return run


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "run")
    return tmp_path / "run"


def damage(directory: Path) -> None:
    file = directory / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)


def test_a_fall_back_to_an_older_checkpoint_is_said(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(run / "best")
    damage(run / "checkpoints/step-000002")
    assert load(run, device="cpu").state.step == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("note: skipping a damaged checkpoint")
    assert "step-000002" in captured.err
    assert main(["info", str(run), "--json"]) == 0
    captured = capsys.readouterr()
    assert "note: skipping" in captured.err
    assert json.loads(captured.out)["model_step"] == 1


def test_of_a_damaged_best_the_hint_says_what_else_there_is(run: Path) -> None:
    damage(run / "best")
    with pytest.raises(CheckpointError, match="best") as caught:
        load(run, device="cpu")
    assert str(run / "checkpoints") in str(caught.value.hint)
    assert load(run / "checkpoints", device="cpu").state.step == 2
