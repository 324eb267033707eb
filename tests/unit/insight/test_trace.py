from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from slm.insight import head_logits, trace

IDS = [260, 5, 17, 200, 5, 90]


def by_hand(attention, x_tc, cos, sin):
    """softmax(q k / sqrt(D)) of one layer from its matrices, head by head: [H, T, T]."""
    n_tokens, width = len(x_tc), attention.head_width
    n_head = attention.q_proj.out_features // width

    def head(projection, norm, number):
        row = slice(number * width, (number + 1) * width)
        h = x_tc @ projection.weight[row].T
        if projection.bias is not None:
            h = h + projection.bias[row]
        if norm is not None:
            h = h / torch.sqrt((h * h).mean(dim=1, keepdim=True) + norm.eps) * norm.weight
        if cos is not None:
            a, b = h[:, : width // 2], h[:, width // 2 :]
            h = torch.cat((a * cos - b * sin, b * cos + a * sin), dim=1)
        return h

    weights = torch.zeros(n_head, n_tokens, n_tokens)
    for number in range(n_head):
        q = head(attention.q_proj, attention.q_norm, number)
        k = head(attention.k_proj, attention.k_norm, number // attention.queries_per_key)
        for t in range(n_tokens):
            scores = torch.stack([q[t] @ k[s] for s in range(t + 1)]) / math.sqrt(width)
            weights[number, t, : t + 1] = scores.exp() / scores.exp().sum()
    return weights


def test_attention_is_the_formula(model):
    kept = trace(model, IDS)

    assert len(kept.attention) == 2
    cos, sin = (None, None)
    if model.config.position == "rope":
        cos, sin = model.cos[: len(IDS)], model.sin[: len(IDS)]
    with torch.no_grad():
        for block, stream, weights in zip(
            model.blocks, kept.streams[:-1], kept.attention, strict=True
        ):
            expected = by_hand(block.attention, block.attention_norm(stream), cos, sin)
            torch.testing.assert_close(weights, expected, rtol=1e-4, atol=1e-5)


def test_the_weights_are_those_that_mix_the_values(model):
    """From the weights, the block's output follows."""
    kept = trace(model, IDS)
    with torch.no_grad():
        for block, before, after, weights in zip(
            model.blocks, kept.streams[:-1], kept.streams[1:], kept.attention, strict=True
        ):
            attention = block.attention
            v = attention.v_proj(block.attention_norm(before)).view(len(IDS), -1, 8)
            v = v.transpose(0, 1).repeat_interleave(attention.queries_per_key, dim=0)
            mixed = attention.o_proj((weights @ v).transpose(0, 1).flatten(1))
            middle = before + mixed
            expected = middle + block.mlp(block.mlp_norm(middle))
            torch.testing.assert_close(after, expected, rtol=1e-4, atol=1e-4)


def test_the_walk_ends_where_the_model_does(model):
    kept = trace(model, IDS, layers=())

    assert kept.attention == ()
    assert len(kept.streams) == 3
    idx = torch.tensor([IDS])
    with torch.no_grad():
        logits, _ = model(idx)
        hidden = model.final_norm(kept.streams[-1])
    torch.testing.assert_close(head_logits(model, kept.streams[-1]), logits[0])
    torch.testing.assert_close(
        head_logits(model, kept.streams[-1]), F.linear(hidden, model.head_weight)
    )
    expected = model.token_embedding.weight[IDS]
    if model.position_embedding is not None:
        expected = expected + model.position_embedding.weight[: len(IDS)]
    torch.testing.assert_close(kept.streams[0], expected)


def test_only_the_layers_that_are_wanted(model):
    whole, second = trace(model, IDS), trace(model, IDS, layers=[1])

    assert len(second.attention) == 1
    torch.testing.assert_close(second.attention[0], whole.attention[1])


def test_dropout_is_off_and_the_mode_comes_back(tiny_model):
    model = tiny_model("gpt2", vocab_size=272, dropout=0.5).train()
    first, second = trace(model, IDS), trace(model, IDS)

    assert model.training
    assert torch.equal(first.streams[-1], second.streams[-1])
