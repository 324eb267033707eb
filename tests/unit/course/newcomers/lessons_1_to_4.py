"""Right answers to the exercises of lessons 1 to 4."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import torch

from course.answers.lesson3 import cross_entropy, forward
from tests.unit.course.newcomers.registry import SOLVED, solved

SOLVED["1.3"] = ("an", "ban", "ana")


@solved("1.1")
def _(text):
    return [byte for letter in text for byte in letter.encode()]


@solved("1.2")
def _(ids):
    return Counter((ids[i], ids[i + 1]) for i in range(len(ids) - 1))


@solved("1.4")
def _(ids, pair, new_id):
    result = []
    for one in ids:
        result.append(one)
        if tuple(result[-2:]) == pair and len(result) > 1:
            result[-2:] = [new_id]
    return result


@solved("1.5")
def _(ids, n_merges):
    ids, merges = list(ids), []
    while len(merges) < n_merges and len(ids) > 1:
        counts = Counter(zip(ids, ids[1:]))
        pair = counts.most_common(1)[0][0]
        ids = SOLVED["1.4"](ids, pair, 256 + len(merges))
        merges.append(pair)
    return merges


@solved("1.6")
def _(ids, merges):
    ids = list(ids)
    while any(one > 255 for one in ids):
        ids = [part for one in ids for part in (merges[one - 256] if one > 255 else (one,))]
    return bytearray(ids).decode("utf-8", "replace")


@solved("1.7")
def _(text, merges):
    ids = list(text.encode())
    while True:
        found = [merges.index(pair) for pair in zip(ids, ids[1:]) if pair in merges]
        if not found:
            return ids
        ids = SOLVED["1.4"](ids, merges[min(found)], 256 + min(found))


@solved("2.1")
def _(stories):
    counts = defaultdict(Counter)
    for ids in stories:
        for i in range(len(ids) - 1):
            counts[ids[i]][ids[i + 1]] += 1
    return counts


@solved("2.2")
def _(counts, a, b, n_tokens):
    if a not in counts:
        return 1 / n_tokens
    total = n_tokens
    for value in counts[a].values():
        total += value
    return (1 + counts[a][b] if b in counts[a] else 1) / total


@solved("2.3")
def _(probabilities):
    return -np.mean(np.log(probabilities))


@solved("2.4")
def _(loss):
    return math.e**loss


@solved("2.5")
def _(loss, n_tokens, n_bytes):
    return loss * math.log2(math.e) * n_tokens / n_bytes


@solved("2.6")
def _(probabilities, r):
    return np.searchsorted(np.cumsum(probabilities), r, side="right")


@solved("2.7")
def _(count, total, shorter, k):
    share = k / (total + k)
    seen = count / total if total else 0
    return (1 - share) * seen + share * shorter


@solved("3.1")
def _(ids, starts, length):
    x = ids[starts[:, None] + torch.arange(length)]
    y = ids[starts[:, None] + torch.arange(1, length + 1)]
    return x, y


@solved("3.2")
def _(logits):
    rows = []
    for row in logits:
        e = torch.exp(row - max(row))
        rows.append(e / sum(e))
    return torch.stack(rows)


@solved("3.3")
def _(logits, targets):
    largest = logits.max(dim=1).values
    log_sums = largest + torch.log(torch.exp(logits - largest[:, None]).sum(dim=1))
    of_targets = torch.stack([row[target] for row, target in zip(logits, targets)])
    return torch.mean(log_sums - of_targets)


@solved("3.4")
def _(logits, targets):
    logits = logits.clone().requires_grad_()
    cross_entropy(logits, targets).backward()
    return logits.grad


@solved("3.5")
def _(weights, gradient, learning_rate):
    new = weights.clone()
    new -= gradient * learning_rate
    return new


@solved("3.6")
def _(parameters, x):
    embedding, w1, b1, w2, b2 = parameters
    joined = torch.cat([embedding[x[:, i]] for i in range(x.shape[1])], dim=1)
    return b2 + torch.matmul(torch.tanh(b1 + torch.matmul(joined, w1)), w2)


@solved("3.7")
def _(parameters, x, y, learning_rate):
    for p in parameters:
        if p.grad is not None:
            p.grad.zero_()
    loss = cross_entropy(forward(parameters, x), y)
    loss.backward()
    with torch.no_grad():
        for p in parameters:
            p.copy_(p - learning_rate * p.grad)
    return float(loss)


@solved("4.1")
def _(x):
    return x.cumsum(dim=0) / torch.arange(1, len(x) + 1)[:, None]


@solved("4.2")
def _(q, k):
    rows = []
    for query in q:
        rows.append([float(sum(query * key)) / len(query) ** 0.5 for key in k])
    return torch.tensor(rows)


@solved("4.3")
def _(n):
    return torch.tensor([[s <= t for s in range(n)] for t in range(n)])


@solved("4.4")
def _(q, k):
    e = (q @ k.T / math.sqrt(q.shape[1])).exp().tril()
    return e / e.sum(dim=1, keepdim=True)


@solved("4.5")
def _(q, k, v):
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)


@solved("4.6")
def _(x, w_q, w_k, w_v):
    q, k, v = (x @ w for w in (w_q, w_k, w_v))
    return SOLVED["4.5"](q, k, v)


@solved("4.7")
def _(function, x, t):
    answers = []
    for s in range(len(x)):
        changed = x.clone()
        changed[s] += 1.0
        answers.append(not torch.equal(function(x)[t], function(changed)[t]))
    return answers
