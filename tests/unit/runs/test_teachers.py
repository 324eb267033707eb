"""A run that learns from other models: its vocabulary, what is recorded, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from slm.checkpoint import load_checkpoint, save_checkpoint
from slm.config import DataConfig, GPTConfig, RunConfig, TrainingConfig
from slm.config.origins import FROM_TEACHERS
from slm.config.run_paths import located_settings, settings_to_save, without_folders
from slm.errors import CheckpointError, UsageError
from slm.model import GPT
from slm.runs.data import fit_vocabulary
from slm.runs.idle_settings import idle_settings
from slm.runs.settings import new_run, resumed_run
from slm.runs.teachers import load_teachers
from slm.tokenizer import build_tokenizer
from slm.train_state import TrainState
from tests.interop_models import stories, tokenizer

SHAPE = {"vocab_size": 320, "block_size": 32, "n_layer": 1, "n_head": 2, "n_embd": 8}


def make_teacher(place: Path, spec: str = "bytes", *, seed: int = 3, **shape: Any) -> Path:
    config = GPTConfig(**{**SHAPE, **shape})
    torch.manual_seed(seed)
    save_checkpoint(
        place,
        model_state=GPT(config).state_dict(),
        config=RunConfig(config, TrainingConfig(), DataConfig(tokenizer=spec), {}),
        tokenizer=build_tokenizer(spec, stories),
        state=TrainState(step=7),
    )
    return place


@pytest.fixture
def teachers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Two models in the working directory."""
    monkeypatch.chdir(tmp_path)
    make_teacher(Path("one"))
    make_teacher(Path("two"), seed=4, n_layer=2)
    return ("one", "two")


def started(teachers: tuple[str, ...], *changes: str, **flags: Any) -> RunConfig:
    words = {name.replace("__", "."): (value, "--x") for name, value in flags.items()}
    words["train.teachers"] = (list(teachers), "--teacher")
    return new_run("tiny", None, words, list(changes))


def test_the_vocabulary_is_that_of_the_teachers(teachers: tuple[str, str]) -> None:
    settings = started(teachers)
    assert settings.train.teachers == teachers
    assert settings.data.tokenizer == str(Path("one/tokenizer.json"))
    assert settings.origin_of("data.tokenizer") == FROM_TEACHERS
    assert settings.model.vocab_size == 320  # more than the tokenizer's 257
    assert fit_vocabulary(settings, tokenizer("bytes")) == settings
    assert settings.model.block_size == 32  # of the preset's 64
    assert started(teachers, "block_size=16").model.block_size == 16
    assert settings.model.n_embd != SHAPE["n_embd"]
    shas = [load_checkpoint(teacher).weights_sha256 for teacher in teachers]
    assert [facts.weights_sha256 for facts in settings.teacher_models] == shas


def test_what_config_json_says_comes_back(teachers: tuple[str, str]) -> None:
    settings = started(teachers)
    saved = json.loads(json.dumps(settings.to_json()))
    assert RunConfig.from_json(saved, where="config.json") == settings
    for damage in ({}, [{}], [saved["teacher_models"][0], {"step": 1}], [None]):
        with pytest.raises(CheckpointError, match="teacher_models does not describe models"):
            RunConfig.from_json({**saved, "teacher_models": damage}, where="config.json")
    assert "teacher_models" not in new_run("tiny", None, {}, []).to_json()


def test_the_models_of_a_run(teachers: tuple[str, str]) -> None:
    settings = started(teachers)
    models = load_teachers(settings, tokenizer("bytes"), "cpu")
    for model, place in zip(models, teachers, strict=True):
        expected = load_checkpoint(place).model_state
        assert all(torch.equal(model.state_dict()[name], w) for name, w in expected.items())
    assert load_teachers(new_run("tiny", None, {}, []), tokenizer("bytes"), "cpu") == []
    make_teacher(Path("two"), seed=5, n_layer=2)
    with pytest.raises(CheckpointError, match="two no longer has the weights .* learns from"):
        load_teachers(settings, tokenizer("bytes"), "cpu")
    # Python's own Trainer has settings without records.
    assert len(load_teachers(replace(settings, teacher_models=()), tokenizer("bytes"), "cpu")) == 2
    with pytest.raises(UsageError, match=r"teacher one has the tokenizer bytes .* the data"):
        load_teachers(replace(settings, teacher_models=()), tokenizer("bpe:300"), "cpu")


def test_what_does_not_fit_is_refused(teachers: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match="no checkpoint at nothing"):
        started(("one", "nothing"))
    with pytest.raises(UsageError, match="teacher one has vocab_size=320.* 400") as caught:
        started(teachers, "vocab_size=400")
    assert str(caught.value.hint).startswith("set vocab_size=320; if another teacher has")
    with pytest.raises(UsageError, match="teacher one has block_size=32.* 64") as caught:
        started(teachers, "block_size=64")
    assert caught.value.hint == "set block_size=32"
    make_teacher(Path("three"), "bpe:300")
    with pytest.raises(
        UsageError, match=r"three has the tokenizer bpe:300 .* the teacher one has bytes"
    ) as caught:
        started(("one", "three"))
    assert caught.value.hint == "leave out three: all models of a run need the same tokenizer"
    with pytest.raises(UsageError, match=r"prepared with .* bpe:300 .* model in one has bytes"):
        fit_vocabulary(started(teachers), tokenizer("bpe:300"))


def test_a_model_that_is_trained_further_may_have_teachers(teachers: tuple[str, str]) -> None:
    settings = started(teachers, train__init_from="two")
    assert settings.model == load_checkpoint("two").config.model
    assert settings.parent == settings.teacher_models[1]
    make_teacher(Path("parent"), vocab_size=300)
    with pytest.raises(UsageError, match="vocab_size=320, but the model has 300") as caught:
        started(teachers, train__init_from="parent")
    assert str(caught.value.hint).startswith("leave out one: with init_from, the vocabulary is")
    make_teacher(Path("other"), "bpe:300")
    with pytest.raises(
        UsageError, match=r"one has the tokenizer bytes .* but the model in other has bpe:300"
    ) as caught:
        started(teachers, train__init_from="other")
    assert caught.value.hint == "leave out one: all models of a run need the same tokenizer"


def test_a_resumed_run_has_its_own_teachers(teachers: tuple[str, str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    settings = settings_to_save(started(teachers, "out_dir=run"), run)
    (run / "config.json").write_text(json.dumps(settings.to_json()))
    same = {"train.teachers": ([str(tmp_path / "one"), "two"], "--teacher")}
    resumed = resumed_run(run, None, None, same, [])
    assert resumed is not None
    assert resumed.teacher_models == settings.teacher_models
    fewer = {"train.teachers": (["one"], "--teacher")}
    with pytest.raises(UsageError, match=r"--teacher and --resume .* its own teachers"):
        resumed_run(run, None, None, fewer, [])
    file, notes = tmp_path / "mine.toml", []
    file.write_text('teachers = ["one"]\n')
    resumed = resumed_run(run, None, file, {}, [], notes.append)
    assert resumed is not None
    assert resumed.train.teachers == teachers
    assert "teachers of the settings file has no effect" in notes[0]


def test_their_paths_are_found_from_another_folder(
    teachers: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = make_teacher(tmp_path / "three", seed=9)
    settings = settings_to_save(started((*teachers, str(there)), "out_dir=run"), tmp_path / "run")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    located = located_settings(settings, tmp_path / "run")
    assert located.train.teachers == ("../one", "../two", str(there))
    again = settings_to_save(located, tmp_path / "run")
    assert again.train.teachers == (*teachers, str(there))
    assert without_folders(located).train.teachers == ("one", "two", "three")
    # The settings of this run, given for another one, name the same models.
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text(json.dumps(settings.to_json()))
    other = new_run(None, tmp_path / "run/config.json", {}, [])
    assert other.train.teachers == ("../one", "../two", str(there))
    assert other.teacher_models == settings.teacher_models


def test_names_are_no_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, builtin: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "builtin").mkdir()
    settings = started(("builtin",))
    assert settings.model.vocab_size == load_checkpoint(builtin).config.model.vocab_size
    monkeypatch.chdir(tmp_path / "builtin")
    assert located_settings(settings, tmp_path / "run").train.teachers == ("builtin",)


def test_a_weight_without_teachers_has_no_effect(teachers: tuple[str, str]) -> None:
    words = {"train.teacher_weight": "--set teacher_weight=1"}
    alone = new_run("tiny", None, {}, ["teacher_weight=1"])
    assert list(idle_settings(alone, words)) == [
        ("--set teacher_weight=1", "there are no teachers")
    ]
    assert not list(idle_settings(started(teachers, "teacher_weight=1"), words))
