from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from slm.generation import CachedDecoder
from slm.model import GPT
from slm.model.gpt import evaluating


def uncached(model: GPT, ids: list[int]) -> Tensor:
    with torch.no_grad():
        logits, _ = model(torch.tensor([ids]))
    return logits[0, -1]


def test_padded_rows_have_the_logits_that_they_have_alone(model: GPT) -> None:
    model.eval()
    contexts = [[1, 2, 3, 4, 5], [9], [7, 8, 9]]
    decoder = CachedDecoder(model)
    logits = decoder.prefill(contexts, capacity=12)
    for new_id in range(20, 27):
        for row, context in enumerate(contexts):
            torch.testing.assert_close(logits[row], uncached(model, context), atol=2e-4, rtol=1e-4)
            context.append(new_id + row)
        logits = decoder.step([context[-1] for context in contexts])


def test_rows_can_leave(model: GPT) -> None:
    model.eval()
    contexts = [[1, 2, 3], [4, 5], [6, 7, 8, 9]]
    decoder = CachedDecoder(model)
    decoder.prefill(contexts, capacity=8)
    decoder.keep_sequences([0, 2])
    logits = decoder.step([30, 31])
    torch.testing.assert_close(logits[0], uncached(model, [1, 2, 3, 30]), atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(logits[1], uncached(model, [6, 7, 8, 9, 31]), atol=2e-4, rtol=1e-4)


def test_a_batch_may_need_more_slots_than_the_context_has(model: GPT) -> None:
    model.eval()
    short, long = [3], list(range(1, 16))
    decoder = CachedDecoder(model)
    decoder.prefill([short, long], capacity=14 + 16)
    decoder.keep_sequences([0])
    for new_id in range(40, 55):
        short.append(new_id)
        logits = decoder.step([new_id])
    assert len(short) == 16
    torch.testing.assert_close(logits[0], uncached(model, short), atol=2e-4, rtol=1e-4)


def test_bfloat16_decodes_nearly_the_same(model: GPT) -> None:
    model.eval()
    logits = CachedDecoder(model, "bfloat16").prefill([[1, 2, 3]], capacity=4)[0].float()
    expected = uncached(model, [1, 2, 3])
    assert torch.corrcoef(torch.stack((logits, expected)))[0, 1] > 0.98


@pytest.mark.parametrize("training", [True, False])
def test_evaluating_restores_the_mode_even_after_an_error(make_model: Any, training: bool) -> None:
    model = make_model("gpt2").train(training)

    def fail() -> None:
        with evaluating(model):
            assert not model.training
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert model.training == training
    assert model.blocks[0].training == training
