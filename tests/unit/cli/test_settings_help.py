from __future__ import annotations

from slm.cli.settings_help import all_settings
from slm.config import GPTConfig, TrainingConfig
from slm.presets import as_toml, parse_assignment, setting_names


def test_every_setting_is_described():
    settings = all_settings()

    assert [f"{item.group}.{item.key}" for item in settings] == setting_names()
    assert all(len(item.meaning) > 10 for item in settings)


def test_kinds_are_in_plain_words():
    kinds = {f"{item.group}.{item.key}": item.kind for item in all_settings()}

    assert kinds["model.n_layer"] == "integer"
    assert kinds["model.norm"] == "layernorm or rmsnorm"
    assert kinds["train.max_minutes"] == "number or none"
    assert kinds["train.sample_prompts"] == "list of texts"
    assert kinds["model.bias"] == "true or false"


def test_defaults_can_be_given_back():
    for kind, group in ((GPTConfig, "model"), (TrainingConfig, "train")):
        for key in kind.setting_names():
            field = kind.model_fields[key]
            _, value = parse_assignment(f"{group}.{key}={as_toml(field.default)}")
            assert value == (
                list(field.default) if isinstance(field.default, tuple) else field.default
            )
