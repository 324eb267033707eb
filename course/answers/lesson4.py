"""Answers to the exercises of lesson 4: solutions, and what learners typically write instead."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

# 4.1


def average_so_far(x: Tensor) -> Tensor:
    return torch.stack([x[: t + 1].mean(dim=0) for t in range(len(x))])


def without_itself(x: Tensor) -> Tensor:
    return torch.stack([x[:t].mean(dim=0) if t else torch.zeros_like(x[0]) for t in range(len(x))])


def without_itself_from_nothing(x: Tensor) -> Tensor:
    return torch.stack([x[:t].mean(dim=0) for t in range(len(x))])


def with_the_next(x: Tensor) -> Tensor:
    return torch.stack([x[: t + 2].mean(dim=0) for t in range(len(x))])


def of_everything(x: Tensor) -> Tensor:
    return x.mean(dim=0).expand_as(x)


def sum_so_far(x: Tensor) -> Tensor:
    return x.cumsum(dim=0)


def one_number_each(x: Tensor) -> Tensor:
    return torch.stack([x[: t + 1].mean() for t in range(len(x))])


def divided_by_length(x: Tensor) -> Tensor:
    return x.cumsum(dim=0) / len(x)


# 4.2


def scores(q: Tensor, k: Tensor) -> Tensor:
    n, width = q.shape
    result = torch.zeros(n, n)
    for t in range(n):
        for s in range(n):
            result[t, s] = (q[t] * k[s]).sum() / math.sqrt(width)
    return result


def not_scaled(q: Tensor, k: Tensor) -> Tensor:
    return q @ k.T


def scaled_by_width(q: Tensor, k: Tensor) -> Tensor:
    return q @ k.T / q.size(-1)


def scaled_by_length(q: Tensor, k: Tensor) -> Tensor:
    return q @ k.T / math.sqrt(q.size(0))


def keys_ask(q: Tensor, k: Tensor) -> Tensor:
    return scores(k, q)


def own_position_only(q: Tensor, k: Tensor) -> Tensor:
    return (q * k).sum(dim=-1) / math.sqrt(q.size(-1))


def weights_already(q: Tensor, k: Tensor) -> Tensor:
    return scores(q, k).softmax(dim=-1)


# 4.3


def causal_mask(n: int) -> Tensor:
    return torch.ones(n, n, dtype=torch.bool).tril()


def past_only(n: int) -> Tensor:
    return torch.ones(n, n, dtype=torch.bool).tril(diagonal=-1)


def one_ahead(n: int) -> Tensor:
    return torch.ones(n, n, dtype=torch.bool).tril(diagonal=1)


def future(n: int) -> Tensor:
    return torch.ones(n, n, dtype=torch.bool).triu()


def hidden_marked(n: int) -> Tensor:
    return torch.ones(n, n, dtype=torch.bool).triu(diagonal=1)


def numbers(n: int) -> Tensor:
    return torch.ones(n, n).tril()


# 4.4


def attention_weights(q: Tensor, k: Tensor) -> Tensor:
    result = scores(q, k)
    result = result.masked_fill(~causal_mask(len(q)), -math.inf)
    return result.softmax(dim=-1)


def columns_sum_to_one(q: Tensor, k: Tensor) -> Tensor:
    return scores(q, k).masked_fill(~causal_mask(len(q)), -math.inf).softmax(dim=0)


def masked_afterwards(q: Tensor, k: Tensor) -> Tensor:
    return scores(q, k).softmax(dim=-1) * causal_mask(len(q))


def masked_with_zero(q: Tensor, k: Tensor) -> Tensor:
    return scores(q, k).masked_fill(~causal_mask(len(q)), 0.0).softmax(dim=-1)


def not_masked(q: Tensor, k: Tensor) -> Tensor:
    return scores(q, k).softmax(dim=-1)


def past_hidden(q: Tensor, k: Tensor) -> Tensor:
    hidden = torch.ones(len(q), len(q), dtype=torch.bool).tril(diagonal=-1)
    return scores(q, k).masked_fill(hidden, -math.inf).softmax(dim=-1)


def mask_inverted(q: Tensor, k: Tensor) -> Tensor:
    return scores(q, k).masked_fill(causal_mask(len(q)), -math.inf).softmax(dim=-1)


def without_itself_weights(q: Tensor, k: Tensor) -> Tensor:
    return scores(q, k).masked_fill(~past_only(len(q)), -math.inf).softmax(dim=-1)


def without_softmax(q: Tensor, k: Tensor) -> Tensor:
    return scores(q, k).masked_fill(~causal_mask(len(q)), 0.0)


def weights_not_scaled(q: Tensor, k: Tensor) -> Tensor:
    return (q @ k.T).masked_fill(~causal_mask(len(q)), -math.inf).softmax(dim=-1)


def masked_only(q: Tensor, k: Tensor) -> Tensor:
    return scores(q, k).masked_fill(~causal_mask(len(q)), -math.inf)


def divided_twice(q: Tensor, k: Tensor) -> Tensor:
    return attention_weights(q, k / math.sqrt(q.size(-1)))


# 4.5


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    n, width = q.size(-2), q.size(-1)
    result = q @ k.transpose(-1, -2) / math.sqrt(width)
    result = result.masked_fill(~causal_mask(n), -math.inf)
    return result.softmax(dim=-1) @ v


def attend_not_scaled(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return attend(q * math.sqrt(q.size(-1)), k, v)


def attend_scaled_by_length(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return attend(q * math.sqrt(q.size(-1) / q.size(-2)), k, v)


def attend_to_all(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    result = q @ k.transpose(-1, -2) / math.sqrt(q.size(-1))
    return result.softmax(dim=-1) @ v


def attend_wrong_axis(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    result = q @ k.transpose(-1, -2) / math.sqrt(q.size(-1))
    result = result.masked_fill(~causal_mask(q.size(-2)), -math.inf)
    return result.softmax(dim=-2) @ v


def attend_without_itself(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    result = q @ k.transpose(-1, -2) / math.sqrt(q.size(-1))
    return result.masked_fill(~past_only(q.size(-2)), -math.inf).softmax(dim=-1) @ v


def attend_one_ahead(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    result = q @ k.transpose(-1, -2) / math.sqrt(q.size(-1))
    return result.masked_fill(~one_ahead(q.size(-2)), -math.inf).softmax(dim=-1) @ v


def mix_keys(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return attend(q, k, k)


def attend_masked_afterwards(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    result = q @ k.transpose(-1, -2) / math.sqrt(q.size(-1))
    return (result.softmax(dim=-1) * causal_mask(q.size(-2))) @ v


def without_batches(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    result = q @ k.T / math.sqrt(q.size(-1))
    return result.masked_fill(~causal_mask(len(q)), -math.inf).softmax(dim=-1) @ v


def keys_ask_queries(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return attend(k, q, v)


def weights_only(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return attend(q, k, torch.eye(q.size(-2)))


def softmax_over_dimension_1(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    allowed = causal_mask(q.size(-2))
    logits = q @ k.transpose(-1, -2) / math.sqrt(q.size(-1))
    return logits.masked_fill(~allowed, -math.inf).softmax(dim=1) @ v


# 4.6


def head(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    return attend(x @ w_q, x @ w_k, x @ w_v)


def x_itself_as_value(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    return attend(x @ w_q, x @ w_k, x)


def query_for_key(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    return attend(x @ w_k, x @ w_q, x @ w_v)


def same_matrix(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    return attend(x @ w_q, x @ w_q, x @ w_v)


def projected_twice(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    return attend(x @ w_q, x @ w_k, x) @ w_k


def without_matrices(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    return attend(x, x, x)


# 4.7


def influences(function: Callable[[Tensor], Tensor], x: Tensor, t: int) -> list[bool]:
    x = x.clone().requires_grad_()
    function(x)[t].sum().backward()
    assert x.grad is not None
    return [bool((row != 0).any()) for row in x.grad]


def _gradient(function: Callable[[Tensor], Tensor], x: Tensor, t: int) -> Tensor:
    x = x.clone().requires_grad_()
    function(x)[t].sum().backward()
    assert x.grad is not None
    return x.grad


def of_the_whole_output(function: Callable[[Tensor], Tensor], x: Tensor, t: int) -> list[bool]:
    x = x.clone().requires_grad_()
    function(x).sum().backward()
    assert x.grad is not None
    return [bool((row != 0).any()) for row in x.grad]


def in_the_other_direction(function: Callable[[Tensor], Tensor], x: Tensor, t: int) -> list[bool]:
    return [influences(function, x, s)[t] for s in range(len(x))]


def positive_gradients(function: Callable[[Tensor], Tensor], x: Tensor, t: int) -> list[bool]:
    return [bool((row > 0).all()) for row in _gradient(function, x, t)]


def assumed_from_theory(function: Callable[[Tensor], Tensor], x: Tensor, t: int) -> list[bool]:
    return [s <= t for s in range(len(x))]


def through_all_features(function: Callable[[Tensor], Tensor], x: Tensor, t: int) -> list[bool]:
    return [bool((row != 0).all()) for row in _gradient(function, x, t)]


def through_the_first_feature(
    function: Callable[[Tensor], Tensor], x: Tensor, t: int
) -> list[bool]:
    return [bool(row[0] != 0) for row in _gradient(function, x, t)]


def sums_above_zero(function: Callable[[Tensor], Tensor], x: Tensor, t: int) -> list[bool]:
    return [bool(row.sum() > 0) for row in _gradient(function, x, t)]
