"""Answers to the exercises of lesson 2: solutions, and what learners typically write instead."""

from __future__ import annotations

import math

Counts = dict[int, dict[int, int]]


# 2.1


def count_bigrams(stories: list[list[int]]) -> dict[int, dict[int, int]]:
    counts: dict[int, dict[int, int]] = {}
    for ids in stories:
        for a, b in zip(ids, ids[1:]):
            row = counts.setdefault(a, {})
            row[b] = row.get(b, 0) + 1
    return counts


def across_stories(stories: list[list[int]]) -> Counts:
    return count_bigrams([[one for ids in stories for one in ids]])


def backwards(stories: list[list[int]]) -> Counts:
    return count_bigrams([ids[::-1] for ids in stories])


def last_story_only(stories: list[list[int]]) -> Counts:
    return count_bigrams(stories[-1:])


def flat(stories: list[list[int]]) -> dict[tuple[int, int], int]:
    return {(a, b): n for a, row in count_bigrams(stories).items() for b, n in row.items()}


def ones(stories: list[list[int]]) -> Counts:
    return {a: dict.fromkeys(row, 1) for a, row in count_bigrams(stories).items()}


def rows_replaced(stories: list[list[int]]) -> Counts:
    counts: Counts = {}
    for ids in stories:
        for a, b in zip(ids, ids[1:], strict=False):
            counts[a] = {b: counts.get(a, {}).get(b, 0) + 1}
    return counts


# 2.2


def probability(counts: dict[int, dict[int, int]], a: int, b: int, n_tokens: int) -> float:
    row = counts.get(a, {})
    return (row.get(b, 0) + 1) / (sum(row.values()) + n_tokens)


def without_smoothing(counts: Counts, a: int, b: int, n_tokens: int) -> float:
    row = counts.get(a, {})
    return row.get(b, 0) / sum(row.values())


def one_below_only(counts: Counts, a: int, b: int, n_tokens: int) -> float:
    row = counts.get(a, {})
    return (row.get(b, 0) + 1) / (sum(row.values()) + 1)


def one_above_only(counts: Counts, a: int, b: int, n_tokens: int) -> float:
    row = counts.get(a, {})
    return (row.get(b, 0) + 1) / sum(row.values())


def share_of_everything(counts: Counts, a: int, b: int, n_tokens: int) -> float:
    everything = sum(sum(row.values()) for row in counts.values())
    return (counts.get(a, {}).get(b, 0) + 1) / (everything + n_tokens)


def distinct_in_row(counts: Counts, a: int, b: int, n_tokens: int) -> float:
    row = counts.get(a, {})
    return (row.get(b, 0) + 1) / (sum(row.values()) + len(row))


def other_way_round(counts: Counts, a: int, b: int, n_tokens: int) -> float:
    return probability(counts, b, a, n_tokens)


def zero_for_the_unseen(counts: Counts, a: int, b: int, n_tokens: int) -> float:
    return probability(counts, a, b, n_tokens) if b in counts.get(a, {}) else 0.0


# 2.3


def loss(probabilities: list[float]) -> float:
    return sum(-math.log(p) for p in probabilities) / len(probabilities)


def summed(probabilities: list[float]) -> float:
    return sum(-math.log(p) for p in probabilities)


def in_bits(probabilities: list[float]) -> float:
    return sum(-math.log2(p) for p in probabilities) / len(probabilities)


def in_decimal(probabilities: list[float]) -> float:
    return sum(-math.log10(p) for p in probabilities) / len(probabilities)


def without_minus(probabilities: list[float]) -> float:
    return sum(math.log(p) for p in probabilities) / len(probabilities)


def log_of_mean(probabilities: list[float]) -> float:
    return -math.log(sum(probabilities) / len(probabilities))


def mean_missing(probabilities: list[float]) -> float:
    return sum(1 - p for p in probabilities) / len(probabilities)


def expected_surprisal(probabilities: list[float]) -> float:
    return sum(-p * math.log(p) for p in probabilities) / len(probabilities)


# 2.4


def perplexity(loss: float) -> float:
    return math.exp(loss)


def power_of_two(loss: float) -> float:
    return float(2**loss)


def typical_probability(loss: float) -> float:
    return math.exp(-loss)


def logarithm(loss: float) -> float:
    return math.log(loss)


# 2.5


def bits_per_byte(loss: float, n_tokens: int, n_bytes: int) -> float:
    return loss * n_tokens / math.log(2) / n_bytes


def bits_per_token(loss: float, n_tokens: int, n_bytes: int) -> float:
    return loss / math.log(2)


def nats_per_byte(loss: float, n_tokens: int, n_bytes: int) -> float:
    return loss * n_tokens / n_bytes


def times_log_two(loss: float, n_tokens: int, n_bytes: int) -> float:
    return loss * math.log(2) * n_tokens / n_bytes


def upside_down(loss: float, n_tokens: int, n_bytes: int) -> float:
    return loss / math.log(2) * n_bytes / n_tokens


def divided_twice(loss: float, n_tokens: int, n_bytes: int) -> float:
    return loss / math.log(2) / n_bytes


# 2.6


def pick(probabilities: list[float], r: float) -> int:
    total = 0.0
    for i, p in enumerate(probabilities):
        total += p
        if r < total:
            return i
    return len(probabilities) - 1


def likeliest(probabilities: list[float], r: float) -> int:
    return max(range(len(probabilities)), key=lambda i: probabilities[i])


def uniform(probabilities: list[float], r: float) -> int:
    return int(r * len(probabilities))


def not_added_up(probabilities: list[float], r: float) -> int:
    for i, p in enumerate(probabilities):
        if r < p:
            return i
    return len(probabilities) - 1


def added_too_late(probabilities: list[float], r: float) -> int:
    total = 0.0
    for i, p in enumerate(probabilities):
        if r < total:
            return i
        total += p
    return len(probabilities) - 1


def the_probability(probabilities: list[float], r: float) -> float:
    return probabilities[pick(probabilities, r)]


def border_to_the_left(probabilities: list[float], r: float) -> int:
    total = 0.0
    for i, p in enumerate(probabilities):
        total += p
        if r <= total:
            return i
    return len(probabilities) - 1


# 2.7


def blend(count: int, total: int, shorter: float, k: float) -> float:
    return (count + k * shorter) / (total + k)


def blend_without_k_below(count: int, total: int, shorter: float, k: float) -> float:
    return (count + k * shorter) / total


def blend_only_if_unseen(count: int, total: int, shorter: float, k: float) -> float:
    return count / total if count else shorter


def blend_without_k(count: int, total: int, shorter: float, k: float) -> float:
    return (count + shorter) / (total + 1)


def blend_halves(count: int, total: int, shorter: float, k: float) -> float:
    return (count / total if total else 0.0) / 2 + shorter / 2


def one_imagined_case(count: int, total: int, shorter: float, k: float) -> float:
    return (count + shorter) / (total + k)
