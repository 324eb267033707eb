"""Answers to the exercises of lesson 5: solutions, and what learners typically write instead."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Part = Callable[[Tensor], Tensor]


# 5.1


def embed(ids: Tensor, token_table: Tensor, position_table: Tensor) -> Tensor:
    return token_table[ids] + position_table[: len(ids)]


def tokens_only(ids: Tensor, token_table: Tensor, position_table: Tensor) -> Tensor:
    return token_table[ids]


def position_by_id(ids: Tensor, token_table: Tensor, position_table: Tensor) -> Tensor:
    return token_table[ids] + position_table[ids]


def from_position_one(ids: Tensor, token_table: Tensor, position_table: Tensor) -> Tensor:
    return token_table[ids] + position_table[1 : len(ids) + 1]


def multiplied(ids: Tensor, token_table: Tensor, position_table: Tensor) -> Tensor:
    return token_table[ids] * position_table[: len(ids)]


def side_by_side(ids: Tensor, token_table: Tensor, position_table: Tensor) -> Tensor:
    return torch.cat((token_table[ids], position_table[: len(ids)]), dim=-1)


def one_position(ids: Tensor, token_table: Tensor, position_table: Tensor) -> Tensor:
    return token_table[ids] + position_table[len(ids)]


# 5.2


def split_heads(x: Tensor, n_head: int) -> Tensor:
    n_tokens, width = x.shape
    return x.view(n_tokens, n_head, width // n_head).transpose(0, 1)


def only_reshaped(x: Tensor, n_head: int) -> Tensor:
    n_tokens, width = x.shape
    return x.reshape(n_head, n_tokens, width // n_head)


def not_swapped(x: Tensor, n_head: int) -> Tensor:
    n_tokens, width = x.shape
    return x.view(n_tokens, n_head, width // n_head)


def every_other_feature(x: Tensor, n_head: int) -> Tensor:
    n_tokens, width = x.shape
    return x.view(n_tokens, width // n_head, n_head).permute(2, 0, 1)


def features_first(x: Tensor, n_head: int) -> Tensor:
    n_tokens, width = x.shape
    return x.view(n_tokens, n_head, width // n_head).permute(1, 2, 0)


def parts_of_that_size(x: Tensor, n_head: int) -> Tensor:
    return split_heads(x, x.size(1) // n_head)


# 5.3


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    n_tokens, head_width = q.shape[-2:]
    scores = q @ k.transpose(-2, -1) / math.sqrt(head_width)
    allowed = torch.ones(n_tokens, n_tokens, dtype=torch.bool).tril()
    weights = scores.masked_fill(~allowed, -math.inf).softmax(dim=-1)
    heads = weights @ v
    return heads.transpose(0, 1).flatten(start_dim=1)


def _attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    divisor: float | None = None,
    diagonal: int | None = 0,
    over: int = -1,
) -> Tensor:
    """Attention with one thing changed, heads not joined."""
    scores = q @ k.transpose(-2, -1) / (divisor or math.sqrt(q.size(-1)))
    if diagonal is not None:
        allowed = torch.ones(q.size(-2), q.size(-2), dtype=torch.bool).tril(diagonal)
        scores = scores.masked_fill(~allowed, -math.inf)
    return scores.softmax(dim=over) @ v


def _joined(heads: Tensor) -> Tensor:
    return heads.transpose(0, 1).flatten(start_dim=1)


def sees_the_future(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return _joined(_attend(q, k, v, diagonal=None))


def not_itself(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return _joined(_attend(q, k, v, diagonal=-1))


def without_scale(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return _joined(_attend(q, k, v, divisor=1.0))


def scaled_by_full_width(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return _joined(_attend(q, k, v, divisor=math.sqrt(q.size(0) * q.size(-1))))


def without_root(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return _joined(_attend(q, k, v, divisor=float(q.size(-1))))


def softmax_over_queries(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return _joined(_attend(q, k, v, over=-2))


def joined_by_reshape(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return _attend(q, k, v).reshape(q.size(1), -1)


def heads_added(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return _attend(q, k, v).sum(dim=0)


def not_joined(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return _attend(q, k, v)


def masked_with_zero(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = (q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))).tril()
    return _joined(scores.softmax(dim=-1) @ v)


# 5.4


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    centered = x - x.mean(dim=-1, keepdim=True)
    variance = centered.square().mean(dim=-1, keepdim=True)
    return centered / torch.sqrt(variance + 1e-5) * weight + bias


def over_tokens(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    centered = x - x.mean(dim=0, keepdim=True)
    return centered / torch.sqrt(centered.square().mean(dim=0, keepdim=True) + 1e-5) * weight + bias


def over_everything(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    centered = x - x.mean()
    return centered / torch.sqrt(centered.square().mean() + 1e-5) * weight + bias


def without_the_mean(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return x / torch.sqrt(x.square().mean(dim=-1, keepdim=True) + 1e-5) * weight + bias


def by_the_variance(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    centered = x - x.mean(dim=-1, keepdim=True)
    return centered / (centered.square().mean(dim=-1, keepdim=True) + 1e-5) * weight + bias


def one_fewer(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    centered = x - x.mean(dim=-1, keepdim=True)
    return centered / torch.sqrt(x.var(dim=-1, keepdim=True) + 1e-5) * weight + bias


def without_weights(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return layer_norm(x, torch.ones_like(weight), torch.zeros_like(bias))


def weight_forgotten(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return layer_norm(x, torch.ones_like(weight), bias)


def bias_forgotten(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return layer_norm(x, weight, torch.zeros_like(bias))


# 5.5


def mlp(x: Tensor, up: Part, down: Part) -> Tensor:
    return down(gelu(up(x)))


def gelu(x: Tensor) -> Tensor:
    """As in the lesson."""
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def without_gelu(x: Tensor, up: Part, down: Part) -> Tensor:
    return down(up(x))


def gelu_at_the_end(x: Tensor, up: Part, down: Part) -> Tensor:
    return gelu(down(up(x)))


def gelu_at_the_start(x: Tensor, up: Part, down: Part) -> Tensor:
    return down(up(gelu(x)))


def gelu_twice(x: Tensor, up: Part, down: Part) -> Tensor:
    return gelu(down(gelu(up(x))))


def with_relu(x: Tensor, up: Part, down: Part) -> Tensor:
    return down(up(x).relu())


def with_residual(x: Tensor, up: Part, down: Part) -> Tensor:
    return x + down(gelu(up(x)))


def exact_gelu(x: Tensor, up: Part, down: Part) -> Tensor:
    return down(torch.nn.functional.gelu(up(x)))


# 5.6


def block(x: Tensor, norm_1: Part, attention: Part, norm_2: Part, mlp: Part) -> Tensor:
    x = x + attention(norm_1(x))
    return x + mlp(norm_2(x))


def without_stream(x: Tensor, norm_1: Part, attention: Part, norm_2: Part, mlp: Part) -> Tensor:
    return mlp(norm_2(attention(norm_1(x))))


def in_parallel(x: Tensor, norm_1: Part, attention: Part, norm_2: Part, mlp: Part) -> Tensor:
    return x + attention(norm_1(x)) + mlp(norm_2(x))


def norm_afterwards(x: Tensor, norm_1: Part, attention: Part, norm_2: Part, mlp: Part) -> Tensor:
    x = norm_1(x + attention(x))
    return norm_2(x + mlp(x))


def stream_normalized(x: Tensor, norm_1: Part, attention: Part, norm_2: Part, mlp: Part) -> Tensor:
    normed = norm_1(x)
    x = normed + attention(normed)
    normed = norm_2(x)
    return normed + mlp(normed)


def without_norms(x: Tensor, norm_1: Part, attention: Part, norm_2: Part, mlp: Part) -> Tensor:
    x = x + attention(x)
    return x + mlp(x)


def attention_added_only(
    x: Tensor, norm_1: Part, attention: Part, norm_2: Part, mlp: Part
) -> Tensor:
    return mlp(norm_2(x + attention(norm_1(x))))


def first_norm_twice(x: Tensor, norm_1: Part, attention: Part, norm_2: Part, mlp: Part) -> Tensor:
    x = x + attention(norm_1(x))
    return x + mlp(norm_1(x))


def mlp_first(x: Tensor, norm_1: Part, attention: Part, norm_2: Part, mlp: Part) -> Tensor:
    x = x + mlp(norm_2(x))
    return x + attention(norm_1(x))


def attention_lost(x: Tensor, norm_1: Part, attention: Part, norm_2: Part, mlp: Part) -> Tensor:
    return x + mlp(norm_2(x + attention(norm_1(x))))


def results_normalized(x: Tensor, norm_1: Part, attention: Part, norm_2: Part, mlp: Part) -> Tensor:
    x = x + norm_1(attention(x))
    return x + norm_2(mlp(x))


# 5.7


def gpt(x: Tensor, blocks: list[Part], final_norm: Part, token_table: Tensor) -> Tensor:
    for each in blocks:
        x = each(x)
    return final_norm(x) @ token_table.T


def without_final_norm(
    x: Tensor, blocks: list[Part], final_norm: Part, token_table: Tensor
) -> Tensor:
    for each in blocks:
        x = each(x)
    return x @ token_table.T


def first_block_only(
    x: Tensor, blocks: list[Part], final_norm: Part, token_table: Tensor
) -> Tensor:
    for each in blocks:
        return final_norm(each(x)) @ token_table.T
    return x


def all_blocks_read_the_start(
    x: Tensor, blocks: list[Part], final_norm: Part, token_table: Tensor
) -> Tensor:
    for each in blocks:
        result = each(x)
    return final_norm(result) @ token_table.T


def norm_between(x: Tensor, blocks: list[Part], final_norm: Part, token_table: Tensor) -> Tensor:
    for each in blocks:
        x = final_norm(each(x))
    return x @ token_table.T


def probabilities(x: Tensor, blocks: list[Part], final_norm: Part, token_table: Tensor) -> Tensor:
    return gpt(x, blocks, final_norm, token_table).softmax(dim=-1)


def last_position_only(
    x: Tensor, blocks: list[Part], final_norm: Part, token_table: Tensor
) -> Tensor:
    return gpt(x, blocks, final_norm, token_table)[-1]


def hidden_states(x: Tensor, blocks: list[Part], final_norm: Part, token_table: Tensor) -> Tensor:
    for each in blocks:
        x = each(x)
    return final_norm(x)


def norm_first(x: Tensor, blocks: list[Part], final_norm: Part, token_table: Tensor) -> Tensor:
    return gpt(final_norm(x), blocks, lambda x: x, token_table)
