from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from slm.errors import ConfigError
from slm.generation import GenerationOptions


def test_numbers_of_numpy_are_those_of_python() -> None:
    options = GenerationOptions(
        max_new_tokens=np.int32(7),  # type: ignore[arg-type]
        temperature=np.float32(0.5),  # type: ignore[arg-type]
        seed=np.int64(3),  # type: ignore[arg-type]
    )
    assert options == GenerationOptions(max_new_tokens=7, temperature=0.5, seed=3)
    assert {type(options.max_new_tokens), type(options.seed)} == {int}
    assert type(options.temperature) is float


@pytest.mark.parametrize(
    "bad",
    [
        {"max_new_tokens": 0},
        {"max_new_tokens": 2**21},
        {"max_new_tokens": 1.5},
        {"max_new_tokens": True},
        {"temperature": -0.1},
        {"temperature": 1e-9},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"temperature": "hot"},
        {"top_k": -1},
        {"top_k": 2.0},
        {"top_p": 0.0},
        {"top_p": 1.01},
        {"min_p": -0.1},
        {"min_p": 1.1},
        {"repetition_penalty": 0.0},
        {"seed": -1},
        {"seed": 2**63},
        {"stop": ("",)},
        {"stop": (3,)},
        {"stop": None},
        {"stop": 3},
        {"stop": b"end"},
        {"samples": 0},
    ],
    ids=str,
)
def test_impossible_values_are_errors_that_name_option_and_value(bad: dict[str, Any]) -> None:
    ((name, value),) = bad.items()
    with pytest.raises(ConfigError) as caught:
        GenerationOptions(**bad)
    assert name in caught.value.message
    shown = repr(value[0]) if isinstance(value, tuple) else repr(value)
    assert shown in caught.value.message


@pytest.mark.parametrize(
    "good",
    [
        {"temperature": 0},
        {"temperature": 0.0},
        {"top_k": None},
        {"top_k": 0},
        {"top_p": 1},
        {"min_p": 1.0},
        {"seed": 0},
        {"seed": 2**63 - 1},
    ],
    ids=str,
)
def test_limits_are_allowed(good: dict[str, Any]) -> None:
    ((name, value),) = good.items()
    assert getattr(GenerationOptions(**good), name) == value


@pytest.mark.parametrize("stop", ["end", ["end"], ("end",)])
def test_stop_takes_one_string_or_several(stop: Any) -> None:
    assert GenerationOptions(stop=stop).stop == ("end",)


def test_seed_is_kept_or_fresh() -> None:
    assert GenerationOptions(seed=7).chosen_seed() == 7
    seeds = {GenerationOptions().chosen_seed() for _ in range(8)}
    assert len(seeds) > 1
    assert all(0 <= seed < 2**31 for seed in seeds)
