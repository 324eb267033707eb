from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from slm.errors import DataError
from slm.insight import logit_lens, score_text

TEXT = "a fox"


def test_by_hand(model, tokenizer):
    """The first block's output through the final norm and the head, from the parts."""
    found = logit_lens(model, tokenizer, TEXT, top=2)

    ids = [tokenizer.eot_id, *TEXT.encode()]
    leaving = []
    hooks = [
        block.register_forward_hook(lambda module, inputs, output: leaving.append(output[0]))
        for block in model.blocks
    ]
    with torch.no_grad():
        model(torch.tensor([ids]))
    for hook in hooks:
        hook.remove()
    assert [depth.depth for depth in found.depths] == [0, 1, 2]
    for depth, stream in zip(found.depths[1:], leaving, strict=True):
        with torch.no_grad():
            logits = F.linear(model.final_norm(stream), model.head_weight)
        probabilities = logits.double().exp() / logits.double().exp().sum(dim=1, keepdim=True)
        for place, guess in enumerate(depth.guesses):
            best = probabilities[place, :261].sort(descending=True)
            assert [c.id for c in guess.candidates] == best.indices[:2].tolist()
            assert guess.candidates[0].probability == pytest.approx(float(best.values[0]), rel=1e-4)
            if place < len(TEXT):
                p = float(probabilities[place, ids[place + 1]])
                assert guess.next_probability == pytest.approx(p, rel=1e-3, abs=1e-9)
                assert guess.next_rank == int((probabilities[place] > p).sum())


def test_the_last_depth_is_the_model_s_answer(model, tokenizer):
    last = logit_lens(model, tokenizer, TEXT).depths[-1]
    scored = score_text(model, tokenizer, TEXT, top=5)

    for guess, token in zip(last.guesses, scored.tokens, strict=False):
        assert guess.next_probability == pytest.approx(token.probability, rel=1e-3, abs=1e-9)
        assert [c.id for c in guess.candidates] == [c.id for c in token.alternatives]
    bits = [token.surprisal for token in scored.tokens]
    assert last.surprisal == pytest.approx(sum(bits) / len(bits), rel=1e-4)
    assert last.guesses[-1].next_probability is None
    assert last.guesses[-1].next_rank is None


def test_a_text_without_words(model, tokenizer):
    found = logit_lens(model, tokenizer, "")

    assert [len(depth.guesses) for depth in found.depths] == [1, 1, 1]
    assert found.depths[0].surprisal is None


def test_too_long_a_text(model, tokenizer):
    with pytest.raises(DataError, match="context holds 15"):
        logit_lens(model, tokenizer, "x" * 16)
