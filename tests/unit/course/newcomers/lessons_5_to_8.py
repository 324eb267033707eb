"""Right answers to the exercises of lessons 5 to 8."""

from __future__ import annotations

import numpy as np
import torch

from tests.unit.course.newcomers.registry import SOLVED, solved

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
