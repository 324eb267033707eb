"""Wrong answers as learners write them: the same ideas as in `course.answers`, in other words.

A check recognizes what an answer computes. So each idea must be recognized however it is written.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from course.answers.lesson3 import cross_entropy, forward

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


# Lesson 2


@written("2.1", "pairs that cross from one story to the next")
def _(stories):
    counts, previous = {}, None
    for ids in stories:
        for b in ids:
            if previous is not None:
                row = counts.setdefault(previous, {})
                row[b] = row.get(b, 0) + 1
            previous = b
    return counts


@written("2.2", "the share among all pairs")
def _(counts, a, b, n_tokens):
    n = 0
    for row in counts.values():
        for count in row.values():
            n += count
    return (counts.get(a, {}).get(b, 0) + 1) / (n + n_tokens)


@written("2.3", "a sum instead of a mean")
def _(probabilities):
    result = 0
    for p in probabilities:
        result -= math.log(p)
    return result


@written("2.3", "the logarithm of the mean probability")
def _(probabilities):
    return math.log(len(probabilities) / sum(probabilities))


@written("2.4", "a power of 2")
def _(loss):
    return math.pow(2, loss)


@written("2.5", "bits per token")
def _(loss, n_tokens, n_bytes):
    return loss * n_tokens / math.log(2) / n_tokens


@written("2.6", "always the likeliest token")
def _(probabilities, r):
    return probabilities.index(max(probabilities))


@written("2.6", "the token after the right one")
def _(probabilities, r):
    i, total = 0, 0.0
    while total <= r and i < len(probabilities) - 1:
        total += probabilities[i]
        i += 1
    return i


# Lesson 3


@written("3.1", "targets that are not shifted")
def _(ids, starts, length):
    rows = [ids[s : s + length] for s in starts]
    return torch.stack(rows), torch.stack(rows)


@written("3.1", "one token too few")
def _(ids, starts, length):
    x = torch.stack([ids[s : s + length - 1] for s in starts])
    y = torch.stack([ids[s + 1 : s + length] for s in starts])
    return x, y


@written("3.2", "a softmax over the wrong axis")
def _(logits):
    e = torch.exp(logits - logits.max(dim=0, keepdim=True).values)
    return e / e.sum(dim=0, keepdim=True)


@written("3.2", "a softmax over all numbers at once")
def _(logits):
    e = torch.exp(logits - logits.max())
    return e / e.sum()


@written("3.2", "an overflow with large logits")
def _(logits):
    e = torch.exp(logits)
    return e / e.sum(-1, keepdim=True)


@written("3.3", "a sum instead of a mean")
def _(logits, targets):
    result = torch.tensor(0.0)
    for row, target in zip(logits, targets):
        result = result - torch.log_softmax(row, 0)[target]
    return result


@written("3.4", "the gradient of a sum of losses")
def _(logits, targets):
    one_hot = torch.nn.functional.one_hot(targets, logits.size(1))
    return logits.softmax(dim=1) - one_hot


@written("3.4", "the opposite sign")
def _(logits, targets):
    one_hot = torch.nn.functional.one_hot(targets, logits.size(1))
    return (one_hot - logits.softmax(dim=1)) / logits.size(0)


@written("3.5", "a step uphill")
def _(weights, gradient, learning_rate):
    return torch.add(weights, gradient, alpha=learning_rate)


@written("3.6", "a network without tanh")
def _(parameters, x):
    embedding, w1, b1, w2, b2 = parameters
    joined = embedding[x].reshape(len(x), -1)
    return joined @ (w1 @ w2) + b1 @ w2 + b2


@written("3.7", "gradients that are never cleared")
def _(parameters, x, y, learning_rate):
    loss = cross_entropy(forward(parameters, x), y)
    loss.backward()
    for p in parameters:
        p.data.sub_(learning_rate * p.grad)
    return float(loss.detach())


@written("3.7", "a change that is lost")
def _(parameters, x, y, learning_rate):
    loss = cross_entropy(forward(parameters, x), y)
    gradients = torch.autograd.grad(loss, parameters)
    with torch.no_grad():
        for p, g in zip(parameters, gradients):
            p = p - learning_rate * g
    return loss.item()


# Lesson 4


@written("4.1", "an average without the position itself")
def _(x):
    result = torch.zeros_like(x)
    for t in range(1, len(x)):
        result[t] = x[0:t].sum(dim=0) / t
    return result


@written("4.1", "an average over all positions")
def _(x):
    return torch.stack([sum(x) / len(x) for _ in x])


@written("4.2", "a missing 1/sqrt(D)")
def _(q, k):
    result = torch.empty(len(q), len(k))
    for t in range(len(q)):
        for s in range(len(k)):
            result[t, s] = torch.dot(q[t], k[s])
    return result


@written("4.2", "queries and keys swapped")
def _(q, k):
    return (q @ k.T / q.shape[1] ** 0.5).T


@written("4.3", "a mask that is off by one: a position does not see itself")
def _(n):
    return torch.tensor([[s < t for s in range(n)] for t in range(n)])


@written("4.3", "a mask of what is hidden")
def _(n):
    return torch.arange(n)[None, :] > torch.arange(n)[:, None]


@written("4.4", "a softmax over the wrong axis")
def _(q, k):
    s = q @ k.T / q.size(1) ** 0.5
    s[torch.ones_like(s).triu(1).bool()] = float("-inf")
    return torch.exp(s) / torch.exp(s).sum(dim=0)


@written("4.4", "a mask after the softmax")
def _(q, k):
    weights = torch.softmax(q @ k.T / q.size(1) ** 0.5, dim=1)
    return weights.tril()


@written("4.4", "masked scores that are 0")
def _(q, k):
    return torch.softmax((q @ k.T / q.size(1) ** 0.5).tril(), dim=1)


@written("4.5", "a missing 1/sqrt(D)")
def _(q, k, v):
    s = torch.einsum("...td,...sd->...ts", q, k)
    hidden = torch.ones(s.shape[-2:]).triu(1).bool()
    return torch.softmax(s.masked_fill(hidden, float("-inf")), -1) @ v


@written("4.5", "keys mixed instead of values")
def _(q, k, v):
    return torch.nn.functional.scaled_dot_product_attention(q, k, k, is_causal=True)


@written("4.5", "no mask")
def _(q, k, v):
    return torch.nn.functional.scaled_dot_product_attention(q, k, v)


@written("4.6", "the vectors themselves as values")
def _(x, w_q, w_k, w_v):
    return torch.nn.functional.scaled_dot_product_attention(x @ w_q, x @ w_k, x, is_causal=True)


@written("4.7", "the influence on all outputs")
def _(function, x, t):
    x = x.detach().clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(function(x).sum(), x)
    return [row.abs().sum().item() > 0 for row in gradient]


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


# Lesson 8


@written("8.1", "nats instead of bits")
def _(logits, ids):
    return torch.nn.functional.cross_entropy(logits[:-1], ids[1:], reduction="none")


@written("8.3", "a mean that counts the first token")
def _(weights):
    total = 0.0
    for t in range(1, len(weights)):
        total += weights[t][t - 1].item()
    return total / len(weights)


@written("8.4", "a head that is removed")
def _(heads, head):
    return torch.cat([one for i, one in enumerate(heads) if i != head], dim=1)


@written("8.5", "ties that count as wrong")
def _(right, wrong):
    return len([1 for a, b in zip(right, wrong, strict=True) if a < b]) / len(right)
