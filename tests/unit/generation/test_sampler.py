from __future__ import annotations

import math
import shutil
from typing import Any

import pytest
import torch

from slm.errors import CheckpointError
from slm.generation import GenerationOptions
from slm.generation.sampler import Sampler
from slm.generation.sampling import draw
from slm.native.sampling import native_draw

needs_compiler = pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
both_draws = pytest.mark.parametrize(
    "draw", [draw, pytest.param(native_draw, marks=needs_compiler)]
)


@both_draws
def test_the_prompt_and_what_was_drawn_are_penalised(draw: Any) -> None:
    options = GenerationOptions(temperature=0.0, repetition_penalty=3.0)
    logits = torch.tensor([[4.0, 3.0, 2.0, 0.5], [4.0, 3.0, 2.0, 0.5]])
    sampler = Sampler(options, [[0], []], draw)
    assert sampler.next_ids(logits, [0.5, 0.5]) == [1, 0]
    assert sampler.next_ids(logits, [0.5, 0.5]) == [2, 1]
    sampler.keep_sequences([1])
    assert sampler.next_ids(logits[1:], [0.5]) == [2]


@both_draws
@pytest.mark.parametrize("penalty", [1.0, 1.5])
def test_what_is_no_number_is_an_error(draw: Any, penalty: float) -> None:
    sampler = Sampler(GenerationOptions(repetition_penalty=penalty), [[0], [1]], draw)
    with pytest.raises(CheckpointError, match="not finite"):
        sampler.next_ids(torch.tensor([[1.0, 2.0], [math.nan, 1.0]]), [0.5, 0.5])
