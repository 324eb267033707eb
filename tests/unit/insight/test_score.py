from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from slm.errors import DataError
from slm.evals import evaluate_ids
from slm.insight import as_json, score_text

TEXT = "a fox's"


def test_by_hand(model, tokenizer):
    scored = score_text(model, tokenizer, TEXT, top=3)

    ids = [*TEXT.encode(), tokenizer.eot_id]
    with torch.no_grad():
        logits, _ = model(torch.tensor([[tokenizer.eot_id, *ids[:-1]]]))
    all_probabilities = logits[0].double().softmax(dim=-1)
    assert scored.end is not None
    total_bits = 0.0
    for place, token_id in enumerate(ids):
        probabilities = all_probabilities[place]
        token = [*scored.tokens, scored.end][place]
        assert token.id == token_id
        if place < 7:
            assert (token.text, token.kind) == (TEXT[place], "text")
        assert token.probability == pytest.approx(float(probabilities[token_id]), rel=1e-4)
        assert token.surprisal == pytest.approx(
            -math.log2(float(probabilities[token_id])), rel=1e-4
        )
        assert token.rank == sum(p > probabilities[token_id] for p in probabilities)
        entropy = -sum(float(p) * math.log2(float(p)) for p in probabilities if p > 0)
        assert token.entropy == pytest.approx(entropy, rel=1e-3, abs=1e-5)
        best = probabilities[: tokenizer.vocab_size].sort(descending=True)
        assert [candidate.id for candidate in token.alternatives] == best.indices[:3].tolist()
        assert [candidate.probability for candidate in token.alternatives] == pytest.approx(
            best.values[:3].tolist(), rel=1e-4
        )
        total_bits -= math.log2(float(probabilities[token_id]))
    assert len(scored.tokens) == scored.bytes == 7
    assert scored.end.kind == "end"
    assert scored.bits_per_byte == pytest.approx(total_bits / 7, rel=1e-4)
    assert scored.loss == pytest.approx(total_bits * math.log(2) / 8, rel=1e-4)
    assert scored.perplexity == pytest.approx(math.exp(scored.loss))


@pytest.mark.parametrize("text", [TEXT, "Once there was a fox, and it slept."])
def test_loss_and_bits_per_byte_are_those_of_an_evaluation(model, tokenizer, text):
    """Of `slm eval`, for texts within the context (16 tokens) and beyond it."""
    ids = np.array([*text.encode(), tokenizer.eot_id], dtype=np.uint32)
    evaluated = evaluate_ids(
        model, [ids], eot_id=tokenizer.eot_id, n_bytes=lambda: len(text.encode())
    )
    scored = score_text(model, tokenizer, text)
    assert scored.loss == pytest.approx(evaluated.loss, rel=1e-5)
    assert scored.bits_per_byte == pytest.approx(evaluated.bits_per_byte, rel=1e-5)
    assert scored.perplexity == pytest.approx(evaluated.perplexity, rel=1e-4)
    assert scored.bytes == evaluated.bytes


def test_a_text_longer_than_the_context(model, tokenizer):
    """Each token of later windows sees at least half a context before it."""
    text = "Once there was a fox, and it slept."  # 35 tokens, context 16
    scored = score_text(model, tokenizer, text)

    assert "".join(token.text for token in scored.tokens) == text
    ids = [tokenizer.eot_id, *text.encode()]
    for place, end in ((0, 16), (15, 16), (16, 24), (23, 24), (24, 32), (34, 36)):
        window = ids[max(0, end - 16) : end]
        with torch.no_grad():
            logits, _ = model(torch.tensor([window]))
        row = logits[0, place - end].log_softmax(-1)
        expected = -float(row[ids[place + 1]]) / math.log(2)
        assert scored.tokens[place].surprisal == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_a_model_that_is_surprised_beyond_all_measure(model, tokenizer):
    certain = copy.deepcopy(model)
    with torch.no_grad():
        certain.head_weight.mul_(1e5)
    scored = score_text(certain, tokenizer, TEXT)
    assert scored.loss > 800  # e to this power is no number of 64 bits
    assert scored.perplexity == math.exp(700.0)


def test_nothing_to_score(model, tokenizer):
    for empty in ("", []):
        with pytest.raises(DataError, match="empty"):
            score_text(model, tokenizer, empty)


def test_as_json(model, tokenizer):
    data = as_json(score_text(model, tokenizer, [97, 260], top=1), digits=3)

    assert [token["kind"] for token in data["tokens"]] == ["text", "end"]
    assert data["end"] is None
    assert data["bytes"] == 1
    probability = data["tokens"][0]["probability"]
    assert probability == round(probability, 3)
    only_end = as_json(score_text(model, tokenizer, [260]))
    assert only_end["bits_per_byte"] is None
