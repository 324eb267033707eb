"""The presets exist, are sound, and have the sizes that were promised."""

from __future__ import annotations

import pytest

from slm.model import GPT, model_costs
from slm.planning.dataset_size import text_of
from slm.planning.plan import make_plan
from slm.planning.steps import MachineProfile
from slm.presets import DEFAULT_PRESET, preset_names, preset_table, resolve
from slm.tokenizer import parse_tokenizer

SIZES = {
    "demo": (1e6, 5e6),
    "gpt2": (10e6, 15e6),
    "modern-12m": (10e6, 15e6),
    "shakespeare-char": (0.5e6, 1.5e6),
    "tiny": (1e4, 1e5),
}


def test_these_presets_are_there():
    assert preset_names() == sorted(SIZES)
    assert DEFAULT_PRESET == "modern-12m"


@pytest.mark.parametrize("name", sorted(SIZES))
def test_each_one_resolves_to_a_model_of_its_size(name):
    settings = resolve(name)
    low, high = SIZES[name]

    assert low <= model_costs(settings.model).parameters <= high
    assert preset_table(name)["description"]
    assert parse_tokenizer(settings.data.tokenizer)


def test_the_counts_are_those_of_a_real_model():
    shape = resolve("gpt2").model

    assert sum(p.numel() for p in GPT(shape).parameters()) == model_costs(shape).parameters


def test_gpt2_is_the_original():
    shape = resolve("gpt2").model

    assert (shape.n_layer, shape.n_head, shape.n_embd, shape.block_size) == (6, 6, 384, 256)
    assert shape.vocab_size == 8192
    assert shape.bias
    assert shape.dropout > 0


def test_the_demo_is_a_plan_for_three_minutes_of_easy_stories_with_four_layers():
    easy = resolve(
        "modern-12m",
        flags={"data.source": ("builtin:easy", "--source")},
        assignments=("n_layer=4", "n_embd=128", "n_head=2"),
    )
    ordinary = MachineProfile("cpu", "bfloat16", 0.8, has_compiler=True, memory_bytes=None)
    plan = make_plan(easy, 3, ordinary, text_of(easy.data))
    demo = resolve("demo")

    assert demo.model == plan.settings.model
    assert demo.data.source == plan.settings.data.source
    assert demo.data.tokenizer == plan.settings.data.tokenizer
    rates = {"learning_rate", "muon_learning_rate"}
    for rate in rates:
        assert getattr(demo.train, rate) == pytest.approx(getattr(plan.settings.train, rate))
    # A plan also chooses what depends on its length.
    other = rates | {"max_steps", "eval_interval", "checkpoint_interval", "compile"}
    planned = plan.settings.train.model_dump(exclude=other)
    assert demo.train.model_dump(exclude=other) == planned
