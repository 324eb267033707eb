"""The settings of a run change together, and survive as JSON."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from slm.config import DataConfig, GPTConfig, RunConfig, TrainingConfig
from slm.config.origins import SET, Origin, OriginKind
from slm.errors import CheckpointError, ConfigError


def run_config(**origins: str) -> RunConfig:
    found = {name: Origin.from_text(text) for name, text in origins.items()}
    return RunConfig(GPTConfig(), TrainingConfig(), DataConfig(), origins=found)


def test_the_model_s_block_size_is_the_one_that_counts() -> None:
    config = RunConfig(GPTConfig(block_size=64), TrainingConfig(), DataConfig(), origins={})
    assert config.train.block_size == 64
    config = config.with_values({"model.block_size": 128}, SET)
    assert config.train.block_size == 128
    saved = config.to_json()
    assert "block_size" not in saved["train"]
    again = RunConfig.from_json(saved, where="config.json")
    assert again == config
    assert again.train.block_size == 128
    assert TrainingConfig.setting_names() == [
        key for key in TrainingConfig.model_fields if key != "block_size"
    ]
    saved["train"]["block_size"] = 64
    with pytest.raises(CheckpointError, match=r"train.block_size is saved as model.block_size"):
        RunConfig.from_json(saved, where="config.json")


def test_values_and_their_origins_go_together() -> None:
    config = run_config().with_values({"model.n_layer": 2, "train.seed": 3}, SET)
    assert (config.model.n_layer, config.train.seed) == (2, 3)
    assert config.origins == {"model.n_layer": SET, "train.seed": SET}
    assert run_config().with_values({}, SET) == run_config()
    with pytest.raises(ConfigError):
        run_config().with_values({"model.n_layer": 0}, SET)


def test_the_settings_of_a_run_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        run_config().model = GPTConfig()  # type: ignore[misc]


def test_values_that_depend_on_each_other_change_together() -> None:
    config = run_config().with_values({"model.n_embd": 35, "model.n_head": 5}, SET)
    assert config.model.head_width == 7


def test_a_run_comes_back_from_json() -> None:
    config = run_config().with_values(
        {"train.sample_prompts": ["ä", "\n"], "train.max_minutes": 0.1, "data.limit": 7},
        Origin(OriginKind.FILE, "file"),
    )
    text = json.dumps(config.to_json(), allow_nan=False)
    assert RunConfig.from_json(json.loads(text), where="config.json") == config


def test_settings_that_came_later_have_their_defaults() -> None:
    older = run_config().to_json()
    del older["model"]["qk_norm"]
    older["data"] = {}
    assert RunConfig.from_json(older, where="config.json") == run_config()


def test_a_run_of_before_the_shifted_windows_continues_as_it_began() -> None:
    older = run_config().to_json()
    assert older["train"].pop("shift_windows") is True
    assert not RunConfig.from_json(older, where="config.json").train.shift_windows
    older["train"] = {}
    assert not RunConfig.from_json(older, where="config.json").train.shift_windows


def test_old_names_of_settings_are_read() -> None:
    older = run_config(**{"train.seed": "--seed"}).to_json()
    for name in ("document_masking", "seq_len_warmup", "seq_len_warmup_fraction", "muon_ns_steps"):
        del older["train"][name]
    older["train"] |= {"attend_within": "story", "short_context": 64}
    older["train"] |= {"short_context_fraction": 0.5, "muon_steps": 3}
    train = RunConfig.from_json(older | {"version": 1}, where="config.json").train
    assert train == TrainingConfig(
        document_masking=True, seq_len_warmup=64, seq_len_warmup_fraction=0.5, muon_ns_steps=3
    )
    older["train"]["attend_within"] = "window"
    assert not RunConfig.from_json(older, where="config.json").train.document_masking
    with pytest.raises(ConfigError, match="has muon_ns_steps under two names"):
        TrainingConfig(**{"muon_steps": 3, "muon_ns_steps": 3})
    with pytest.raises(ConfigError, match="document_masking: must be true or false"):
        TrainingConfig(**{"attend_within": "sentence"})


def spoilt(**changes: Any) -> Any:
    return run_config(**{"model.n_layer": "--set"}).to_json() | changes


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (None, "does not hold the settings"),
        ([], "does not hold the settings"),
        ({}, "does not hold the settings"),
        (spoilt(format="x"), "does not hold the settings"),
        (spoilt(version=3), "version 3, this program reads versions up to 2"),
        (spoilt(model=None), "lacks the settings of 'model'"),
        (spoilt(train=[1]), "lacks the settings of 'train'"),
        (spoilt(origins=[]), "origins"),
        (spoilt(started_in=3), "started_in is not a path"),
        (spoilt(origins={"model.n_layer": []}), "origins"),
        (spoilt(model=GPTConfig().model_dump() | {"n_layer": "x"}), "n_layer"),
        (spoilt(model=GPTConfig().model_dump() | {"n_layers": 1}), "n_layers"),
        (spoilt(data={**DataConfig().model_dump(), "": 1}), "no setting"),
    ],
)
def test_what_is_no_configuration_is_a_checkpoint_error(data: Any, match: str) -> None:
    with pytest.raises(CheckpointError, match=match) as caught:
        RunConfig.from_json(data, where="there/config.json")
    assert "there/config.json" in caught.value.message
