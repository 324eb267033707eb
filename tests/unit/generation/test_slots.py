"""Slots: a text's logits are those of the model, and the same bits whatever runs beside it."""

from __future__ import annotations

import pytest
import torch

from slm.generation.slots import PlainSlots

TEXTS = [[256, 5, 6, 7], [256], [256, 90, 91, 92, 93, 94, 95], [256, 1]]


def alone(model, ids, given):
    """The logits after `ids` and after each of the `given` ids, with nothing beside them."""
    slots = PlainSlots(model, 1)
    logits = [slots.admit(0, ids)]
    logits += [slots.advance([0], [token_id])[0] for token_id in given]
    return logits


def test_logits_are_those_of_the_whole_text(model):
    ids, given = TEXTS[0], [40, 41, 42]
    for count, logits in enumerate(alone(model, ids, given)):
        whole = torch.tensor([ids + given[:count]])
        with torch.no_grad():
            expected, _ = model.eval()(whole, last_only=True)
        torch.testing.assert_close(logits, expected[0, -1])
        assert logits.shape == (264,)
        assert logits.dtype == torch.float32


def test_company_changes_no_bit(model):
    given = [[10 + i, 20 + i, 30 + i] for i in range(len(TEXTS))]
    expected = [alone(model, ids, more) for ids, more in zip(TEXTS, given, strict=True)]
    slots = PlainSlots(model, 4)
    found = {}
    # They begin at different steps, take slots in another order, and one leaves early.
    places = [2, 0, 3, 1]
    begins = [0, 1, 1, 3]
    for step in range(7):
        running = [i for i in range(4) if 0 < step - begins[i] <= 3]
        if running:
            ids = [given[i][step - begins[i] - 1] for i in running]
            logits = slots.advance([places[i] for i in running], ids)
            for row, i in enumerate(running):
                found[i, step - begins[i]] = logits[row]
        for i in range(4):
            if begins[i] == step:
                found[i, 0] = slots.admit(places[i], TEXTS[i])
    for (i, count), logits in found.items():
        assert torch.equal(logits, expected[i][count])
    assert len(found) == 16


def test_a_released_slot_forgets(model):
    slots = PlainSlots(model, 2)
    slots.admit(0, TEXTS[2])
    slots.release(0)
    slots.release(0)
    slots.release(1)
    assert torch.equal(slots.admit(0, TEXTS[0]), alone(model, TEXTS[0], [])[0])


def test_a_taken_slot_is_not_given_again_and_an_empty_one_not_advanced(model):
    slots = PlainSlots(model, 2)
    slots.admit(0, TEXTS[0])
    with pytest.raises(AssertionError, match="taken"):
        slots.admit(0, TEXTS[1])
    slots.release(0)
    for slot in (0, 1):
        with pytest.raises(AssertionError, match="empty"):
            slots.advance([slot], [1])


def test_bfloat16_is_in_company_what_it_is_alone(model):
    slots = PlainSlots(model, 2, dtype="bfloat16")
    slots.admit(0, TEXTS[0])
    beside = slots.admit(1, TEXTS[2])
    single = PlainSlots(model, 1, dtype="bfloat16")
    assert torch.equal(beside, single.admit(0, TEXTS[2]))
    assert torch.equal(slots.advance([0, 1], [3, 4])[1], single.advance([0], [4])[0])
    assert beside.dtype == torch.float32
