"""Settings are found by their names, and single ones are parsed."""

from __future__ import annotations

from typing import Any

import pytest

from slm.config.origins import SET
from slm.errors import ConfigError
from slm.presets import (
    full_name,
    parse_assignment,
    resolve,
    setting_names,
)


def test_a_bare_name_is_completed() -> None:
    assert full_name("n_layer") == "model.n_layer"
    assert full_name("train.seed") == "train.seed"
    assert len(setting_names()) == len(set(setting_names())) > 40


def test_bare_names_are_unique_today() -> None:
    # A name in two groups would make `--set name=` ambiguous for everyone who uses it already.
    bare = [name.partition(".")[2] for name in setting_names()]
    assert len(bare) == len(set(bare))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("n_layers", "did you mean n_layer?"),
        ("model.n_layers", "model.n_layer"),
        ("zzz", "lists all settings"),
        ("", "lists all settings"),
        ("model.", "lists all settings"),
        ("train.n_layer", "did you mean model.n_layer?"),
        ("model.seed", "did you mean train.seed?"),
        ("data.sorce", "did you mean data.source?"),
        ("modle.n_layer", "did you mean model.n_layer"),
        ("n-layer", "did you mean n_layer?"),
    ],
)
def test_an_unknown_name_gets_a_hint(name: str, hint: str) -> None:
    with pytest.raises(ConfigError, match="there is no setting") as caught:
        full_name(name)
    assert caught.value.hint is not None
    if name != "model.":
        assert hint in caught.value.hint


def test_a_group_is_not_a_setting() -> None:
    with pytest.raises(ConfigError, match="model is a group of settings") as caught:
        full_name("model")
    assert caught.value.hint == "name one of its settings, for example model.vocab_size"


def test_the_original_s_second_name_of_a_setting_means_the_first() -> None:
    config = resolve(assignments=["train.block_size=64"])
    assert config.model.block_size == config.train.block_size == 64
    assert config.origins == {"model.block_size": SET}
    assert full_name("block_size") == "model.block_size"


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("n_layer=4", "model.n_layer", 4),
        (" n_layer = 4 ", "model.n_layer", 4),
        ("learning_rate=3e-4", "train.learning_rate", 3e-4),
        ("bias=false", "model.bias", False),
        ("norm=rmsnorm", "model.norm", "rmsnorm"),
        ('norm="rmsnorm"', "model.norm", "rmsnorm"),
        ("max_minutes=none", "train.max_minutes", None),
        ("max_minutes=None", "train.max_minutes", None),
        ("sample_prompts=['a = b', 'c']", "train.sample_prompts", ["a = b", "c"]),
        ("sample_prompts=[]", "train.sample_prompts", []),
        ("source=C:\\new\\table.txt", "data.source", "C:\\new\\table.txt"),
        ("source=a=b", "data.source", "a=b"),
        ("source=", "data.source", ""),
        ("data.source=x # y", "data.source", "x # y"),
    ],
)
def test_assignments(text: str, name: str, value: Any) -> None:
    assert parse_assignment(text) == (name, value)


def test_an_assignment_without_a_value() -> None:
    with pytest.raises(ConfigError, match="key=value, found 'n_layer'"):
        parse_assignment("n_layer")


def test_a_value_is_one_value() -> None:
    name, value = parse_assignment("source=1\nx = 2")
    assert (name, value) == ("data.source", "1\nx = 2")
