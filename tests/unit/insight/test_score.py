from __future__ import annotations

import math

import pytest
import torch

from slm.errors import DataError
from slm.insight import as_json, score_text

TEXT = "a fox's"


def test_by_hand(model, tokenizer):
    scored = score_text(model, tokenizer, TEXT, top=3)

    ids = list(TEXT.encode())
    with torch.no_grad():
        logits, _ = model(torch.tensor([[tokenizer.eot_id, *ids]]))
    exponentials = logits[0, :, : tokenizer.vocab_size].double().exp()
    total_bits = 0.0
    for place, token_id in enumerate(ids):
        probabilities = exponentials[place] / exponentials[place].sum()
        token = scored.tokens[place]
        assert (token.id, token.text, token.kind) == (token_id, TEXT[place], "text")
        assert token.probability == pytest.approx(float(probabilities[token_id]), rel=1e-4)
        assert token.surprise == pytest.approx(-math.log2(float(probabilities[token_id])), rel=1e-4)
        assert token.rank == sum(p > probabilities[token_id] for p in probabilities)
        entropy = -sum(float(p) * math.log2(float(p)) for p in probabilities if p > 0)
        assert token.entropy == pytest.approx(entropy, rel=1e-3, abs=1e-5)
        best = probabilities.sort(descending=True)
        assert [candidate.id for candidate in token.alternatives] == best.indices[:3].tolist()
        assert [candidate.probability for candidate in token.alternatives] == pytest.approx(
            best.values[:3].tolist(), rel=1e-4
        )
        total_bits -= math.log2(float(probabilities[token_id]))
    assert scored.bytes == 7
    assert scored.bits_per_byte == pytest.approx(total_bits / 7, rel=1e-4)
    assert scored.loss == pytest.approx(total_bits * math.log(2) / 7, rel=1e-4)
    assert scored.perplexity == pytest.approx(math.exp(scored.loss))


def test_the_loss_is_that_of_training(model, tokenizer):
    ids = list(TEXT.encode())
    sequence = torch.tensor([[tokenizer.eot_id, *ids]])
    with torch.no_grad():
        _, loss = model(sequence[:, :-1], sequence[:, 1:])

    # All rows of the model count in training, those of padded ids too.
    scored = score_text(model, tokenizer, TEXT)
    assert scored.loss <= float(loss)
    assert scored.loss == pytest.approx(float(loss), rel=0.05)


def test_a_text_longer_than_the_context(model, tokenizer):
    """Each token of later windows sees at least half a context before it."""
    text = "Once there was a fox, and it slept."  # 35 tokens, context 16
    scored = score_text(model, tokenizer, text)

    assert "".join(token.text for token in scored.tokens) == text
    ids = [tokenizer.eot_id, *text.encode()]
    for place, end in ((0, 16), (15, 16), (16, 24), (23, 24), (24, 32), (34, 35)):
        window = ids[max(0, end - 16) : end]
        with torch.no_grad():
            logits, _ = model(torch.tensor([window]))
        row = logits[0, place - end, : tokenizer.vocab_size].log_softmax(-1)
        expected = -float(row[ids[place + 1]]) / math.log(2)
        assert scored.tokens[place].surprise == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_nothing_to_score(model, tokenizer):
    for empty in ("", []):
        with pytest.raises(DataError, match="empty"):
            score_text(model, tokenizer, empty)


def test_as_json(model, tokenizer):
    data = as_json(score_text(model, tokenizer, [97, 260], top=1), digits=3)

    assert [token["kind"] for token in data["tokens"]] == ["text", "end"]
    assert data["bytes"] == 1
    probability = data["tokens"][0]["probability"]
    assert probability == round(probability, 3)
    only_end = as_json(score_text(model, tokenizer, [260]))
    assert only_end["bits_per_byte"] is None
