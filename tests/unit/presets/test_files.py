"""Presets and settings files: whatever is wrong with one names the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slm.config import DataConfig, GPTConfig, TrainingConfig
from slm.errors import ConfigError, UsageError
from slm.presets import (
    DEFAULT_PRESET,
    parse_assignment,
    preset_names,
    preset_table,
    resolve,
    settings_file,
)


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_resolves_and_says_what_it_is(name: str) -> None:
    table = preset_table(name)
    assert table["description"]
    config = resolve(name)
    for group in ("model", "train", "data"):
        for key, value in table.get(group, {}).items():
            found = getattr(getattr(config, group), key)
            assert found == (tuple(value) if isinstance(value, list) else value)
            assert str(config.origins[f"{group}.{key}"]) == f"preset {name}"


def test_the_promised_presets_are_there() -> None:
    assert {"demo", "gpt2", "modern-12m", "shakespeare-char", "tiny"} == set(preset_names())
    assert DEFAULT_PRESET in preset_names()


def test_the_preset_gpt2_is_the_default_configuration() -> None:
    config = resolve("gpt2")
    assert (config.model, config.train) == (GPTConfig(), TrainingConfig())
    assert config.data == DataConfig()


def test_an_unknown_preset_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="no preset 'modern12m'") as caught:
        resolve("modern12m")
    assert caught.value.hint == "did you mean modern-12m?"
    for name in ("../presets/tiny", "tiny.toml", ""):
        with pytest.raises(ConfigError, match="there is no preset"):
            resolve(name)


def test_a_settings_file_with_and_without_groups(tmp_path: Path) -> None:
    path = write(tmp_path / "a.toml", 'n_layer = 2\n[train]\nseed = 7\n[data]\nsource = "x"\n')
    config = resolve(config_file=path)
    assert (config.model.n_layer, config.train.seed, config.data.source) == (2, 7, "x")
    assert str(config.origins["model.n_layer"]) == f"file {path}"


def test_a_settings_file_may_name_its_preset(tmp_path: Path) -> None:
    path = write(tmp_path / "a.toml", 'preset = "tiny"\n[model]\nn_layer = 3\n')
    config = resolve(config_file=path)
    assert (config.model.n_layer, config.model.n_embd) == (3, 32)
    other = resolve("demo", config_file=path)
    assert (other.model.n_layer, other.model.n_embd) == (3, 128)


def test_the_configuration_of_a_run_is_a_settings_file(tmp_path: Path) -> None:
    config = resolve("tiny", assignments=["seed=9"])
    path = write(tmp_path / "config.json", json.dumps(config.to_json()))
    again = resolve(config_file=path)
    assert (again.model, again.train, again.data) == (config.model, config.train, config.data)


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("a.toml", "n_layer = ", "not valid TOML"),
        ("a.toml", "n_kv_head = none", 'not valid TOML.*so is "none"'),
        ("a.yaml", "n_layer: 3", "not valid TOML.*NAME = VALUE"),
        ("a.json", "[model]\nn_layer = 3", "not valid JSON.*ends in .json"),
        ("a.toml", "[train]\npreset = 'tiny'", "preset is not a setting.*above the first group"),
        ("a.toml", "[train]\nlr = 1", r"'train.lr'.*hint: `slm presets --settings`"),
        ("a.toml", "[model]\nlerning_rate = 1", r"did you mean train.learning_rate?"),
        ("a.toml", "sample_prompts = 'Once'", r"should be a list.*sample_prompts=\[\"one\""),
        ("a.toml", "seed = -1", "from 0 to 9,223,372,036,854,775,807,"),
        ("a.toml", "source = 'none'\nn_layer = 'none'", "n_layer"),
        ("a.toml", "n_layers = 2", "no setting 'n_layers'"),
        ("a.toml", "[model]\nn_layers = 2", "no setting 'model.n_layers'"),
        ("a.toml", "[modle]\nn_layer = 2", r"no group \[modle\] .*did you mean model?"),
        ("a.toml", "[zzz]\nn_layer = 2", r"no group \[zzz\] .*groups: model, train, data"),
        ("a.toml", "model = 3", r"model is a group of settings, found 3 .*write \[model\]"),
        ("a.toml", "[[model]]\nn_layer = 2", r"model is a group of settings, found \[{"),
        ("a.toml", "[modle]\nn_lyer = 2", r"no group \[modle\] .*did you mean model?"),
        ("a.toml", "[n_layer]\nx = 2", r"n_layer is a setting, not a group .*n_layer = VALUE"),
        ("a.toml", "[train]\nn_layer = 2", "'train.n_layer' .*did you mean model.n_layer?"),
        ("a.toml", "[model.more]\nn_layer = 2", "no setting 'model.more'"),
        ("a.toml", "presets = 'tiny'", "no setting 'presets' .*did you mean preset?"),
        ("a.toml", "seed = 1\nn_layer = 2\nn_layer = 3", "line 3 is a duplicate: 'n_layer = 3'"),
        (
            "a.toml",
            "[model]\nbias = true\n[model]\nn_layer = 3",
            r"line 3 is a duplicate: '\[model",
        ),
        ("a.toml", "model.n_layer = 2\nseed = 1\n[model]\nbias = true", r"line 3 .*'\[model"),
        (
            "a.toml",
            "seed = 1\nsample_prompts = ['a']\n\nsample_prompts = [\n'b',\n'c',\n]\nbias = true",
            r"line 4 is a duplicate: 'sample_prompts = \['",
        ),
        ("a.toml", "model = {n_layer = 2, n_layer = 3}", "line 1 .* n_layer = 3"),
        ("a.toml", "n_layer = 2\n[model]\nn_layer = 3", "n_layer and model.n_layer are the same"),
        (
            "a.toml",
            "[model]\nblock_size = 8\n[train]\nblock_size = 8",
            "model.block_size and train.block_size are the same",
        ),
        ("a.json", '{"seed": 1, "seed": 2}', "the key 'seed' occurs twice"),
        ("a.json", '{"train": {"seed": 1, "seed": 1}}', "the key 'seed' occurs twice"),
        ("a.json", '{"train": {"seed": 1}, "train": {}}', "the key 'train' occurs twice"),
        ("a.json", '{"n_layer": 2, "model": {"n_layer": 3}}', "are the same setting"),
        ("a.toml", "muon_steps = 3\nmuon_ns_steps = 3", "are the same setting"),
        ("a.toml", "[model]\nn_layer = 'x'", "n_layer"),
        ("a.toml", "preset = 3", "no preset 3"),
        ("a.toml", "preset = ['tiny']", "no preset"),
        ("a.toml", f"preset = 0x{'f' * 5000}", "no preset a very long int"),
        ("a.toml", "#" * 1_100_000, "larger than"),
        ("a.toml", "version = 3", "version 3, this program reads versions up to 2"),
        ("a.json", "[1]", "no table"),
        ("a.json", '{"format": "slm-config", "version": 99}', "version 99, this program reads"),
        ("a.json", '{"version": null}', "version None"),
        ("a.json", '{"format": "slm-data", "version": 1}', "format 'slm-data', not slm-config"),
        ("a.json", '{"origins": {"model.n_layer": []}}', "origins must map names"),
        ("a.json", '{"origins": []}', "origins must map names"),
        ("a.json", "{", "not valid"),
        ("a.json", "[" * 100_000, "not valid"),
        ("a.json", '{"train": {"learning_rate": NaN}}', "learning_rate"),
    ],
)
def test_a_bad_settings_file(tmp_path: Path, name: str, text: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        resolve(config_file=write(tmp_path / name, text))


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", 'preset = "demo"\nmax_minutes = "none"\n[model]\nn_kv_head = "None"\n'),
        ("a.TOML", 'preset = "demo"\r\nmodel.n_kv_head = "null"\r\ntrain.max_minutes = "none"\r\n'),
        ("a.json", '{"preset": "demo", "max_minutes": null, "model": {"n_kv_head": null}}'),
        ("A.JSON", '{"preset": "demo", "max_minutes": "none", "n_kv_head": null}'),
        ("a.txt", ' \n{"preset": "demo", "max_minutes": null, "n_kv_head": null}'),
    ],
)
def test_no_value_in_a_settings_file_of_any_form(
    tmp_path: Path, name: str, text: str, mark: str
) -> None:
    assert resolve("demo").train.max_minutes == 3
    (tmp_path / name).write_bytes((mark + text).encode("utf-8"))
    settings = resolve(config_file=tmp_path / name)
    assert (settings.train.max_minutes, settings.model.n_kv_head) == (None, None)
    assert settings.model.n_embd == resolve("demo").model.n_embd


def test_a_settings_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the settings file"):
        settings_file(tmp_path / "missing.toml")
    with pytest.raises(UsageError):
        settings_file(tmp_path)
    (tmp_path / "wide.toml").write_bytes("n_layer = 3".encode("utf-16"))
    with pytest.raises(UsageError, match="wide.toml is not UTF-8: .* at byte 0") as caught:
        settings_file(tmp_path / "wide.toml")
    assert "iconv -f UTF-16 -t UTF-8" in str(caught.value.hint)
    with pytest.raises(UsageError, match="null"):
        settings_file(Path("a\0.toml"))


def test_old_names_of_settings(tmp_path: Path) -> None:
    text = 'attend_within = "story"\n[train]\nshort_context = 64\nmuon_steps = 3\n'
    train = resolve(config_file=write(tmp_path / "a.toml", text)).train
    assert (train.document_masking, train.seq_len_warmup, train.muon_ns_steps) == (True, 64, 3)
    changed = resolve("demo", assignments=["attend_within=window", "train.short_context=none"])
    assert (changed.train.document_masking, changed.train.seq_len_warmup) == (False, None)
    assert str(changed.origins["train.document_masking"]) == "--set"
    with pytest.raises(ConfigError, match="contradict"):
        resolve(assignments=["attend_within=story", "document_masking=false"])


def test_mistakes_name_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.toml", "n_layers = 2")
    with pytest.raises(ConfigError, match=r"mine\.toml") as caught:
        resolve(config_file=path)
    assert caught.value.hint == "did you mean n_layer?"


@pytest.mark.parametrize(
    "key", [".".join("a" * 14_000), ' . "b c" . '.join("a" * 40), "'x'.y." * 40 + "z"]
)
def test_a_key_of_very_many_parts_is_refused_at_once(tmp_path: Path, key: str) -> None:
    """The parser would take 15 s for the first one."""
    path = tmp_path / "settings.toml"
    path.write_text(f"n_layer = 2\n{key} = 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="too many parts"):
        settings_file(path)
    # Where a value may be a text, it is one.
    assert parse_assignment(f"data.source={{ {key} = 1 }}")[1] == f"{{ {key} = 1 }}"


def test_dots_in_a_text_are_no_parts_of_a_key(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    prompt = "One day. " * 100 + "A. B. C. e.g. this... " + "." * 100 + "1.2.3"
    path.write_text(f'[train]\nsample_prompts = ["{prompt}"]\n', encoding="utf-8")
    assert settings_file(path)["train"]["sample_prompts"] == [prompt]
