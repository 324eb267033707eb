"""Right answers, written from the text of the lessons alone and otherwise than the solutions.

A check must accept them: also other types (tuples, NumPy numbers, `Counter`), other orders, loops.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import torch

from course.answers.lesson3 import cross_entropy, forward

SOLVED: dict[str, Any] = {}
"""By the number of the exercise."""


def solved(number: str) -> Any:
    """Adds an answer to `SOLVED`."""

    def add(answer: Any) -> Any:
        SOLVED[number] = answer
        return answer

    return add


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


# Lesson 5


@solved("5.1")
def _(ids, token_table, position_table):
    rows = [token_table[one] + position_table[place] for place, one in enumerate(ids.tolist())]
    return torch.stack(rows)


@solved("5.2")
def _(x, n_head):
    return torch.stack(torch.chunk(x, n_head, dim=1))


@solved("5.3")
def _(q, k, v):
    heads = [
        torch.nn.functional.scaled_dot_product_attention(a, b, c, is_causal=True)
        for a, b, c in zip(q, k, v, strict=True)
    ]
    return torch.cat(heads, dim=1)


@solved("5.4")
def _(x, weight, bias):
    rows = []
    for row in x:
        mean = row.sum() / len(row)
        variance = ((row - mean) ** 2).sum() / len(row)
        rows.append((row - mean) / (variance + 0.00001) ** 0.5 * weight + bias)
    return torch.stack(rows)


@solved("5.5")
def _(x, up, down):
    wide = torch.nn.functional.gelu(up(x), approximate="tanh")
    return down(wide)


@solved("5.6")
def _(x, norm_1, attention, norm_2, mlp):
    after = attention(norm_1(x)) + x
    return mlp(norm_2(after)) + after


@solved("5.7")
def _(x, blocks, final_norm, token_table):
    for number in range(len(blocks)):
        x = blocks[number](x)
    return torch.einsum("tc,vc->tv", final_norm(x), token_table)


# Lesson 6


@solved("6.1")
def _(gradients, n_tokens):
    shares = torch.tensor(n_tokens) / sum(n_tokens)
    return sum(share * gradient for share, gradient in zip(shares, gradients, strict=True))


@solved("6.2")
def _(gradients, limit):
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    if norm <= limit:
        return gradients
    return tuple(gradient / norm * limit for gradient in gradients)


@solved("6.3")
def _(weight, gradient, mean, square, step, lr):
    mean = torch.lerp(mean, gradient, 0.1)
    square = torch.lerp(square, gradient * gradient, 0.05)
    update = (mean / (1 - 0.9**step)) / (torch.sqrt(square / (1 - 0.95**step)) + 1e-8)
    return weight - lr * 0.1 * weight - lr * update, mean, square


@solved("6.4")
def _(matrix, n_steps):
    x = matrix / (matrix**2).sum() ** 0.5
    for _ in range(n_steps):
        third = x @ x.T @ x
        fifth = third @ x.T @ x
        x = 3.4445 * x - 4.775 * third + 2.0315 * fifth
    return x


@solved("6.5")
def _(step, n_steps, n_warmup, n_decay):
    if step < n_warmup:
        return (step + 1) / n_warmup
    if step >= n_steps - n_decay:
        return (n_steps - step) / n_decay
    return 1


SOLVED["6.6"] = 256
SOLVED["6.7"] = {
    "D": "peeking",
    "C": "too little text",
    "B": "rate too large",
    "A": "rate too small",
}


# Lesson 7


@solved("7.1")
def _(logits, temperature):
    powers = torch.exp((logits - logits.max()) / temperature)
    return powers / powers.sum()


@solved("7.2")
def _(probabilities, number):
    return int(torch.searchsorted(probabilities.cumsum(0), number))


@solved("7.3")
def _(logits, k):
    limit = logits.sort(descending=True).values[k - 1]
    return torch.where(logits >= limit, logits, float("-inf"))


@solved("7.4")
def _(logits, p):
    ordered, order = logits.softmax(dim=0).sort(descending=True)
    count = int((ordered.cumsum(0) < p).sum()) + 1
    result = torch.full(logits.shape, float("-inf"))
    for one in order[:count]:
        result[one] = logits[one]
    return result


@solved("7.5")
def _(ids, n_new, block_size, next_logits, choose):
    result = [*ids]
    while len(result) < len(ids) + n_new:
        result += [choose(next_logits(result[max(0, len(result) - block_size) :]))]
    return result


@solved("7.6")
def _(query, key, value, keys, values):
    keys, values = torch.vstack([keys, key]), torch.vstack([values, value])
    scores = torch.tensor([float(query @ row) for row in keys]) / query.numel() ** 0.5
    weights = scores.exp() / scores.exp().sum()
    return sum(weight * row for weight, row in zip(weights, values, strict=True)), keys, values


@solved("7.7")
def _(n_prompt, n_new):
    return n_new * n_prompt + n_new * (n_new - 1) // 2, n_prompt + (n_new - 1)


# Lesson 8


@solved("8.1")
def _(logits, ids):
    bits = []
    for place in range(len(ids) - 1):
        bits.append(-torch.log2(logits[place].softmax(dim=0)[ids[place + 1]]))
    return torch.stack(bits)


@solved("8.2")
def _(streams, final_norm, token_table):
    return [torch.argmax(token_table @ final_norm(x)[-1]).item() for x in streams]


@solved("8.3")
def _(weights):
    shares = [weights[t, t - 1].item() for t in range(1, len(weights))]
    return sum(shares) / len(shares)


@solved("8.4")
def _(heads, head):
    parts = [torch.zeros_like(one) if i == head else one for i, one in enumerate(heads)]
    return torch.cat(parts, dim=1)


@solved("8.5")
def _(right, wrong):
    better = np.mean(np.array(right) < np.array(wrong))
    return better + np.mean(np.array(right) == np.array(wrong)) / 2


@solved("8.6")
def _(share, n):
    width = 1.96 * np.sqrt(share - share**2) / np.sqrt(n)
    return [share - width, share + width]
