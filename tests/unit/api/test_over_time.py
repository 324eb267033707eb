"""A run over time, in Python and on the command line."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import slm as package
from slm.api import suites
from slm.api.over_time import _Test
from slm.checkpoint.ladder import kept_checkpoints
from slm.cli import main
from slm.config.run_files import OVER_TIME_FILE, OVER_TIME_PLOT
from slm.errors import DataError
from tests.conftest import Slm


@pytest.fixture(scope="module")
def trained(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 21 steps with a ladder."""
    path = tmp_path_factory.mktemp("run") / "tiny"
    settings = ["threads=1", "eval_tokens=256", "sample_prompts=[]", "keep=ladder"]
    words = ["train", "--preset", "tiny", "--data", str(data_dir), "--out", str(path)]
    assert main([*words, "--steps", "21", "--set", *settings]) == 0
    return path


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "tiny"))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    file = tmp_path / "pairs.tsv"
    rows = ("p\tA b.\tB a.\n", "p\tMia saw a dog.\tMia a dog saw.\n")
    text = f"UID\tsentence_good\tsentence_bad\n{''.join(rows)}"
    file.write_text(text, encoding="utf-8")
    return file


def test_all_checkpoints_are_tested_and_drawn(slm: Slm, run: Path, pairs: Path) -> None:
    words = ["eval", "--checkpoint", run, "--over-time"]
    code, _, err = slm(*words, "--suite", "blimp", "--source", pairs)
    assert code == 0, err
    assert (run / OVER_TIME_PLOT).is_file()
    code, out, err = slm(*words, "--suite", "loss", "--limit", 2)
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0].split() == ["step", "10", "20", "21", "half", "at"]
    assert lines[-1].split()[:4] == ["loss", "bits", "per", "byte"]
    assert [line.split()[0] for line in lines[1:-1]] == ["blimp", "blimp"]
    code, out, _ = slm(*words, "--suite", "loss", "--limit", 2, "--json")
    found = json.loads(out)
    assert [each["step"] for each in found["checkpoints"]] == [10, 20, 21]
    seconds = [each["seconds"] for each in found["checkpoints"]]
    assert 0.0 < seconds[0] < seconds[1] < seconds[2]
    assert found["checkpoints"][0]["results"].keys() == {"blimp", "loss"}
    assert all(each.keys() == {"suite", "name", "half_at_step"} for each in found["curves"])


def test_from_python_it_is_the_same_and_nothing_is_tested_twice(
    run: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = package.open_run(run)
    assert list(opened.checkpoints) == [10, 20, 21]
    found = opened.over_time(["blimp"], source=pairs, progress=False)
    monkeypatch.setattr(suites.ModelSubject, "log_likelihoods", None)  # would fail
    assert opened.over_time(["blimp"], source=pairs, progress=False) == found
    monkeypatch.undo()
    file = run / OVER_TIME_FILE
    before = json.loads(file.read_text("utf-8"))
    opened.over_time(["loss"], limit=3, progress=False)
    after = json.loads(file.read_text("utf-8"))
    assert after["conditions"]["loss"] == {"limit": 3, "seed": 0, "source": None}
    for old, new in zip(before["checkpoints"], after["checkpoints"], strict=True):
        assert new["results"]["blimp"] == old["results"]["blimp"]
        assert 0.0 < new["results"]["loss"]["score"]["value"] < 20.0


def test_the_loss_is_that_of_the_checkpoint(run: Path) -> None:
    """In bfloat16, on the whole of a text."""
    text = run.parent / "text.txt"
    text.write_text("Mia saw a dog.\n<|endoftext|>\nThe dog saw Mia.\n", encoding="utf-8")
    found = package.open_run(run).over_time("loss", source=text, progress=False)
    for each, path in zip(found.checkpoints, kept_checkpoints(run).values(), strict=True):
        bits = package.evaluate(package.load(path, device="cpu"), source=text, progress=False)
        (score,) = [each.results["loss"].score]
        assert score is not None
        assert score.value == pytest.approx(bits.bits_per_byte, rel=1e-5)


def test_a_text_that_was_changed_is_scored_again(run: Path) -> None:
    text = run.parent / "text.txt"
    found = []
    for number, story in enumerate(("Mia saw a dog.", "Mia saw a dog.", "The dog ran away.")):
        text.write_text(story, encoding="utf-8")
        os.utime(text, ns=(0, max(1, number)))
        found.append(package.open_run(run).over_time("loss", source=text, progress=False))
    assert found[0] == found[1]
    assert found[1].checkpoints != found[2].checkpoints


def test_a_folder_that_was_changed_is_scored_again(run: Path) -> None:
    folder = run.parent / "texts"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.txt").write_text("Mia saw a dog.", encoding="utf-8")
    opened = package.open_run(run)
    before = opened.over_time("loss", source=folder, progress=False)
    assert opened.over_time("loss", source=folder, progress=False) == before
    for name in ("a", "b"):
        (folder / f"{name}.txt").write_text("The dog ran away from Mia.", encoding="utf-8")
    after = opened.over_time("loss", source=folder, progress=False)
    assert after.checkpoints != before.checkpoints


def test_a_relative_path_means_another_text_in_another_folder(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for name, story in (("one", "Mia saw a dog."), ("two", "The dog ran away.")):
        (run.parent / name).mkdir()
        monkeypatch.chdir(run.parent / name)
        Path("text.txt").write_text(story, encoding="utf-8")
        os.utime("text.txt", ns=(0, 1))
        found.append(package.open_run(run).over_time("loss", source="text.txt", progress=False))
    assert found[0].checkpoints != found[1].checkpoints


def test_what_a_run_still_keeps_after_more_training(run: Path) -> None:
    opened = package.open_run(run)
    opened.over_time(["loss"], limit=3, progress=False)
    words = ["train", "--resume", "--out", str(run), "--steps", "30"]
    assert main(words) == 0
    found = opened.over_time(["loss"], limit=3, progress=False)
    assert [each.step for each in found.checkpoints] == list(opened.checkpoints)
    assert list(opened.checkpoints)[-1] == 30


def test_a_damaged_checkpoint_is_left_out(slm: Slm, run: Path) -> None:
    weights = run / "ladder" / "step-000010" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    (run / "ladder" / "step-000020" / "MANIFEST.json").unlink()
    shutil.copytree(run / "checkpoints" / "step-000021", run / "checkpoints" / "step-000022")
    words = ["eval", "--checkpoint", run, "--over-time", "--suite", "loss", "--limit", 2]
    code, out, err = slm(*words, "--json")
    assert code == 0, err
    assert [each["step"] for each in json.loads(out)["checkpoints"]] == [21, 22]
    assert "note: step 10 is left out" in err
    assert "note: step 20 is left out" in err


def test_a_checkpoint_of_the_ladder_is_a_model(slm: Slm, run: Path) -> None:
    code, out, err = slm("info", run, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["ladder"] == {"step-000020": "valid", "step-000010": "valid"}
    rung = run / "ladder" / "step-000010"
    code, out, err = slm("info", rung, "--json")
    assert (code, json.loads(out)["weights_dtype"]) == (0, "bfloat16")
    code, _, err = slm("train", "--resume", "--out", rung)
    assert code == 2
    assert f"give the folder of the run, {run}" in err
    lm = package.load(rung, device="cpu", dtype="float32")
    assert len(lm.generate("Mia", max_new_tokens=3)) == 1


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--suite", "fact"], "unknown suite 'fact'"),
        (["--suite", ","], "no suite is named"),
        (["--suite", "loss", "--limit", "0"], "limit must be from 1"),
        (["--suite", "facts", "--limit", "1"], "limit must be from 2"),
        (["--seed", "-1"], "seed must be an integer"),
        (["--source", "builtin"], "a source is given for 3 suites"),
        (["--split", "train"], "--split has no effect"),
    ],
)
def test_what_does_not_belong_together(slm: Slm, run: Path, words: list[str], problem: str) -> None:
    code, _, err = slm("eval", "--checkpoint", run, "--over-time", *words)
    assert code == 2, err
    assert problem in err


def test_a_suite_that_nobody_named_may_be_left_out(
    slm: Slm, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The context of a small model is too short for facts, and the loss is worth having."""
    test, asked = _Test.run, []

    def short(self: _Test, lm: package.LanguageModel, report: Any) -> Any:
        asked.append(self.name)
        if self.name != "loss":
            raise DataError("the context is too short")
        return test(self, lm, report)

    monkeypatch.setattr(_Test, "run", short)
    words = ["eval", "--checkpoint", run, "--over-time", "--limit", 2]
    code, out, err = slm(*words)
    assert code == 0, err
    assert out.splitlines()[-1].split()[:2] == ["loss", "bits"]
    assert err.count("note: facts is left out: the context is too short") == 1
    assert sorted(asked) == ["facts", "loss", "loss", "loss", "stories"]
    code, _, err = slm(*words, "--suite", "loss,facts", "--seed", 1)
    assert code == 1
    assert "error: the context is too short" in err


def test_without_a_run(slm: Slm, run: Path) -> None:
    code, _, err = slm("eval", "--over-time")
    assert code == 2
    assert "--over-time needs a run" in err
    code, _, err = slm("eval", "--over-time", "--checkpoint", run / "nothing")
    assert code == 2
    assert f"there is no run at {run / 'nothing'}" in err
    shutil.rmtree(run / "ladder")
    code, _, err = slm("eval", "--over-time", "--checkpoint", run)
    assert code == 2
    assert f"{run} has 1 checkpoint of a run" in err
    imported = shutil.copytree(run / "best", run.parent / "imported")
    code, _, err = slm("eval", "--over-time", "--checkpoint", imported)
    assert code == 2
    assert f"{imported} has 0 checkpoints of a run" in err
    assert "keep=ladder" in err


def test_what_another_command_saved_meanwhile_stays(
    run: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = package.open_run(run)
    original = _Test.run
    also = iter(["loss"])

    def slow(test: Any, lm: Any, report: Any) -> Any:
        for suite in also:  # once, after this command has begun
            opened.over_time([suite], limit=3, progress=False)
        return original(test, lm, report)

    monkeypatch.setattr(_Test, "run", slow)
    opened.over_time(["blimp"], source=pairs, progress=False)
    saved = json.loads((run / OVER_TIME_FILE).read_text("utf-8"))["checkpoints"]
    assert [each["results"].keys() for each in saved] == [{"blimp", "loss"}] * 3
