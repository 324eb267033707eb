"""Wrong answers to the exercises of lessons 5 to 8."""

from __future__ import annotations

import math

import torch

from tests.unit.course.learners.registry import REJECTED, rejected, written

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


@rejected("5.2", "a list of heads")
def _(x, n_head):
    width = x.shape[1] // n_head
    return [x[:, h * width : (h + 1) * width] for h in range(n_head)]


@rejected("5.3", "the next token seen")
def _(q, k, v):
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    later = torch.ones(scores.shape[-2:]).triu(2).bool()
    mixed = scores.masked_fill(later, -math.inf).softmax(dim=-1) @ v
    return mixed.transpose(0, 1).flatten(1)


@rejected("5.5", "functions used as matrices")
def _(x, up, down):
    return torch.nn.functional.gelu(x @ up) @ down


@rejected("5.6", "x changed in place")
def _(x, norm_1, attention, norm_2, mlp):
    x += attention(norm_1(x))
    x += mlp(norm_2(x))
    return x


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


@written("6.3", "the small number inside the root")
def _(weight, gradient, mean, square, step, lr):
    m = 0.9 * mean + 0.1 * gradient
    s = 0.95 * square + 0.05 * gradient * gradient
    m_now, s_now = m / (1 - 0.9**step), s / (1 - 0.95**step)
    return weight - 0.1 * lr * weight - lr * m_now / torch.sqrt(s_now + 1e-8), m, s


@rejected("6.3", "only the mean corrected")
def _(weight, gradient, mean, square, step, lr):
    m = 0.9 * mean + 0.1 * gradient
    s = 0.95 * square + 0.05 * gradient**2
    return weight * (1 - 0.1 * lr) - lr * m / (1 - 0.9**step) / (s.sqrt() + 1e-8), m, s


@rejected("6.3", "only the weight returned")
def _(weight, gradient, mean, square, step, lr):
    return weight


REJECTED["6.6", "a text"] = "256"
REJECTED["6.7", "other words"] = {
    "A": "rate too small",
    "B": "learning rate too large",
    "C": "too little text",
    "D": "peeking",
}


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


@written("7.4", "places in the sorted order taken for ids")
def _(logits, p):
    ordered = logits.softmax(0).sort(descending=True).values
    result, total = logits.clone(), 0.0
    for i, probability in enumerate(ordered.tolist()):
        if total >= p:
            result[i] = -math.inf
        total += probability
    return result


@written("7.6", "scores divided by the root of the number of tokens")
def _(query, key, value, keys, values):
    keys, values = torch.vstack([keys, key]), torch.vstack([values, value])
    weights = torch.softmax(keys @ query / len(keys) ** 0.5, dim=0)
    return weights @ values, keys, values


@rejected("7.6", "only the mixed value")
def _(query, key, value, keys, values):
    keys, values = torch.vstack([keys, key]), torch.vstack([values, value])
    return torch.softmax(keys @ query / len(query) ** 0.5, dim=0) @ values


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


@rejected("8.2", "a tensor instead of a list")
def _(streams, final_norm, token_table):
    return torch.stack([(final_norm(x)[-1] @ token_table.T).argmax() for x in streams])


@rejected("8.2", "position and token in one number")
def _(streams, final_norm, token_table):
    return [int((final_norm(x) @ token_table.T).argmax()) for x in streams]
