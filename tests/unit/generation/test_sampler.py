"""Which id comes next, of the prompt's own, of those that can stand for them, or of all."""

from __future__ import annotations

import math
import shutil
from typing import Any

import pytest
import torch

from slm.generation import GenerationOptions
from slm.generation.batch_sampling import draw
from slm.generation.decoder import NO_ID
from slm.generation.sampler import next_ids
from slm.generation.sequence import Row
from slm.native.sampling import native_draw
from tests.unit.generation.conftest import ByteTokenizer

needs_compiler = pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
both_draws = pytest.mark.parametrize(
    "draw", [draw, pytest.param(native_draw, marks=needs_compiler)]
)
A, B, C, D = range(4)


class Four(ByteTokenizer):
    """a, b, c, d and the end of text."""

    def __init__(self) -> None:
        self._bytes = [b"a", b"b", b"c", b"d", b""]

    def encode(self, text: str) -> list[int]:
        return ["abcd".index(letter) for letter in text]


def row(prompt: str, **options: Any) -> Row:
    chosen = GenerationOptions(seed=1, **options)
    return Row(prompt, Four(), chosen, seed=1, index=0, block_size=8)


@both_draws
def test_the_prompt_and_what_was_drawn_are_penalized(draw: Any) -> None:
    greedy = {"temperature": 0.0, "repetition_penalty": 3.0}
    rows = [row("a", **greedy), row("", **greedy)]
    logits = torch.tensor([[4.0, 3.0, 2.0, 0.5, 0.0]] * 2)
    for expected in ([B, A], [C, B]):
        ids = next_ids(rows, logits, draw)
        assert ids == expected
        for each, token_id in zip(rows, ids, strict=True):
            each.accept(token_id)
    assert next_ids(rows[1:], logits[1:], draw) == [C]


@both_draws
@pytest.mark.parametrize("penalty", [1.0, 1.5])
def test_what_is_no_number_has_no_id(draw: Any, penalty: float) -> None:
    rows = [row("a", repetition_penalty=penalty, top_k=1), row("b", repetition_penalty=penalty)]
    logits = torch.tensor([[1.0, 2.0, 0.0, 0.0, 0.0], [math.nan, 1.0, 0.0, 0.0, 0.0]])
    assert next_ids(rows, logits, draw) == [B, NO_ID]
