"""Settings are frozen and checked; whatever is wrong ends in a ConfigError."""

from __future__ import annotations

import inspect
import json
import math
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slm.config import (
    GROUPS,
    DataConfig,
    GPTConfig,
    ModelConfig,
    TrainingConfig,
    get_default_configs,
)
from slm.errors import ConfigError

SETTINGS = [(group, key) for group, kind in GROUPS.items() for key in kind.setting_names()]


# -- the original's names and values -------------------------------------------------------------


def test_the_defaults_are_the_original() -> None:
    model, training = get_default_configs()
    assert (model.n_layer, model.n_head, model.n_embd, model.block_size) == (6, 6, 384, 256)
    assert (model.norm, model.position, model.mlp, model.bias) == (
        "layernorm",
        "learned",
        "gelu",
        True,
    )
    assert model.tie_embeddings
    assert ModelConfig is GPTConfig
    assert training == TrainingConfig()


def test_both_groups_of_the_original_have_the_block_size() -> None:
    model, training = get_default_configs()
    assert training.block_size == model.block_size == 256
    assert training.__dict__["block_size"] == 256
    assert TrainingConfig(block_size=32).block_size == 32
    with pytest.raises(ConfigError, match=r"block_size: must be from 1 to"):
        TrainingConfig(block_size=0)


def test_the_dict_of_a_group_is_the_mapping_that_makes_it_again() -> None:
    training = TrainingConfig(max_steps=7, sample_prompts=("a", "b"))
    assert training.__dict__["max_steps"] == 7
    assert training.__dict__.keys() == TrainingConfig.model_fields.keys()
    assert TrainingConfig(**training.__dict__) == training


@pytest.mark.parametrize(("group", "key"), SETTINGS)
def test_every_setting_has_a_meaning(group: str, key: str) -> None:
    lines = inspect.getsource(GROUPS[group]).splitlines()
    place = next(k for k, line in enumerate(lines) if line.strip().startswith(f"{key}:"))
    assert lines[place + 1].strip().startswith('"""')


# -- shapes --------------------------------------------------------------------------------------


def test_widths_follow_from_each_other() -> None:
    config = GPTConfig(n_embd=384, n_head=6)
    assert config.head_width == 64
    assert config.kv_heads == 6
    assert config.mlp_width == 1536
    modern = config.changed(mlp="swiglu", n_kv_head=2, head_dim=32)
    assert modern.head_width == 32
    assert modern.kv_heads == 2
    assert modern.mlp_width == 1024
    assert modern.changed(mlp_dim=100).mlp_width == 100


def test_a_changed_copy_is_checked_again() -> None:
    config = GPTConfig()
    assert config.changed(n_layer=2).n_layer == 2
    assert config.n_layer == 6
    with pytest.raises(ConfigError):
        config.changed(n_layer=0)
    with pytest.raises(ConfigError, match="n_layers"):
        config.changed(n_layers=2)


def test_heads_that_do_not_divide_the_width_get_a_hint_that_works() -> None:
    with pytest.raises(ConfigError, match="n_embd 384 is not divisible by n_head 7") as caught:
        GPTConfig(n_embd=384, n_head=7)
    assert caught.value.hint == "try n_head=6"
    GPTConfig(n_embd=384, n_head=6)


def test_heads_that_do_not_fit_each_other() -> None:
    with pytest.raises(ConfigError, match="n_head 6 is not divisible by n_kv_head 4"):
        GPTConfig(n_kv_head=4)
    with pytest.raises(ConfigError, match="even head width, found 3"):
        GPTConfig(n_embd=18, n_head=6, position="rope")
    GPTConfig(n_embd=18, n_head=6, position="learned")


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:1", "mps"])
def test_known_devices(device: str) -> None:
    assert TrainingConfig(device=device).device == device


def test_an_unknown_device_is_told() -> None:
    with pytest.raises(ConfigError, match="'cudo' is unknown") as caught:
        TrainingConfig(device="cudo")
    assert caught.value.hint == "did you mean cuda?"


# -- mistakes ------------------------------------------------------------------------------------


def test_an_unknown_setting_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="GPTConfig has no setting 'n_layers'") as caught:
        GPTConfig(n_layers=3)  # type: ignore[call-arg]
    assert caught.value.hint == "did you mean n_layer?"
    with pytest.raises(ConfigError) as caught:
        DataConfig(zzz=3)  # type: ignore[call-arg]
    assert caught.value.hint is not None
    assert "source, tokenizer" in caught.value.hint


def test_a_bad_value_is_shown_with_its_bounds() -> None:
    with pytest.raises(ConfigError, match=r"GPTConfig\.n_layer: must be from 1 to 1,024, found 0"):
        GPTConfig(n_layer=0)
    with pytest.raises(ConfigError, match=r"norm: .*'layernorm' or 'rmsnorm', found 'batch'"):
        GPTConfig(norm="batch")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"found 'x{70}") as caught:
        GPTConfig(n_layer="x" * 1000)  # type: ignore[arg-type]
    assert len(caught.value.message) < 250


def test_numbers_that_python_cannot_write_are_refused() -> None:
    for value in (int("f" * 5000, 16), -(10**5000), [10**5000]):
        with pytest.raises(ConfigError, match="n_layer"):
            GPTConfig(n_layer=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["n_layer", "dropout", "n_kv_head"])
def test_true_and_false_are_no_numbers(key: str) -> None:
    with pytest.raises(ConfigError, match=f"{key}: must not be true or false, found True"):
        GPTConfig(**{key: True})
    assert GPTConfig(bias=True).bias


@pytest.mark.parametrize(
    ("group", "values", "problem"),
    [
        (TrainingConfig, {"max_steps": 0}, "max_steps: must be from 1 to 2,147,483,647, found 0"),
        (TrainingConfig, {"keep_checkpoints": -1}, "must be from 1 to"),
        (TrainingConfig, {"max_minutes": 0}, "must be above 0 and at most 1,000,000, found 0"),
        (TrainingConfig, {"beta1": 1.0}, "must be at least 0 and below 1, found 1.0"),
        (DataConfig, {"limit": 0}, "limit: must be from 1 to 2,147,483,647, found 0"),
        (DataConfig, {"validation_fraction": 2}, "must be above 0 and below 1, found 2"),
    ],
)
def test_bounds_are_named(group: Any, values: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        group(**values)


def test_a_choice_that_is_nearly_right_gets_a_suggestion() -> None:
    for value, hint in (("onn", "did you mean on?"), ("AUTO", "did you mean auto?")):
        with pytest.raises(ConfigError, match="compile") as caught:
            TrainingConfig(compile=value)
        assert caught.value.hint == hint
    with pytest.raises(ConfigError) as caught:
        TrainingConfig(compile=3)  # type: ignore[arg-type]
    assert caught.value.hint is not None


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "must not be empty"),
        (" \n", "must not be empty"),
        ("a\0b", "must not hold a null character"),
        ("x" * 4097, "must have at most 4,096 characters, not 4,097"),
    ],
)
def test_texts_that_name_no_file(value: str, problem: str) -> None:
    for group, key in (
        (TrainingConfig, "out_dir"),
        (DataConfig, "data_dir"),
        (DataConfig, "source"),
        (DataConfig, "tokenizer"),
    ):
        with pytest.raises(ConfigError, match=f"{key}: {problem}, found"):
            group(**{key: value})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "nan", "inf"])
def test_numbers_are_finite(value: Any) -> None:
    with pytest.raises(ConfigError, match="learning_rate"):
        TrainingConfig(learning_rate=value)


def test_settings_do_not_change() -> None:
    config = GPTConfig()
    with pytest.raises(
        ConfigError, match=r"GPTConfig\.n_layer cannot be changed in place"
    ) as caught:
        config.n_layer = 3  # type: ignore[misc]
    assert caught.value.hint == "make a copy that has it: config = config.changed(n_layer=...)"
    assert config == GPTConfig()
    with pytest.raises(ConfigError, match="block_size"):
        TrainingConfig().block_size = 64  # type: ignore[misc]
    assert TrainingConfig().changed(block_size=64, batch_size=4).block_size == 64


def test_settings_can_be_told_apart_kept_and_sent() -> None:
    config = GPTConfig(n_layer=3)
    assert hash(config) == hash(GPTConfig(n_layer=3))
    assert config != GPTConfig()
    assert pickle.loads(pickle.dumps(config)) == config


absurd = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=5)
    | st.lists(st.integers(), max_size=3)
    | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
    | st.sampled_from([10**400, -(10**400), 2**63, 1e308, "1e999", object(), math.nan, 1j])
)
words = st.text(max_size=30) | st.sampled_from([key for _, key in SETTINGS]).flatmap(
    lambda key: st.sampled_from([key + "s", key[1:], key.upper(), key.replace("_", "-"), f"{key} "])
)


@settings(max_examples=300, deadline=None)
@given(setting=st.sampled_from(SETTINGS), value=absurd)
def test_any_value_is_taken_or_a_config_error(setting: tuple[str, str], value: Any) -> None:
    group, key = setting
    try:
        config = GROUPS[group](**{key: value})
    except ConfigError as error:
        message = str(error)
    else:
        message = ""
        # What was taken can be saved, and means the same when it is read back.
        saved = json.loads(json.dumps(config.model_dump(mode="json"), allow_nan=False))
        assert GROUPS[group](**saved) == config
    assert len(message) < 500


@settings(max_examples=300, deadline=None)
@given(group=st.sampled_from(sorted(GROUPS)), key=words, value=absurd)
def test_any_unknown_name_is_a_config_error(group: str, key: str, value: Any) -> None:
    if key in GROUPS[group].model_fields:
        return
    with pytest.raises(ConfigError) as caught:
        GROUPS[group](**{key: value})
    assert caught.value.hint
