"""The names that other programs import from `slm`."""

from __future__ import annotations

import inspect

import pytest

import slm

NAMES = {
    "Callback",
    "LanguageModel",
    "Run",
    "compare",
    "evaluate",
    "load",
    "open_run",
    "plan",
    "prepare",
    "report",
    "train",
    "DataLoader",
    "GPT",
    "GPTConfig",
    "GenerationOptions",
    "Generator",
    "ModelConfig",
    "SlmError",
    "Trainer",
    "TrainingConfig",
    "get_default_configs",
}


def test_all_names_are_there_and_no_others():
    assert set(slm.__all__) == NAMES
    assert set(dir(slm)) >= NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_name_can_be_fetched(name):
    assert getattr(slm, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="GTP"):
        slm.GTP  # noqa: B018


def test_call_shapes_of_the_original():
    def first(function, count):
        names = [name for name in inspect.signature(function).parameters if name != "self"]
        return names[:count]

    assert first(slm.DataLoader.__init__, 3) == ["batch_size", "block_size", "device"]
    assert first(slm.Trainer.__init__, 3) == ["model", "data_loader", "config"]
    assert first(slm.Trainer.generate_text, 4) == [
        "prompt",
        "max_new_tokens",
        "temperature",
        "top_k",
    ]
    assert first(slm.GPT.generate, 4) == ["idx", "max_new_tokens", "temperature", "top_k"]
    assert {"vocab_size", "block_size", "n_layer", "n_head", "n_embd", "dropout", "bias"} <= set(
        slm.GPTConfig.model_fields
    )
