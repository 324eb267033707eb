"""Answers to the exercises of lesson 7: solutions, and what learners typically write instead."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

NextLogits = Callable[[list[int]], Tensor]
Choose = Callable[[Tensor], int]


# 7.1


def with_temperature(logits: Tensor, temperature: float) -> Tensor:
    return (logits / temperature).softmax(dim=-1)


def multiplied(logits: Tensor, temperature: float) -> Tensor:
    return (logits * temperature).softmax(dim=-1)


def divided_afterwards(logits: Tensor, temperature: float) -> Tensor:
    return logits.softmax(dim=-1) / temperature


def softmax_twice(logits: Tensor, temperature: float) -> Tensor:
    return (logits.softmax(dim=-1) / temperature).softmax(dim=-1)


def temperature_ignored(logits: Tensor, temperature: float) -> Tensor:
    return logits.softmax(dim=-1)


def only_divided(logits: Tensor, temperature: float) -> Tensor:
    return logits / temperature


def overflowing(logits: Tensor, temperature: float) -> Tensor:
    powers = (logits / temperature).exp()
    return powers / powers.sum()


# 7.2


def pick(probabilities: Tensor, number: float) -> int:
    total = 0.0
    for i, probability in enumerate(probabilities.tolist()):
        total += probability
        if number <= total:
            return i
    return len(probabilities) - 1


def most_likely(probabilities: Tensor, number: float) -> int:
    return int(probabilities.argmax())


def nearest(probabilities: Tensor, number: float) -> int:
    return int((probabilities - number).abs().argmin())


def first_above(probabilities: Tensor, number: float) -> int:
    above = (probabilities >= number).nonzero().flatten().tolist()
    return above[0] if above else len(probabilities) - 1


def one_before(probabilities: Tensor, number: float) -> int:
    return max(0, pick(probabilities, number) - 1)


def one_after(probabilities: Tensor, number: float) -> int:
    return min(len(probabilities) - 1, pick(probabilities, number) + 1)


def share_of_tokens(probabilities: Tensor, number: float) -> int:
    return min(len(probabilities) - 1, int(number * len(probabilities)))


# 7.3


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    kept = torch.full_like(logits, -math.inf)
    best = logits.topk(k).indices
    kept[best] = logits[best]
    return kept


def zero_for_the_rest(logits: Tensor, k: int) -> Tensor:
    kept = torch.zeros_like(logits)
    best = logits.topk(k).indices
    kept[best] = logits[best]
    return kept


def the_smallest(logits: Tensor, k: int) -> Tensor:
    kept = torch.full_like(logits, -math.inf)
    worst = logits.topk(k, largest=False).indices
    kept[worst] = logits[worst]
    return kept


def only_the_kept(logits: Tensor, k: int) -> Tensor:
    return logits.topk(k).values


def one_too_few(logits: Tensor, k: int) -> Tensor:
    return keep_top_k(logits, k - 1)


def one_too_many(logits: Tensor, k: int) -> Tensor:
    return keep_top_k(logits, k + 1)


def first_k(logits: Tensor, k: int) -> Tensor:
    kept = torch.full_like(logits, -math.inf)
    kept[:k] = logits[:k]
    return kept


def in_order(logits: Tensor, k: int) -> Tensor:
    return keep_top_k(logits.sort(descending=True).values, k)


def probabilities_kept(logits: Tensor, k: int) -> Tensor:
    return keep_top_k(logits, k).softmax(dim=-1)


# 7.4


def keep_top_p(logits: Tensor, p: float) -> Tensor:
    kept = torch.full_like(logits, -math.inf)
    probabilities = logits.softmax(dim=-1)
    total = 0.0
    for i in probabilities.argsort(descending=True).tolist():
        kept[i] = logits[i]
        total += float(probabilities[i])
        if total >= p:
            break
    return kept


def dropped_above_p(logits: Tensor, p: float) -> Tensor:
    probabilities, order = logits.softmax(dim=-1).sort(descending=True)
    return logits.index_fill(0, order[probabilities.cumsum(dim=0) > p], -math.inf)


def without_the_last(logits: Tensor, p: float) -> Tensor:
    kept = torch.full_like(logits, -math.inf)
    probabilities = logits.softmax(dim=-1)
    total = 0.0
    for i in probabilities.argsort(descending=True).tolist():
        total += float(probabilities[i])
        if total >= p:
            break
        kept[i] = logits[i]
    return kept


def each_at_least_p(logits: Tensor, p: float) -> Tensor:
    return logits.masked_fill(logits.softmax(dim=-1) < p, -math.inf)


def at_least_rest(logits: Tensor, p: float) -> Tensor:
    return logits.masked_fill(logits.softmax(dim=-1) < 1 - p, -math.inf)


def unsorted(logits: Tensor, p: float) -> Tensor:
    kept = torch.full_like(logits, -math.inf)
    total = 0.0
    for i, probability in enumerate(logits.softmax(dim=-1).tolist()):
        kept[i] = logits[i]
        total += probability
        if total >= p:
            break
    return kept


def from_below(logits: Tensor, p: float) -> Tensor:
    kept = torch.full_like(logits, -math.inf)
    probabilities = logits.softmax(dim=-1)
    total = 0.0
    for i in probabilities.argsort().tolist():
        kept[i] = logits[i]
        total += float(probabilities[i])
        if total >= p:
            break
    return kept


def places_for_ids(logits: Tensor, p: float) -> Tensor:
    probabilities = logits.softmax(dim=-1).sort(descending=True).values
    return logits.masked_fill(probabilities.cumsum(dim=0) - probabilities >= p, -math.inf)


def past_an_exact_p(logits: Tensor, p: float) -> Tensor:
    probabilities, order = logits.softmax(dim=-1).sort(descending=True)
    dropped = order[probabilities.cumsum(dim=0) - probabilities > p]
    return logits.index_fill(0, dropped, -math.inf)


# 7.5


def generate(
    ids: list[int], n_new: int, block_size: int, next_logits: NextLogits, choose: Choose
) -> list[int]:
    ids = list(ids)
    for _ in range(n_new):
        logits = next_logits(ids[-block_size:])
        ids.append(choose(logits))
    return ids


def last_token_only(
    ids: list[int], n_new: int, block_size: int, next_logits: NextLogits, choose: Choose
) -> list[int]:
    return generate(ids, n_new, 1, next_logits, choose)


def beginning_of_text(
    ids: list[int], n_new: int, block_size: int, next_logits: NextLogits, choose: Choose
) -> list[int]:
    ids = list(ids)
    for _ in range(n_new):
        ids.append(choose(next_logits(ids[:block_size])))
    return ids


def prompt_only(
    ids: list[int], n_new: int, block_size: int, next_logits: NextLogits, choose: Choose
) -> list[int]:
    return ids + [choose(next_logits(ids[-block_size:])) for _ in range(n_new)]


def new_only(
    ids: list[int], n_new: int, block_size: int, next_logits: NextLogits, choose: Choose
) -> list[int]:
    return generate(ids, n_new, block_size, next_logits, choose)[len(ids) :]


def one_fewer(
    ids: list[int], n_new: int, block_size: int, next_logits: NextLogits, choose: Choose
) -> list[int]:
    return generate(ids, n_new - 1, block_size, next_logits, choose)


def until_n_in_all(
    ids: list[int], n_new: int, block_size: int, next_logits: NextLogits, choose: Choose
) -> list[int]:
    return generate(ids, max(0, n_new - len(ids)), block_size, next_logits, choose)


def whole_text(
    ids: list[int], n_new: int, block_size: int, next_logits: NextLogits, choose: Choose
) -> list[int]:
    return generate(ids, n_new, len(ids) + n_new, next_logits, choose)


def always_the_best(
    ids: list[int], n_new: int, block_size: int, next_logits: NextLogits, choose: Choose
) -> list[int]:
    return generate(ids, n_new, block_size, next_logits, lambda logits: int(logits.argmax()))


# 7.6


def attend_new(
    query: Tensor, key: Tensor, value: Tensor, keys: Tensor, values: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    keys = torch.cat((keys, key[None]))
    values = torch.cat((values, value[None]))
    weights = (keys @ query / math.sqrt(len(query))).softmax(dim=0)
    return weights @ values, keys, values


def _attended(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    return (keys @ query / math.sqrt(len(query))).softmax(dim=0) @ values


def not_to_itself(
    query: Tensor, key: Tensor, value: Tensor, keys: Tensor, values: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    _, longer_keys, longer_values = attend_new(query, key, value, keys, values)
    return _attended(query, keys, values), longer_keys, longer_values


def nothing_kept(
    query: Tensor, key: Tensor, value: Tensor, keys: Tensor, values: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    return attend_new(query, key, value, keys, values)[0], keys, values


def only_itself(
    query: Tensor, key: Tensor, value: Tensor, keys: Tensor, values: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    return value, key[None], value[None]


def added_in_front(
    query: Tensor, key: Tensor, value: Tensor, keys: Tensor, values: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    mixed, _, _ = attend_new(query, key, value, keys, values)
    return mixed, torch.cat((key[None], keys)), torch.cat((value[None], values))


def query_kept(
    query: Tensor, key: Tensor, value: Tensor, keys: Tensor, values: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    return attend_new(query, query, value, keys, values)


def not_scaled(
    query: Tensor, key: Tensor, value: Tensor, keys: Tensor, values: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    return attend_new(query * math.sqrt(len(query)), key, value, keys, values)


def scaled_by_tokens(
    query: Tensor, key: Tensor, value: Tensor, keys: Tensor, values: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    factor = math.sqrt(query.size(0) / (keys.size(0) + 1))
    return attend_new(query * factor, key, value, keys, values)


# 7.7


def tokens_processed(n_prompt: int, n_new: int) -> tuple[int, int]:
    without = sum(n_prompt + i for i in range(n_new))
    return without, n_prompt + n_new - 1


def prompt_each_time(n_prompt: int, n_new: int) -> tuple[int, int]:
    return n_prompt * n_new, n_prompt + n_new - 1


def last_processed_too(n_prompt: int, n_new: int) -> tuple[int, int]:
    return sum(n_prompt + i for i in range(n_new)), n_prompt + n_new


def new_tokens_only(n_prompt: int, n_new: int) -> tuple[int, int]:
    return sum(n_prompt + i for i in range(n_new)), n_new


def counted_from_one(n_prompt: int, n_new: int) -> tuple[int, int]:
    return sum(n_prompt + i + 1 for i in range(n_new)), n_prompt + n_new


def longest_each_time(n_prompt: int, n_new: int) -> tuple[int, int]:
    return n_new * (n_prompt + n_new - 1), n_prompt + n_new - 1
