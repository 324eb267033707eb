"""Wrong answers as learners write them: the same ideas as in `course.answers`, in other words.

A check recognizes what an answer computes. So each idea must be recognized however it is written.
"""

from __future__ import annotations

from typing import Any

import torch

WRITTEN: dict[tuple[str, str], Any] = {}
"""By the number of the exercise and the name of the wrong idea."""


def written(number: str, name: str) -> Any:
    """Adds a function to `WRITTEN`."""

    def add(answer: Any) -> Any:
        WRITTEN[number, name] = answer
        return answer

    return add


# Lesson 1


@written("1.1", "characters numbered by `ord`")
def _(text):
    result = []
    for letter in text:
        result.append(ord(letter))
    return result


@written("1.2", "pairs that do not overlap")
def _(ids):
    counts = {}
    for i in range(0, len(ids) - 1, 2):
        pair = (ids[i], ids[i + 1])
        counts[pair] = counts.get(pair, 0) + 1
    return counts


@written("1.2", "a list closed to a circle")
def _(ids):
    counts = {}
    for i in range(len(ids)):
        pair = (ids[i - 1], ids[i])  # ids[-1] is the last one
        counts[pair] = counts.get(pair, 0) + 1
    return counts


@written("1.2", "a last pair left out")
def _(ids):
    counts = {}
    for i in range(len(ids) - 2):
        pair = (ids[i], ids[i + 1])
        counts[pair] = counts.get(pair, 0) + 1
    return counts


@written("1.2", "counts that start from 0")
def _(ids):
    counts = {}
    for pair in zip(ids, ids[1:], strict=False):
        if pair in counts:
            counts[pair] += 1
        else:
            counts[pair] = 0
    return counts


@written("1.4", "the last id lost")
def _(ids, pair, new_id):
    result, skip = [], False
    for left, right in zip(ids, ids[1:], strict=False):
        if skip:
            skip = False
        elif (left, right) == pair:
            result.append(new_id)
            skip = True
        else:
            result.append(left)
    return result


@written("1.4", "only the first pair replaced")
def _(ids, pair, new_id):
    result = list(ids)
    for i in range(len(result) - 1):
        if (result[i], result[i + 1]) == pair:
            result[i : i + 2] = [new_id]
            break
    return result


@written("1.5", "pairs counted once and never again")
def _(ids, n_merges):
    from collections import Counter

    counts = Counter(zip(ids, ids[1:], strict=False))
    return [pair for pair, _ in counts.most_common(n_merges)]


@written("1.6", "every token decoded by itself")
def _(ids, merges):
    def letters(one):
        if one < 256:
            return bytes([one])
        left, right = merges[one - 256]
        return letters(left) + letters(right)

    return "".join(letters(one).decode("utf-8", "replace") for one in ids)


@written("1.6", "no rule for bytes that are not UTF-8")
def _(ids, merges):
    def letters(one):
        return bytes([one]) if one < 256 else b"".join(map(letters, merges[one - 256]))

    return b"".join(map(letters, ids)).decode()


@written("1.7", "the position of a merge used as its id")
def _(text, merges):
    ids = list(text.encode())
    for number in range(len(merges)):
        result, i = [], 0
        while i < len(ids):
            if tuple(ids[i : i + 2]) == merges[number]:
                result.append(number)
                i += 2
            else:
                result.append(ids[i])
                i += 1
        ids = result
    return ids


# Lesson 5


@written("5.1", "token vectors without positions")
def _(ids, token_table, position_table):
    rows = []
    for one in ids:
        rows.append(token_table[one])
    return torch.stack(rows)


@written("5.2", "a reshape that mixes tokens")
def _(x, n_head):
    T, C = x.shape  # noqa: N806
    return torch.reshape(x, [n_head, T, int(C / n_head)])


@written("5.3", "attention that sees later tokens")
def _(q, k, v):
    heads = []
    for h in range(len(q)):
        scores = q[h] @ k[h].T / q.shape[2] ** 0.5
        heads.append(torch.softmax(scores, dim=1) @ v[h])
    return torch.cat(heads, dim=1)


@written("5.3", "scores scaled by the full width")
def _(q, k, v):
    heads = []
    width = q.shape[0] * q.shape[2]
    for h in range(len(q)):
        scores = q[h] @ k[h].T * width**-0.5
        scores += torch.full_like(scores, float("-inf")).triu(1)
        heads.append(torch.softmax(scores, dim=1) @ v[h])
    return torch.cat(heads, dim=1)


@written("5.4", "a variance with n - 1")
def _(x, weight, bias):
    mean = x.mean(1)[:, None]
    std = x.std(1)[:, None]
    return weight * (x - mean) / (std**2 + 1e-5) ** 0.5 + bias


@written("5.6", "an MLP that does not see what attention added")
def _(x, norm_1, attention, norm_2, mlp):
    a = attention(norm_1(x))
    b = mlp(norm_2(x))
    return x + a + b


# Lesson 6


@written("6.1", "a plain mean over the parts")
def _(gradients, n_tokens):
    return sum(gradients) / len(gradients)


@written("6.2", "each tensor clipped by itself")
def _(gradients, limit):
    clipped = []
    for g in gradients:
        size = torch.linalg.norm(g)
        clipped.append(g / size * limit if size > limit else g)
    return clipped


@written("6.3", "means that are not corrected")
def _(weight, gradient, mean, square, step, lr):
    m = mean + (gradient - mean) / 10
    s = square + (gradient * gradient - square) / 20
    return weight - lr * 0.1 * weight - lr * m / (torch.sqrt(s) + 1e-8), m, s


@written("6.5", "a first step with the rate 0")
def _(step, n_steps, n_warmup, n_decay):
    if step < n_warmup:
        return step / n_warmup
    if step > n_steps - n_decay:
        return (n_steps - step) / n_decay
    return 1.0


# Lesson 7


@written("7.1", "a multiplication by the temperature")
def _(logits, temperature):
    powers = torch.exp(logits * temperature)
    return powers / powers.sum()


@written("7.3", "zeros for the tokens that are dropped")
def _(logits, k):
    limit = sorted(logits.tolist())[-k]
    return logits * (logits >= limit)


@written("7.4", "the token left out that reaches p")
def _(logits, p):
    ordered, order = logits.softmax(0).sort(descending=True)
    result = logits.clone()
    result[order[ordered.cumsum(0) >= p]] = float("-inf")
    return result


@written("7.5", "a result without the prompt")
def _(ids, n_new, block_size, next_logits, choose):
    new = []
    while len(new) < n_new:
        new.append(choose(next_logits((ids + new)[-block_size:])))
    return new
