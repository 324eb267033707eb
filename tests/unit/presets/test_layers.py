"""From presets, files and single settings to one configuration that knows where it is from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slm.config import DataConfig, GPTConfig, RunConfig, TrainingConfig
from slm.config.origins import SET
from slm.errors import ConfigError, UsageError
from slm.presets import (
    resolve,
    setting_names,
)


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def test_later_layers_win_and_sign(tmp_path: Path) -> None:
    path = write(tmp_path / "a.toml", "max_steps = 20\nseed = 20\nbatch_size = 20\n")
    config = resolve(
        "tiny",
        config_file=path,
        flags={"train.seed": (30, "--seed")},
        assignments=["batch_size=41"],
    )
    assert (config.train.max_steps, config.train.seed, config.train.batch_size) == (20, 30, 41)
    assert str(config.origins["train.max_steps"]) == f"file {path}"
    assert str(config.origins["train.seed"]) == "--seed"
    assert str(config.origins["train.batch_size"]) == "--set"
    assert str(config.origins["model.n_embd"]) == "preset tiny"
    assert "model.head_dim" not in config.origins


@pytest.mark.parametrize(
    ("flags", "assignments", "both"),
    [
        ({}, ["n_layer=1", "n_layer=2"], "--set n_layer=1 and --set n_layer=2 contradict"),
        ({}, ["n_layer=1", "seed=3", "model.n_layer=2"], "--set model.n_layer=2 contradict"),
        ({}, ["block_size=8", "train.block_size=16"], "both decide model.block_size"),
        ({"train.seed": (3, "--seed")}, ["seed=4"], "--seed and --set seed=4 contradict"),
        (
            {"train.max_steps": (5, "--steps"), "train.max_minutes": (None, "--steps")},
            ["max_minutes=1"],
            "--steps and --set max_minutes=1 contradict each other: both decide train.max_minutes",
        ),
    ],
)
def test_no_word_of_a_command_line_undoes_another(
    flags: dict[str, tuple[Any, str]], assignments: list[str], both: str
) -> None:
    with pytest.raises(ConfigError, match=both) as caught:
        resolve(flags=flags, assignments=assignments)
    assert caught.value.hint == "leave out one of them"


def test_words_of_a_command_line_may_agree() -> None:
    config = resolve(
        flags={"train.seed": (3, "--seed")}, assignments=["seed=3", "n_layer=2", "model.n_layer=2"]
    )
    assert (config.train.seed, config.model.n_layer) == (3, 2)
    assert config.origins == {"train.seed": SET, "model.n_layer": SET}


def test_layers_are_checked_together() -> None:
    config = resolve(assignments=["n_head=7", "n_embd=49"])
    assert config.model.head_width == 7
    with pytest.raises(ConfigError, match="not divisible"):
        resolve(assignments=["n_head=7"])


def test_an_impossible_value_names_its_flag_file_or_preset(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.toml", "n_layer = 0")
    with pytest.raises(ConfigError, match=rf"^model.n_layer \(file {path}\): must be from 1 to"):
        resolve(config_file=path)
    with pytest.raises(ConfigError, match="^--set seed: must be from 0 to"):
        resolve(assignments=["train.seed=-1"])
    with pytest.raises(ConfigError, match="^--limit: must be from 1 to 2,147,483,647, found 0"):
        resolve(flags={"data.limit": (0, "--limit")})


def test_nothing_at_all_is_the_defaults() -> None:
    assert resolve() == RunConfig(GPTConfig(), TrainingConfig(), DataConfig(), origins={})


values = (
    st.text(max_size=20)
    | st.just("0x" + "f" * 5000)
    | st.sampled_from(
        ["-1", "0", "1e999", "nan", "inf", "true", "[]", "{}", "[[", "'", '"', "1979-05-27", "0x7f"]
    )
    | st.sampled_from(
        ["9" * 400, "9" * 5000, "none", "[" * 3000, "{a=1}", "1_0", "é", "\0", "\ud800", " "]
    )
)
keys = st.sampled_from(setting_names()) | st.text(max_size=20)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(key=keys, value=values)
def test_any_assignment_is_taken_or_a_config_error(key: str, value: str) -> None:
    try:
        config = resolve("tiny", assignments=[f"{key}={value}"])
    except ConfigError:
        config = resolve("tiny")
    assert RunConfig.from_json(config.to_json(), where="config.json") == config


@settings(max_examples=100, deadline=None)
@given(
    content=st.binary(max_size=60) | st.text(max_size=60).map(str.encode), json_file=st.booleans()
)
def test_any_settings_file_is_taken_or_our_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, json_file: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / ("fuzzed.json" if json_file else "fuzzed.toml")
    path.write_bytes(content)
    try:
        config = resolve(config_file=path)
    except UsageError:
        config = resolve()
    assert isinstance(config, RunConfig)
