"""Wrong answers to the exercises of lessons 3 and 4."""

from __future__ import annotations

import math

import torch

from course.answers.lesson3 import cross_entropy, forward
from course.answers.lesson4 import causal_mask
from tests.unit.course.learners.registry import rejected, written

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


@rejected("3.1", "lists instead of tensors")
def _(ids, starts, length):
    return [ids[s : s + length] for s in starts], [ids[s + 1 : s + length + 1] for s in starts]


@rejected("3.2", "a sum that lost its dimension")
def _(logits):
    powers = (logits - logits.amax(dim=-1, keepdim=True)).exp()
    return powers / powers.sum(dim=-1)


@rejected("3.3", "a plain number, which has no gradient")
def _(logits, targets):
    return cross_entropy(logits, targets).item()


@rejected("3.7", "gradients cleared between backward and the update")
def _(parameters, x, y, learning_rate):
    loss = cross_entropy(forward(parameters, x), y)
    loss.backward()
    for weights in parameters:
        weights.grad = None
    with torch.no_grad():
        for weights in parameters:
            weights -= learning_rate * weights.grad
    return loss.item()


@rejected("3.7", "parameters replaced in the list")
def _(parameters, x, y, learning_rate):
    loss = cross_entropy(forward(parameters, x), y)
    loss.backward()
    with torch.no_grad():
        for i, weights in enumerate(parameters):
            parameters[i] = weights - learning_rate * weights.grad
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


@written("4.7", "the first feature only")
def _(function, x, t):
    copy = x.clone().requires_grad_()
    function(copy)[t].sum().backward()
    return (copy.grad[:, 0] != 0).tolist()


@rejected("4.1", "a list of vectors")
def _(x):
    return [x[: t + 1].mean(dim=0) for t in range(len(x))]


@rejected("4.3", "a list of lists")
def _(n):
    return causal_mask(n).tolist()


@rejected("4.5", "the length taken from the batch")
def _(q, k, v):
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.size(-1))
    return scores.masked_fill(~causal_mask(len(q)), -math.inf).softmax(dim=-1) @ v


@rejected("4.7", "the gradient itself")
def _(function, x, t):
    copy = x.clone().requires_grad_()
    function(copy)[t].sum().backward()
    return copy.grad


@rejected("4.7", "a tensor of booleans")
def _(function, x, t):
    copy = x.clone().requires_grad_()
    function(copy)[t].sum().backward()
    return (copy.grad != 0).any(dim=-1)
