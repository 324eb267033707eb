"""The PyTorch engine: batches, sequences one by one, and caches that grow."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from slm.generation import TorchEngine, torch_engine
from slm.generation.torch_engine import fill_gaps
from slm.model import GPT
from slm.model.dropout import evaluating

CONTEXTS = [[256, 5, 6, 7], [256], [256, 90, 91, 92, 93, 94, 95], [256, 1]]


def uncached(model: GPT, ids: list[int]) -> Tensor:
    with torch.no_grad():
        logits, _ = model(torch.tensor([ids]))
    return logits[0, -1]


# -- batches --------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [128, 1])
def test_padded_sequences_have_the_logits_that_they_have_alone(
    model: GPT, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """Also where the cache grows again and again."""
    monkeypatch.setattr(torch_engine, "INITIAL_ROOM", room)
    model.eval()
    contexts = [[1, 2, 3, 4, 5], [9], [7, 8, 9]]
    engine = TorchEngine(model)
    logits = engine.prefill([4, 0, 2], contexts)
    for new_id in range(20, 31):
        for row, context in enumerate(contexts):
            torch.testing.assert_close(logits[row], uncached(model, context), atol=2e-4, rtol=1e-4)
            context.append(new_id + row)
        logits = engine.decode([4, 0, 2], [context[-1] for context in contexts])


def test_slots_may_be_decoded_in_any_order(model: GPT) -> None:
    model.eval()
    engine = TorchEngine(model, 4)
    engine.prefill([0, 1], [[1, 2], [3]])
    engine.prefill([2], [[4, 5, 6]])
    logits = engine.decode([1, 2, 0], [10, 11, 12])
    for row, ids in enumerate([[3, 10], [4, 5, 6, 11], [1, 2, 12]]):
        torch.testing.assert_close(logits[row], uncached(model, ids), atol=2e-4, rtol=1e-4)


def test_sequences_can_leave(model: GPT) -> None:
    model.eval()
    engine = TorchEngine(model)
    engine.prefill([0, 1, 2, 3], [[4, 5], [1, 2, 3], [8], [6, 7, 8, 9]])
    engine.free([0, 2])
    logits = engine.decode([1, 3], [30, 31])
    torch.testing.assert_close(logits[0], uncached(model, [1, 2, 3, 30]), atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(logits[1], uncached(model, [6, 7, 8, 9, 31]), atol=2e-4, rtol=1e-4)


def test_a_padded_batch_may_need_more_cache_than_the_context_has(model: GPT) -> None:
    model.eval()
    short, long = [3], list(range(1, 16))
    engine = TorchEngine(model)
    engine.prefill([0, 1], [short, long])
    engine.free([1])
    for new_id in range(40, 55):
        short.append(new_id)
        logits = engine.decode([0], [new_id])
    assert len(short) == 16
    torch.testing.assert_close(logits[0], uncached(model, short), atol=2e-4, rtol=1e-4)


@given(st.sets(st.integers(0, 20), min_size=1))
def test_gaps_are_filled_from_behind_and_no_row_is_lost(staying: set[int]) -> None:
    order = fill_gaps(sorted(staying))
    assert sorted(order) == sorted(staying)
    assert all(row == place or row >= len(order) for place, row in enumerate(order))


def test_bfloat16_decodes_nearly_the_same(model: GPT) -> None:
    model.eval()
    logits = TorchEngine(model, dtype="bfloat16").prefill([0], [[1, 2, 3]])[0]
    assert logits.dtype == torch.float32
    expected = uncached(model, [1, 2, 3])
    assert torch.corrcoef(torch.stack((logits, expected)))[0, 1] > 0.98


# -- one by one -----------------------------------------------------------------------------------


def alone(model: GPT, ids: list[int], given: list[int], dtype: str = "float32") -> list[Tensor]:
    """The logits after `ids` and after each of the `given` ids, in an engine of one slot."""
    engine = TorchEngine(model, 1, dtype)
    logits = [engine.prefill([0], [ids])[0]]
    return logits + [engine.decode([0], [token_id])[0] for token_id in given]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_company_changes_no_bit(model: GPT, dtype: str) -> None:
    model.eval()
    given = [[10 + i, 20 + i, 30 + i] for i in range(len(CONTEXTS))]
    expected = [alone(model, ids, more, dtype) for ids, more in zip(CONTEXTS, given, strict=True)]
    engine = TorchEngine(model, 4, dtype)
    found = {}
    # They begin at different steps, use slots in another order, and one leaves early.
    slots = [2, 0, 3, 1]
    begins = [0, 1, 1, 3]
    for step in range(7):
        for i in range(4):
            if step - begins[i] == 4:
                engine.free([slots[i]])
        running = [i for i in range(4) if 0 < step - begins[i] <= 3]
        if running:
            ids = [given[i][step - begins[i] - 1] for i in running]
            logits = engine.decode([slots[i] for i in running], ids)
            for row, i in enumerate(running):
                found[i, step - begins[i]] = logits[row]
        for i in range(4):
            if begins[i] == step:
                found[i, 0] = engine.prefill([slots[i]], [CONTEXTS[i]])[0]
    for (i, count), logits in found.items():
        assert torch.equal(logits, expected[i][count])
    assert len(found) == 16


def test_logits_are_those_of_the_whole_sequence(model: GPT) -> None:
    model.eval()
    ids, given = CONTEXTS[0], [40, 41, 42]
    for count, logits in enumerate(alone(model, ids, given)):
        torch.testing.assert_close(logits, uncached(model, ids + given[:count]))
        assert logits.shape == (264,)
        assert logits.dtype == torch.float32


def test_a_freed_slot_forgets(model: GPT) -> None:
    model.eval()
    engine = TorchEngine(model, 2)
    engine.prefill([0], [CONTEXTS[2]])
    engine.free([0])
    engine.free([0, 1])
    assert torch.equal(engine.prefill([0], [CONTEXTS[0]])[0], alone(model, CONTEXTS[0], [])[0])


def test_a_taken_slot_is_not_given_again_and_an_empty_one_not_decoded(model: GPT) -> None:
    engine = TorchEngine(model, 2)
    engine.prefill([0], [CONTEXTS[0]])
    with pytest.raises(AssertionError, match="taken"):
        engine.prefill([0], [CONTEXTS[1]])
    engine.free([0])
    for slot in (0, 1):
        with pytest.raises(AssertionError, match="empty"):
            engine.decode([slot], [1])


# -- the model's mode -----------------------------------------------------------------------------


def test_dropout_is_off_while_it_computes(model: GPT) -> None:
    found = []
    for training in (False, True):
        engine = TorchEngine(model.train(training))
        found.append((engine.prefill([0, 1], CONTEXTS[:2]), engine.decode([0, 1], [1, 2])))
        assert model.training == training
    assert all(ours.equal(theirs) for ours, theirs in zip(*found, strict=True))


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
