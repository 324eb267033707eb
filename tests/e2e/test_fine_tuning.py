"""A run that starts from another model: better from the first step, and its own from then on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import slm
from slm.checkpoint import load_checkpoint
from slm.cli import main, original
from slm.interop import llama2c
from tests.conftest import tell_stories
from tests.interop_models import model_of, source_of, tokenizer

QUIET = ["threads=1", "sample_prompts=[]", "eval_tokens=1024", "eval_interval=5"]
TINY = ["--preset", "tiny", "--set", *QUIET]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two texts, and a run on one of them."""
    folder = tmp_path_factory.mktemp("fine-tuning")
    (folder / "stories.txt").write_text(tell_stories(300, seed=0), encoding="utf-8", newline="\n")
    other = tell_stories(200, seed=1).replace("were happy", "sang a song").replace("One day", "Yet")
    (folder / "other.txt").write_text(other, encoding="utf-8", newline="\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        words = ["--source", "stories.txt", "--tokenizer", "bpe:300", "--steps", "60"]
        assert main(["train", *words, "--out", "parent", *TINY]) == 0
    return folder


def losses(run: str) -> list[tuple[int, float]]:
    """Step and validation loss of every evaluation."""
    records = slm.open_run(run).metrics
    return [(r["step"], r["loss"]) for r in records if r["kind"] == "validation"]


def test_a_model_learns_another_text(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    words = ["train", "--init-from", "parent", "--source", "other.txt", "--steps", "20", *TINY]
    assert main([*words, "--out", "whole"]) == 0
    parent, child = load_checkpoint("parent/best"), load_checkpoint("whole/best")
    assert child.tokenizer.fingerprint == parent.tokenizer.fingerprint
    assert child.config.model == parent.config.model
    assert child.config.train.init_from == "parent"
    assert child.config.parent is not None
    assert child.config.parent.weights_sha256 == parent.weights_sha256
    (first_step, first), *_, (last_step, last) = losses("whole")
    assert (first_step, last_step) == (0, 20)
    words_of_scratch = ["--source", "other.txt", "--tokenizer", "bpe:300", "--steps", "1"]
    assert main(["train", *words_of_scratch, "--out", "scratch", *TINY]) == 0
    assert last < first < 0.8 * losses("scratch")[0][1]
    assert "step 0: validation loss" in capsys.readouterr().err

    # The same seed makes the same run, also when it is interrupted, and the model is gone then.
    assert main([*words, "--out", "halves", "--stop-after", "10"]) == 0
    shutil.move("parent", "away")
    try:
        assert main(["train", "--resume", "--out", "halves"]) == 0
    finally:
        shutil.move("away", "parent")
    assert losses("halves") == losses("whole")
    halves = load_checkpoint("halves/checkpoints/step-000020")
    whole = load_checkpoint("whole/checkpoints/step-000020")
    assert halves.weights_sha256 == whole.weights_sha256
    assert halves.config.parent == child.config.parent


def test_a_model_learns_from_others(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    words = ["train", "--source", "other.txt", "--steps", "20", *TINY]
    taught = [*words, "--teacher", "parent", "--teacher", "parent/best"]
    assert main([*taught, "--out", "taught"]) == 0
    pupil, teacher = load_checkpoint("taught/best"), load_checkpoint("parent/best")
    assert pupil.tokenizer.fingerprint == teacher.tokenizer.fingerprint
    assert pupil.config.train.teachers == ("parent", "parent/best")
    assert main([*words, "--tokenizer", "parent/best", "--out", "untaught"]) == 0
    assert losses("taught") != losses("untaught")
    capsys.readouterr()
    assert main(["info", "taught", "--json"]) == 0
    described = json.loads(capsys.readouterr().out)["teachers"]
    assert described == dict.fromkeys(("parent", "parent/best"), teacher.weights_sha256)
    assert main(["report", "taught", "--out", "taught.html"]) == 0
    assert "learns from" in Path("taught.html").read_text(encoding="utf-8")

    # The same seed makes the same run, also when it is interrupted, but not without the teachers.
    assert main([*taught, "--out", "pieces", "--stop-after", "10"]) == 0
    shutil.move("parent", "away")
    try:
        assert main(["train", "--resume", "--out", "pieces"]) == 2
        assert "parent" in capsys.readouterr().err
    finally:
        shutil.move("away", "parent")
    assert main(["train", "--resume", "--out", "pieces"]) == 0
    assert losses("pieces") == losses("taught")
    whole = load_checkpoint("taught/checkpoints/step-000020")
    assert load_checkpoint("pieces/checkpoints/step-000020").weights_sha256 == whole.weights_sha256

    capsys.readouterr()
    plan = ["train", "--minutes", "10", "--source", "other.txt", "--plan", "--json"]
    assert main(plan) == 0
    alone = json.loads(capsys.readouterr().out)
    assert main([*plan, "--teacher", "parent"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned["settings"]["train"]["teachers"] == ["parent"]
    assert planned["settings"]["model"]["vocab_size"] == pupil.config.model.vocab_size
    assert alone["settings"]["train"]["teachers"] == []


def test_an_imported_model_from_python(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    words = tokenizer("bpe:600")
    llama2c.write(
        source_of(model_of("llama", words.vocab_size), words),
        Path("theirs"),
        version=0,
        log=lambda text: None,
    )
    assert main(["import", "theirs/model.bin", "imported"]) == 0
    run = slm.train(
        "other.txt",
        init_from="imported",
        preset="tiny",
        steps=4,
        out="tuned",
        threads=1,
        sample_prompts=(),
        block_size=32,
        progress=False,
    )
    assert run.config.model.block_size == 32
    assert losses("tuned")[-1][1] < losses("tuned")[0][1]


def test_a_plan_starts_from_the_model(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    words = ["train", "--init-from", "parent", "--source", "other.txt", "--minutes", "1"]
    assert main([*words, "--plan", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    parent = load_checkpoint("parent/best").config
    assert plan["settings"]["model"] == parent.model.model_dump(mode="json")
    assert plan["settings"]["parent"]["tokenizer"] == "bpe:300"
    assert main([*words, "--plan"]) == 0
    assert "starts from  parent" in capsys.readouterr().out


def test_the_script_starts_from_a_model(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    folders = ["--data-dir", "script/data", "--output-dir", "script/models"]
    words = [*folders, "--source", "other.txt", "--set", "init_from=parent", *QUIET]
    assert original.main([*words, "--no-train"]) == 0
    assert "this is noise" not in capsys.readouterr().err
    assert original.main([*words, "--steps", "2"]) == 0
    assert load_checkpoint("script/models/best").config.parent is not None
    assert original.main([*words, "--no-train"]) == 0
