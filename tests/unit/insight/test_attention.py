from __future__ import annotations

import pytest
import torch

from slm.errors import DataError
from slm.insight import HeadStatistics, attention_patterns, trace
from slm.insight.attention import _rows, _statistics
from tests.devices import MpsTensor


def test_every_head_of_every_layer(model, tokenizer):
    found = attention_patterns(model, tokenizer, "a fox")

    assert [token.text for token in found.tokens] == ["<|endoftext|>", *"a fox"]
    assert (found.n_layer, found.n_head) == (2, 4)
    assert [layer.layer for layer in found.layers] == [0, 1]
    kept = trace(model, [tokenizer.eot_id, *b"a fox"])
    for layer, weights in zip(found.layers, kept.attention, strict=True):
        assert len(layer.heads) == len(layer.statistics) == 4
        for head, expected in zip(layer.heads, weights, strict=True):
            for t, row in enumerate(head):
                assert len(row) == t + 1
                assert sum(row) == pytest.approx(1.0, abs=1e-5)
                assert row == pytest.approx(expected[t, : t + 1].tolist())


def test_single_layers(model, tokenizer):
    found = attention_patterns(model, tokenizer, "a fox", layers=[1, 1])

    assert [layer.layer for layer in found.layers] == [1]
    assert found.layers[0] == attention_patterns(model, tokenizer, "a fox").layers[1]
    for wrong in (-1, 2):
        with pytest.raises(DataError, match="there is no layer"):
            attention_patterns(model, tokenizer, "a", layers=[wrong])


def test_too_long_a_text(model, tokenizer):
    attention_patterns(model, tokenizer, "x" * 15, layers=[])
    with pytest.raises(DataError, match="16 tokens"):
        attention_patterns(model, tokenizer, "x" * 16)


def test_statistics_by_hand():
    weights = torch.tensor([[1.0, 0.0, 0.0], [0.25, 0.75, 0.0], [0.5, 0.3, 0.2]])

    assert _rows(weights.double().round(decimals=4)) == ((1.0,), (0.25, 0.75), (0.5, 0.3, 0.2))
    statistics = _statistics(weights)
    assert statistics.start == pytest.approx((0.25 + 0.5) / 2)
    assert statistics.itself == pytest.approx((0.75 + 0.2) / 2)
    assert statistics.previous == pytest.approx((0.25 + 0.3) / 2)
    assert statistics.distance == pytest.approx((0.25 * 1 + 0.5 * 2 + 0.3 * 1) / 2)


def test_statistics_on_a_device_without_float64():
    weights = torch.tensor([[1.0, 0.0], [0.25, 0.75]])
    assert _statistics(weights.as_subclass(MpsTensor)) == _statistics(weights)


def test_a_text_without_words(model, tokenizer):
    found = attention_patterns(model, tokenizer, "")

    assert found.layers[0].heads[0] == ((1.0,),)
    assert found.layers[0].statistics[0] == HeadStatistics(1.0, 1.0, 0.0, 0.0)
