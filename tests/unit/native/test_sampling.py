from __future__ import annotations

import math
import shutil
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from slm.generation import GenerationOptions
from slm.generation.engine import NO_ID
from slm.generation.sampling import filter_logits
from slm.generation.torch_engine import sample_ids as torch_sample
from slm.native.sampling import sample_ids as native_sample

pytestmark = pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")

OPTIONS = [
    GenerationOptions(**settings)
    for settings in (
        {},
        {"top_k": 1},
        {"top_k": 7, "temperature": 1.7},
        {"top_k": 40, "top_p": 0.6},
        {"top_k": 40, "min_p": 0.1, "temperature": 0.5},
        {"top_k": 5000, "top_p": 0.9, "min_p": 0.01},
        {"top_k": None, "temperature": 1.0},
        {"top_k": 0, "temperature": 2.0, "top_p": 0.97},  # hundreds of ids
        {"top_k": None, "temperature": 0.5, "top_p": 0.5},
        {"top_k": None, "top_p": 0.999, "min_p": 0.02},
        {"top_k": None, "min_p": 0.05},
        {"temperature": 0.0},
        {"temperature": 0.0, "top_k": None, "top_p": 0.5},
    )
]


def some_logits(rows: int, ids: int, spread: float = 3.0) -> Tensor:
    return torch.randn(rows, ids, generator=torch.Generator().manual_seed(0)) * spread


def some_numbers(count: int) -> list[float]:
    generator = torch.Generator().manual_seed(1)
    numbers: list[float] = (
        1 - torch.rand(count, generator=generator, dtype=torch.float64)
    ).tolist()
    return numbers


@pytest.mark.parametrize("options", OPTIONS)
def test_the_same_ids_as_pytorchs(options: GenerationOptions) -> None:
    logits = some_logits(3000, 700)[:, :650]
    uniforms = some_numbers(3000)
    ours = native_sample(logits, [options] * 3000, uniforms)
    theirs = torch_sample(logits, [options] * 3000, uniforms)
    # A number within rounding of a border may fall on either side, if ever one does.
    assert sum(a == b for a, b in zip(ours, theirs, strict=True)) >= 2998


@pytest.mark.parametrize("options", OPTIONS)
def test_the_same_ids_as_pytorchs_where_some_were_seen(options: GenerationOptions) -> None:
    """Each row has a penalty and seen ids of its own."""
    logits = some_logits(300, 70)
    before = logits.clone()
    penalties = [1.0, 1.3, 5.0, 0.5]
    each = [replace(options, repetition_penalty=penalties[row % 4]) for row in range(300)]
    seen = [set(range(row % 7, 70, 1 + row % 5)) for row in range(299)] + [set()]
    uniforms = some_numbers(300)
    ours = native_sample(logits, each, uniforms, seen)
    theirs = torch_sample(logits, each, uniforms, seen)
    assert sum(a == b for a, b in zip(ours, theirs, strict=True)) >= 299
    assert ours != native_sample(logits, each, uniforms)
    assert torch.equal(logits, before)


def test_each_row_has_options_of_its_own() -> None:
    logits = some_logits(200, 300)
    options = [OPTIONS[row % len(OPTIONS)] for row in range(200)]
    uniforms = some_numbers(200)
    for function in (native_sample, torch_sample):
        together = function(logits, options, uniforms)
        alone = [
            function(logits[row : row + 1], [options[row]], [uniforms[row]])[0]
            for row in range(200)
        ]
        assert together == alone


@pytest.mark.parametrize(
    "settings",
    [
        {"top_k": 20, "top_p": 0.95},
        {"top_k": None, "top_p": 0.95},
        {"top_k": None, "min_p": 0.03},
        {"top_k": None, "temperature": 1.2},
    ],
)
def test_how_often_an_id_comes_is_its_probability(settings: dict[str, Any]) -> None:
    logits = some_logits(1, 50, spread=2.0)
    options = GenerationOptions(**settings)
    count = 50_000
    uniforms = (torch.arange(1, count + 1, dtype=torch.float64) / count).tolist()
    ids = native_sample(logits.expand(count, -1).contiguous(), [options] * count, uniforms)
    shares = torch.bincount(torch.tensor(ids), minlength=50) / count
    expected = filter_logits(logits, options).softmax(dim=-1)[0]
    torch.testing.assert_close(shares, expected, atol=2 / count, rtol=0)


def test_equal_logits_keep_exactly_k() -> None:
    logits = torch.zeros(200, 30)
    uniforms = [(i + 1) / 200 for i in range(200)]
    ids = native_sample(logits, [GenerationOptions(top_k=5)] * 200, uniforms)
    assert sorted(set(ids)) == [0, 1, 2, 3, 4]
    assert native_sample(logits, [GenerationOptions(temperature=0.0)] * 200, uniforms) == [0] * 200


@pytest.mark.parametrize("top_k", [10, None])
@pytest.mark.parametrize("top_p", [1.0, 0.5])
def test_an_id_of_probability_zero_is_never_sampled(top_k: int | None, top_p: float) -> None:
    logits = torch.full((4, 40), -math.inf)
    logits[:, 17] = 0.0
    options = GenerationOptions(top_k=top_k, top_p=top_p)
    ids = native_sample(logits, [options] * 4, [5e-324, 1e-300, 0.5, 1.0])
    assert ids == [17, 17, 17, 17]


def test_the_ends_of_the_numbers() -> None:
    logits = some_logits(2, 100)
    ids = native_sample(logits, [GenerationOptions(top_k=10)] * 2, [5e-324, 1.0])
    assert ids[0] == logits[0].argmax()
    assert ids[1] == logits[1].topk(10).indices[-1]
    everything = [GenerationOptions(top_k=None)] * 2
    assert native_sample(logits, everything, [5e-324, 1.0]) == [0, 99]


@pytest.mark.parametrize("function", [torch_sample, native_sample])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("wrong", [math.nan, math.inf])
@pytest.mark.parametrize("place", [0, 33, 36])
def test_logits_that_are_not_finite_give_no_id(
    function: Any, options: GenerationOptions, wrong: float, place: int
) -> None:
    logits = some_logits(4, 37)
    logits[1, place] = wrong
    logits[2] = -math.inf
    ids = function(logits, [options] * 4, some_numbers(4))
    assert ids[1:3] == [NO_ID, NO_ID]
    assert min(ids[0], ids[3]) >= 0
