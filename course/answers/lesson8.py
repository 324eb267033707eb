"""Answers to the exercises of lesson 8: solutions, and what learners typically write instead."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Part = Callable[[Tensor], Tensor]


# 8.1


def surprisals(logits: Tensor, ids: Tensor) -> Tensor:
    logprobs = logits.log_softmax(dim=-1)[:-1]
    return -logprobs.gather(1, ids[1:, None])[:, 0] / math.log(2)


def in_nats(logits: Tensor, ids: Tensor) -> Tensor:
    return surprisals(logits, ids) * math.log(2)


def same_position(logits: Tensor, ids: Tensor) -> Tensor:
    logprobs = logits.log_softmax(dim=-1)
    return (-logprobs.gather(1, ids[:, None])[:, 0] / math.log(2))[1:]


def same_position_all(logits: Tensor, ids: Tensor) -> Tensor:
    logprobs = logits.log_softmax(dim=-1)
    return -logprobs.gather(1, ids[:, None])[:, 0] / math.log(2)


def not_negated(logits: Tensor, ids: Tensor) -> Tensor:
    return -surprisals(logits, ids)


def probabilities_of(logits: Tensor, ids: Tensor) -> Tensor:
    return 2 ** -surprisals(logits, ids)


def from_logits(logits: Tensor, ids: Tensor) -> Tensor:
    return -logits[:-1].gather(1, ids[1:, None])[:, 0] / math.log(2)


def averaged(logits: Tensor, ids: Tensor) -> Tensor:
    return surprisals(logits, ids).mean()


def logits_as_they_are(logits: Tensor, ids: Tensor) -> Tensor:
    return -logits[:-1].gather(1, ids[1:, None])[:, 0]


def all_pairs(logits: Tensor, ids: Tensor) -> Tensor:
    return -logits[:-1].log_softmax(dim=-1)[:, ids[1:]] / math.log(2)


def of_the_best_guess(logits: Tensor, ids: Tensor) -> Tensor:
    return -logits[:-1].log_softmax(dim=-1).amax(dim=-1) / math.log(2)


# 8.2


def guesses_by_depth(streams: list[Tensor], final_norm: Part, token_table: Tensor) -> list[int]:
    return [int((final_norm(x[-1]) @ token_table.T).argmax()) for x in streams]


def guesses_without_norm(streams: list[Tensor], final_norm: Part, token_table: Tensor) -> list[int]:
    return [int((x[-1] @ token_table.T).argmax()) for x in streams]


def first_position(streams: list[Tensor], final_norm: Part, token_table: Tensor) -> list[int]:
    return [int((final_norm(x[0]) @ token_table.T).argmax()) for x in streams]


def after_the_last_block(streams: list[Tensor], final_norm: Part, token_table: Tensor) -> list[int]:
    return guesses_by_depth(streams, final_norm, token_table)[-1:]


def least_likely(streams: list[Tensor], final_norm: Part, token_table: Tensor) -> list[int]:
    return [int((final_norm(x[-1]) @ token_table.T).argmin()) for x in streams]


def largest_feature(streams: list[Tensor], final_norm: Part, token_table: Tensor) -> list[int]:
    return [int(final_norm(x[-1]).argmax()) for x in streams]


def without_the_embedding(
    streams: list[Tensor], final_norm: Part, token_table: Tensor
) -> list[int]:
    return guesses_by_depth(streams[1:], final_norm, token_table)


def at_all_positions(
    streams: list[Tensor], final_norm: Part, token_table: Tensor
) -> list[list[int]]:
    return [(final_norm(x) @ token_table.T).argmax(dim=-1).tolist() for x in streams]


# 8.3


def on_previous(weights: Tensor) -> float:
    return float(weights.diagonal(offset=-1).mean())


def on_itself(weights: Tensor) -> float:
    return float(weights.diagonal().mean())


def on_next(weights: Tensor) -> float:
    return float(weights.diagonal(offset=1).mean())


def on_first(weights: Tensor) -> float:
    return float(weights[1:, 0].mean())


def divided_by_all(weights: Tensor) -> float:
    return float(weights.diagonal(offset=-1).sum() / len(weights))


def not_divided(weights: Tensor) -> float:
    return float(weights.diagonal(offset=-1).sum())


def two_before(weights: Tensor) -> float:
    return float(weights.diagonal(offset=-2).mean())


def on_all_before(weights: Tensor) -> float:
    return float(weights.tril(-1).sum()) / (len(weights) - 1)


# 8.4


def without_head(heads: Tensor, head: int) -> Tensor:
    changed = heads.clone()
    changed[head] = 0
    return changed.transpose(0, 1).flatten(start_dim=1)


def _joined(heads: Tensor) -> Tensor:
    return heads.transpose(0, 1).flatten(start_dim=1)


def head_removed(heads: Tensor, head: int) -> Tensor:
    return _joined(torch.cat((heads[:head], heads[head + 1 :])))


def token_switched_off(heads: Tensor, head: int) -> Tensor:
    changed = heads.clone()
    changed[:, head] = 0
    return _joined(changed)


def feature_switched_off(heads: Tensor, head: int) -> Tensor:
    changed = heads.clone()
    changed[:, :, head] = 0
    return _joined(changed)


def others_switched_off(heads: Tensor, head: int) -> Tensor:
    changed = torch.zeros_like(heads)
    changed[head] = heads[head]
    return _joined(changed)


def wrongly_joined(heads: Tensor, head: int) -> Tensor:
    changed = heads.clone()
    changed[head] = 0
    return changed.reshape(heads.size(1), -1)


def left_apart(heads: Tensor, head: int) -> Tensor:
    changed = heads.clone()
    changed[head] = 0
    return changed


# 8.5


def accuracy(right: list[float], wrong: list[float]) -> float:
    points = 0.0
    for good, bad in zip(right, wrong, strict=True):
        points += 1.0 if good < bad else 0.5 if good == bad else 0.0
    return points / len(right)


def higher_is_better(right: list[float], wrong: list[float]) -> float:
    return 1 - accuracy(right, wrong)


def ties_are_right(right: list[float], wrong: list[float]) -> float:
    return sum(good <= bad for good, bad in zip(right, wrong, strict=True)) / len(right)


def ties_are_wrong(right: list[float], wrong: list[float]) -> float:
    return sum(good < bad for good, bad in zip(right, wrong, strict=True)) / len(right)


def compared_means(right: list[float], wrong: list[float]) -> float:
    return float(sum(right) < sum(wrong))


def counted_only(right: list[float], wrong: list[float]) -> float:
    return accuracy(right, wrong) * len(right)


def in_percent(right: list[float], wrong: list[float]) -> float:
    return 100 * accuracy(right, wrong)


def without_ties(right: list[float], wrong: list[float]) -> float:
    decided = [(a, b) for a, b in zip(right, wrong, strict=True) if a != b]
    return sum(a < b for a, b in decided) / max(1, len(decided))


# 8.6


def interval(share: float, n: int) -> tuple[float, float]:
    spread = 1.96 * math.sqrt(share * (1 - share) / n)
    return share - spread, share + spread


def without_n(share: float, n: int) -> tuple[float, float]:
    spread = 1.96 * math.sqrt(share * (1 - share))
    return share - spread, share + spread


def n_outside_root(share: float, n: int) -> tuple[float, float]:
    spread = 1.96 * math.sqrt(share * (1 - share)) / n
    return share - spread, share + spread


def one_deviation(share: float, n: int) -> tuple[float, float]:
    spread = math.sqrt(share * (1 - share) / n)
    return share - spread, share + spread


def variance_taken(share: float, n: int) -> tuple[float, float]:
    spread = 1.96 * share * (1 - share) / n
    return share - spread, share + spread


def spread_only(share: float, n: int) -> tuple[float, float]:
    low, high = interval(share, n)
    return -(high - low) / 2, (high - low) / 2


def root_of_n(share: float, n: int) -> tuple[float, float]:
    half = 1.96 * share * (1 - share) / math.sqrt(n)
    return share - half, share + half


def upper_first(share: float, n: int) -> tuple[float, float]:
    low, high = interval(share, n)
    return high, low
