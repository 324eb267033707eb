"""The next ids of sequences: penalties, and logits that are not finite."""

from __future__ import annotations

import math
import shutil
from typing import Any

import pytest
import torch

from slm.generation import GenerationOptions
from slm.generation.engine import NO_ID
from slm.generation.next_ids import next_ids
from slm.generation.sequence import TokenSequence
from tests.unit.generation.conftest import ByteTokenizer
from tests.unit.generation.words import WordEngine

needs_compiler = pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
both_samplers = pytest.mark.parametrize("native", [False, pytest.param(True, marks=needs_compiler)])
A, B, C, D = range(4)


class Four(ByteTokenizer):
    """a, b, c, d and the end of text."""

    def __init__(self) -> None:
        self._bytes = [b"a", b"b", b"c", b"d", b""]

    def encode(self, text: str) -> list[int]:
        return ["abcd".index(letter) for letter in text]


def sequence(prompt: str, **options: Any) -> TokenSequence:
    chosen = GenerationOptions(seed=1, **options)
    return TokenSequence(prompt, Four(), chosen, seed=1, index=0, block_size=8)


@both_samplers
def test_the_prompt_and_what_was_sampled_are_penalized(native: bool) -> None:
    greedy = {"temperature": 0.0, "repetition_penalty": 3.0}
    sequences = [sequence("a", **greedy), sequence("", **greedy)]
    logits = torch.tensor([[4.0, 3.0, 2.0, 0.5, 0.0]] * 2)
    for expected in ([B, A], [C, B]):
        ids = next_ids(sequences, logits, WordEngine(native=native))
        assert ids == expected
        for each, token_id in zip(sequences, ids, strict=True):
            each.accept(token_id)
    assert next_ids(sequences[1:], logits[1:], WordEngine(native=native)) == [C]


@both_samplers
@pytest.mark.parametrize("penalty", [1.0, 1.5])
def test_logits_that_are_not_finite_give_no_id(native: bool, penalty: float) -> None:
    sequences = [
        sequence("a", repetition_penalty=penalty, top_k=1),
        sequence("b", repetition_penalty=penalty),
    ]
    logits = torch.tensor([[1.0, 2.0, 0.0, 0.0, 0.0], [math.nan, 1.0, 0.0, 0.0, 0.0]])
    assert next_ids(sequences, logits, WordEngine(native=native)) == [B, NO_ID]
