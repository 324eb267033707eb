"""A run that starts from given weights: what is fixed, what may be chosen, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from slm.checkpoint import load_checkpoint, save_checkpoint
from slm.config import DataConfig, GPTConfig, RunConfig, TrainingConfig
from slm.config.model_record import ModelRecord
from slm.config.origins import FROM_PARENT
from slm.config.run_paths import located_settings, settings_to_save
from slm.data.prepare import prepare
from slm.data.shards import DataDirectory
from slm.errors import CheckpointError, SlmError, UsageError
from slm.interop import llama2c
from slm.interop.importing import import_model, write_checkpoint
from slm.model import GPT
from slm.parallel.processes import Process
from slm.runs.data import fit_vocabulary
from slm.runs.launch import build_trainer
from slm.runs.parent import initial_weights
from slm.runs.settings import new_run, resumed_run
from slm.tokenizer import build_tokenizer, save_tokenizer
from slm.train_state import TrainState
from tests.interop_models import model_of, source_of, stories, tokenizer

SHAPE = {"vocab_size": 257, "block_size": 16, "n_layer": 1, "n_head": 2, "n_embd": 8}


def make_parent(place: Path, spec: str = "bytes", **shape: Any) -> Path:
    words = build_tokenizer(spec, stories)
    config = GPTConfig(**{**SHAPE, **shape})
    torch.manual_seed(3)
    save_checkpoint(
        place,
        model_state=GPT(config).state_dict(),
        config=RunConfig(config, TrainingConfig(), DataConfig(tokenizer=spec), {}),
        tokenizer=words,
        state=TrainState(step=7),
    )
    return place


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    return make_parent(tmp_path / "parent")


def started(parent: Path | str, *changes: str, preset: str | None = "tiny", **more: Any) -> Any:
    flags = {"train.init_from": (str(parent), "--init-from"), **more.pop("flags", {})}
    return new_run(preset, more.pop("file", None), flags, list(changes))


def test_shape_and_tokenizer_are_those_of_the_model(parent: Path) -> None:
    settings = started(parent)
    assert settings.model == load_checkpoint(parent).config.model
    assert settings.data.tokenizer == (parent / "tokenizer.json").as_posix()
    assert settings.origin_of("model.n_embd") == FROM_PARENT
    manifest = json.loads((parent / "MANIFEST.json").read_text())
    assert settings.parent == ModelRecord(
        weights_sha256=manifest["files"]["model.safetensors"]["sha256"],
        step=7,
        tokenizer="bytes",
        tokenizer_sha256=tokenizer("bytes").fingerprint,
    )
    assert settings.train.learning_rate == 3e-3  # the preset's


def test_what_config_json_says_comes_back(parent: Path) -> None:
    settings = started(parent)
    saved = json.loads(json.dumps(settings.to_json()))
    assert RunConfig.from_json(saved, where="config.json") == settings
    for damage in ({"weights_sha256": "x"}, {"step": "7"}, {"more": 1}):
        damaged = {**saved, "parent": {**saved["parent"], **damage}}
        with pytest.raises(CheckpointError, match="parent does not describe"):
            RunConfig.from_json(damaged, where="config.json")


@pytest.mark.parametrize("position", ["learned", "rope"])
def test_a_shorter_context_and_dropout_may_be_chosen(tmp_path: Path, position: str) -> None:
    parent = make_parent(tmp_path / "parent", position=position)
    settings = started(parent, "block_size=8", "dropout=0.25")
    assert (settings.model.block_size, settings.model.dropout) == (8, 0.25)
    model = GPT(replace(settings).model.changed(dropout=0.0)).eval()
    model.load_state_dict(initial_weights(settings))
    ids = torch.randint(257, (2, 8))
    expected, _ = load_checkpoint(parent).build_model()(ids)
    found, _ = model(ids)
    assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("change", "theirs"),
    [
        ("block_size=17", "block_size=16"),
        ("n_layer=2", "n_layer=1"),
        ("vocab_size=300", "vocab_size=257"),
        ("position=rope", "position=learned"),
        ("tie_embeddings=false", "tie_embeddings=True"),
    ],
)
def test_another_shape_is_refused(parent: Path, change: str, theirs: str) -> None:
    with pytest.raises(UsageError) as caught:
        started(parent, change)
    assert f"--set {change}" in caught.value.message
    assert theirs in caught.value.message
    assert caught.value.hint


def test_a_settings_file_with_another_shape_is_refused(parent: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("n_layer = 3\n")
    with pytest.raises(UsageError, match=r"model.n_layer = 3 \(file .*n_layer=1"):
        started(parent, file=file)
    file.write_text("n_layer = 1\nlearning_rate = 0.5\n")
    assert started(parent, file=file).train.learning_rate == 0.5


@pytest.mark.parametrize("spec", ["chars", "bpe:300"])
def test_another_tokenizer_is_refused(parent: Path, spec: str) -> None:
    with pytest.raises(UsageError, match="uses the tokenizer of the model in .*, bytes") as caught:
        started(parent, flags={"data.tokenizer": (spec, "--tokenizer")})
    assert spec in caught.value.message
    assert "leave out the tokenizer" in str(caught.value.hint)


def test_its_own_tokenizer_may_be_named(parent: Path, tmp_path: Path) -> None:
    save_tokenizer(tokenizer("bytes"), tmp_path / "mine.json")
    for spec in ("bytes", str(tmp_path / "mine.json"), str(parent)):
        settings = started(parent, flags={"data.tokenizer": (spec, "--tokenizer")})
        assert settings.data.tokenizer == spec


def test_data_of_another_tokenizer_are_refused(tmp_path: Path) -> None:
    """Both are called bpe:300: only the fingerprints differ."""
    parent = make_parent(tmp_path / "parent", "bpe:300", vocab_size=300)
    (tmp_path / "other.txt").write_text("A text of its own has its own tokens. " * 300)
    directory = prepare(str(tmp_path / "other.txt"), "bpe:300", tmp_path / "data")
    settings = started(parent, flags={"data.data_dir": (str(directory.path), "--data")})
    with pytest.raises(UsageError, match=r"prepared with .* bpe:300 \(.* has bpe:300") as caught:
        fit_vocabulary(settings, directory.tokenizer)
    assert "--source" in str(caught.value.hint)


def test_a_padded_vocabulary_stays(tmp_path: Path) -> None:
    parent = make_parent(tmp_path / "parent", vocab_size=320)
    settings = started(parent)
    assert fit_vocabulary(settings, tokenizer("bytes")).model.vocab_size == 320


def test_context_warm_up_must_fit_the_context(tmp_path: Path) -> None:
    parent = make_parent(tmp_path / "parent", block_size=192, position="rope")
    assert started(parent, preset="modern-12m").train.seq_len_warmup is None
    assert started(parent, "block_size=128", preset="modern-12m").train.seq_len_warmup == 128


def test_what_is_not_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no checkpoint at"):
        started(tmp_path / "nothing")
    with pytest.raises(UsageError, match="not the name of a model"):
        started("hf:mia")
    (tmp_path / "text").write_text("Once upon a time")
    with pytest.raises(CheckpointError, match="not an slm checkpoint"):
        started(tmp_path / "text")


def test_weights_that_changed_meanwhile_are_refused(parent: Path, tmp_path: Path) -> None:
    settings = started(parent)
    make_parent(tmp_path / "parent", n_layer=2)
    with pytest.raises(CheckpointError, match="no longer has the weights"):
        initial_weights(settings)


def test_a_trainer_has_the_weights(parent: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("\n<|endoftext|>\n".join(stories(40)))
    data = prepare(str(tmp_path / "text.txt"), str(parent), tmp_path / "data")
    flags = {"data.data_dir": (str(data.path), "--data")}
    settings = started(parent, f"out_dir='{tmp_path / 'run'}'", flags=flags)
    trainer = build_trainer(settings, Process())
    for name, weights in load_checkpoint(parent).model_state.items():
        assert torch.equal(trainer.model.state_dict()[name], weights)
    resumed = build_trainer(settings, Process(), is_resumed=True)
    name = "token_embedding.weight"
    assert not torch.equal(resumed.model.state_dict()[name], trainer.model.state_dict()[name])


def test_an_imported_model_with_its_tokenizer(tmp_path: Path) -> None:
    words = tokenizer("bpe:600")
    llama2c.write(source_of(model_of("llama", words.vocab_size), words), tmp_path / "theirs",
                  version=0, log=lambda text: None)  # fmt: skip
    write_checkpoint(import_model(str(tmp_path / "theirs" / "model.bin")), tmp_path / "parent")
    (tmp_path / "text.txt").write_text("\n<|endoftext|>\n".join(stories(40)))
    settings = started(tmp_path / "parent")
    data = prepare(str(tmp_path / "text.txt"), settings.data.tokenizer, tmp_path / "data")
    imported = load_checkpoint(tmp_path / "parent").tokenizer
    assert DataDirectory.open(data.path).tokenizer.fingerprint == imported.fingerprint
    assert fit_vocabulary(settings, data.tokenizer) == settings


def test_a_resumed_run_has_its_own_weights(
    parent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    run.mkdir()
    settings = settings_to_save(started("parent", f"out_dir='{run}'"), run)
    (run / "config.json").write_text(json.dumps(settings.to_json()))
    same = {"train.init_from": (str(parent), "--init-from")}
    resumed = resumed_run(run, None, None, same, [])
    assert resumed is not None
    assert resumed.parent == settings.parent
    other = {"train.init_from": ("other", "--init-from")}
    with pytest.raises(UsageError, match="--init-from and --resume are both given"):
        resumed_run(run, None, None, other, [])
    file, notes = tmp_path / "mine.toml", []
    file.write_text('init_from = "other"\n')
    resumed = resumed_run(run, None, file, {}, [], notes.append)
    assert resumed is not None
    assert resumed.train.init_from == "parent"
    assert "init_from of the settings file has no effect" in notes[0]


def test_the_path_of_the_model_is_found_from_another_folder(
    parent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = settings_to_save(started("parent", "out_dir=run"), tmp_path / "run")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    located = located_settings(settings, tmp_path / "run")
    assert located.train.init_from == "../parent"
    again = settings_to_save(located, tmp_path / "run")
    assert again.train.init_from == "parent"


def test_a_run_without_a_model_says_nothing_of_one() -> None:
    settings = new_run("tiny", None, {}, [])
    assert settings.parent is None
    assert "parent" not in settings.to_json()
    with pytest.raises(SlmError, match="must not be empty"):
        new_run("tiny", None, {}, ["init_from="])


def test_the_built_in_model_may_be_the_start(builtin: Path) -> None:
    settings = started("builtin")
    assert settings.model.n_embd == load_checkpoint(builtin).config.model.n_embd
    assert settings.parent is not None
    weights = initial_weights(settings)
    assert {w.dtype for w in weights.values()} == {torch.float32}
    saved = settings_to_save(settings, Path("run"))
    assert saved.train.init_from == "builtin"
    assert located_settings(saved, Path("run")).train.init_from == "builtin"
