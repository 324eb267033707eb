"""The model that a command uses, and what is said where it is not the one that was meant."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

import slm
from slm.api.loading import load
from slm.cli import main
from slm.errors import CheckpointError, ConfigError, UsageError
from slm.native.build import NativeUnavailableError
from tests.conftest import tell_stories


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


# -- the built-in model --------------------------------------------------------------------------


def test_without_a_path_the_built_in_model_is_used_and_named(
    builtin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lm = load(device="cpu")
    assert lm.path == builtin
    assert lm.weights_dtype == "int8"
    assert lm.card is not None
    assert lm.card.data == "a book"
    assert lm.generate("One", seed=1, max_new_tokens=4)[0].startswith("One")
    notes = capsys.readouterr().err
    assert notes.startswith("note: no checkpoint is given: using the built-in model\n")
    assert load("builtin", device="cpu").path == builtin
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("builtin")
def test_a_run_of_ones_own_is_named_with_it(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained, "runs/older")
    shutil.copytree(trained, "models/newer")
    for place, seconds in (("runs/older", 1e9), ("models/newer", 2e9)):
        for name in ("best", "checkpoints"):
            os.utime(Path(place, name), (seconds, seconds))
    load(device="cpu")
    named = "using the built-in model, not your newest run, models/newer\n"
    assert capsys.readouterr().err.endswith(named)
    os.utime("runs/older/best", (3e9, 3e9))
    load(device="cpu")
    assert capsys.readouterr().err.endswith("not your newest run, runs/older\n")


def test_a_folder_with_its_name(builtin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("builtin").mkdir()
    assert load("builtin", device="cpu").path == builtin
    expected = f"to use the folder of that name, give {Path.cwd() / 'builtin'}"
    assert expected in capsys.readouterr().err


def test_without_a_built_in_model_a_path_is_needed(
    builtin: Path, monkeypatch: pytest.MonkeyPatch, trained: Path
) -> None:
    monkeypatch.setattr("slm.checkpoint.builtin._DIRECTORY", builtin / "absent")
    with pytest.raises(UsageError, match="no checkpoint is given") as caught:
        load()
    assert caught.value.hint == "give a run directory, for example --checkpoint runs/demo"
    shutil.copytree(trained, "runs/my own")
    with pytest.raises(UsageError) as caught:
        load()
    assert caught.value.hint == "give a run directory, for example --checkpoint 'runs/my own'"
    with pytest.raises(UsageError, match="no built-in model"):
        load("builtin")


def test_without_a_compiler_it_runs_in_pytorch(
    builtin: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(log: object) -> None:
        raise NativeUnavailableError("there is no C++ compiler")

    if shutil.which("c++"):
        assert load(device="cpu").generator.engine.dtype == "int8"
    monkeypatch.setattr("slm.native.engine.native_library", missing)
    lm = load(device="cpu")
    assert lm.generator.engine.dtype == "float32"
    assert len(lm.generate(["One", "Two"], seed=1, max_new_tokens=4)) == 2
    assert "generating without native code" in capsys.readouterr().err


def test_a_model_that_was_loaded_leaves_with_its_card(builtin: Path) -> None:
    lm = load("builtin", device="cpu")
    lm.save_pretrained("again", "slm", dtype="int8")
    assert {f.name: f.read_bytes() for f in Path("again").iterdir()} == {
        f.name: f.read_bytes() for f in builtin.iterdir()
    }


def test_the_home_folder_has_its_short_name(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Python no shell expands it."""
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    text = tmp_path / "book.txt"
    text.write_text(tell_stories(60, seed=0), encoding="utf-8")
    data = slm.prepare("~/book.txt", tokenizer="bytes", out="~/data", progress=False)
    assert data.path.resolve() == tmp_path / "data"
    settings = {"preset": "tiny", "eval_tokens": 64, "sample_prompts": [], "progress": False}
    run = slm.train(data="~/data", out="~/run", steps=1, device="cpu", **settings)
    assert run.path.resolve() == tmp_path / "run"
    assert slm.open_run("~/run").path.resolve() == tmp_path / "run"
    lm = slm.load("~/run", device=torch.device("cpu"), dtype=torch.float32)
    assert lm.save_pretrained("~/copy", "slm") == tmp_path / "copy"
    assert slm.evaluate(lm, data="~/data", progress=False).tokens > 0
    assert not (tmp_path / "~").exists()


def test_an_unknown_dtype_is_named(builtin: Path) -> None:
    lm = slm.load("builtin", device="cpu")
    for call in (
        lambda: slm.load("builtin", dtype=torch.int64),
        lambda: slm.evaluate(lm, source="builtin", dtype="int64", progress=False),
    ):
        with pytest.raises(ConfigError, match="the dtype 'int64' is unknown"):
            call()
