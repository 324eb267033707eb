"""Answers to the exercises of lesson 3: solutions, and what learners typically write instead."""

from __future__ import annotations

import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor]

# 3.1


def inputs_and_targets(ids: Tensor, starts: Tensor, length: int) -> tuple[Tensor, Tensor]:
    windows = torch.stack([ids[start : start + length + 1] for start in starts.tolist()])
    return windows[:, :-1], windows[:, 1:]


def not_shifted(ids: Tensor, starts: Tensor, length: int) -> Batch:
    x = torch.stack([ids[start : start + length] for start in starts.tolist()])
    return x, x.clone()


def shifted_back(ids: Tensor, starts: Tensor, length: int) -> Batch:
    x, y = inputs_and_targets(ids, starts, length)
    return y, x


def one_short(ids: Tensor, starts: Tensor, length: int) -> Batch:
    windows = torch.stack([ids[start : start + length] for start in starts.tolist()])
    return windows[:, :-1], windows[:, 1:]


def shifted_by_two(ids: Tensor, starts: Tensor, length: int) -> Batch:
    windows = torch.stack([ids[start : start + length + 2] for start in starts.tolist()])
    return windows[:, :-2], windows[:, 2:]


def last_target_only(ids: Tensor, starts: Tensor, length: int) -> Batch:
    x, y = inputs_and_targets(ids, starts, length)
    return x, y[:, -1]


def one_target_each(ids: Tensor, starts: Tensor, length: int) -> tuple[Tensor, Tensor]:
    x, y = inputs_and_targets(ids, starts, length)
    return x, y[:, -1:]


def next_window(ids: Tensor, starts: Tensor, length: int) -> tuple[Tensor, Tensor]:
    x = torch.stack([ids[start : start + length] for start in starts])
    return x, torch.stack([ids[start + length : start + 2 * length] for start in starts])


# 3.2


def softmax(logits: Tensor) -> Tensor:
    exponentials = (logits - logits.amax(dim=-1, keepdim=True)).exp()
    return exponentials / exponentials.sum(dim=-1, keepdim=True)


def over_the_rows(logits: Tensor) -> Tensor:
    return logits.softmax(dim=0)


def over_everything(logits: Tensor) -> Tensor:
    return logits.flatten().softmax(dim=0).view_as(logits)


def without_exp(logits: Tensor) -> Tensor:
    return logits / logits.sum(dim=-1, keepdim=True)


def without_division(logits: Tensor) -> Tensor:
    return logits.exp()


def too_large(logits: Tensor) -> Tensor:
    return logits.exp() / logits.exp().sum(dim=-1, keepdim=True)


def log_softmax(logits: Tensor) -> Tensor:
    return logits.log_softmax(dim=-1)


def largest_of_all(logits: Tensor) -> Tensor:
    powers = (logits - logits.max()).exp()
    return powers / powers.sum(dim=-1, keepdim=True)


# 3.3


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    probabilities = softmax(logits)
    of_targets = probabilities[torch.arange(len(targets)), targets]
    return -of_targets.log().mean()


def total(logits: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(logits, targets) * len(targets)


def positive_log(logits: Tensor, targets: Tensor) -> Tensor:
    return -cross_entropy(logits, targets)


def probability_only(logits: Tensor, targets: Tensor) -> Tensor:
    return -softmax(logits)[torch.arange(len(targets)), targets].mean()


def log_after_mean(logits: Tensor, targets: Tensor) -> Tensor:
    return -softmax(logits)[torch.arange(len(targets)), targets].mean().log()


def bits(logits: Tensor, targets: Tensor) -> Tensor:
    return -softmax(logits)[torch.arange(len(targets)), targets].log2().mean()


def every_token(logits: Tensor, targets: Tensor) -> Tensor:
    return -softmax(logits)[:, targets].log().mean()


def mean_over_vocabulary(logits: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(logits, targets) / logits.size(-1)


def one_loss_each(logits: Tensor, targets: Tensor) -> Tensor:
    return -softmax(logits)[torch.arange(len(targets)), targets].log()


def logarithms_of_logits(logits: Tensor, targets: Tensor) -> Tensor:
    return -logits[torch.arange(len(targets)), targets].log().mean()


def of_all_tokens(logits: Tensor, targets: Tensor) -> Tensor:
    return -softmax(logits).log().mean()


# 3.4


def logits_gradient(logits: Tensor, targets: Tensor) -> Tensor:
    gradient = softmax(logits)
    gradient[torch.arange(len(targets)), targets] -= 1
    return gradient / len(targets)


def gradient_of_sum(logits: Tensor, targets: Tensor) -> Tensor:
    return logits_gradient(logits, targets) * len(targets)


def opposite_gradient(logits: Tensor, targets: Tensor) -> Tensor:
    return -logits_gradient(logits, targets)


def without_target(logits: Tensor, targets: Tensor) -> Tensor:
    return softmax(logits) / len(targets)


def targets_only(logits: Tensor, targets: Tensor) -> Tensor:
    gradient = torch.zeros_like(logits)
    rows = torch.arange(len(targets))
    gradient[rows, targets] = softmax(logits)[rows, targets] - 1
    return gradient / len(targets)


def whole_columns(logits: Tensor, targets: Tensor) -> Tensor:
    gradient = softmax(logits)
    gradient[:, targets] -= 1
    return gradient / len(targets)


def divided_too_early(logits: Tensor, targets: Tensor) -> Tensor:
    gradient = softmax(logits) / len(targets)
    gradient[torch.arange(len(targets)), targets] -= 1
    return gradient


def divided_by_all_logits(logits: Tensor, targets: Tensor) -> Tensor:
    return logits_gradient(logits, targets) / logits.size(1)


# 3.5


def descend(weights: Tensor, gradient: Tensor, learning_rate: float) -> Tensor:
    return weights - learning_rate * gradient


def ascend(weights: Tensor, gradient: Tensor, learning_rate: float) -> Tensor:
    return weights + learning_rate * gradient


def forget_weights(weights: Tensor, gradient: Tensor, learning_rate: float) -> Tensor:
    return -learning_rate * gradient


def full_step(weights: Tensor, gradient: Tensor, learning_rate: float) -> Tensor:
    return weights - gradient


def shrink(weights: Tensor, gradient: Tensor, learning_rate: float) -> Tensor:
    return weights * (1 - learning_rate * gradient)


# 3.6


def forward(parameters: list[Tensor], x: Tensor) -> Tensor:
    embedding, w1, b1, w2, b2 = parameters
    vectors = embedding[x].flatten(start_dim=1)
    hidden = torch.tanh(vectors @ w1 + b1)
    return hidden @ w2 + b2


def linear(parameters: list[Tensor], x: Tensor) -> Tensor:
    embedding, w1, b1, w2, b2 = parameters
    return (embedding[x].flatten(start_dim=1) @ w1 + b1) @ w2 + b2


def without_biases(parameters: list[Tensor], x: Tensor) -> Tensor:
    embedding, w1, _, w2, _ = parameters
    return torch.tanh(embedding[x].flatten(start_dim=1) @ w1) @ w2


def without_first_bias(parameters: list[Tensor], x: Tensor) -> Tensor:
    embedding, w1, _, w2, b2 = parameters
    return torch.tanh(embedding[x].flatten(start_dim=1) @ w1) @ w2 + b2


def interleaved(parameters: list[Tensor], x: Tensor) -> Tensor:
    embedding, w1, b1, w2, b2 = parameters
    vectors = embedding[x].transpose(1, 2).flatten(start_dim=1)
    return torch.tanh(vectors @ w1 + b1) @ w2 + b2


def tanh_at_the_end(parameters: list[Tensor], x: Tensor) -> Tensor:
    embedding, w1, b1, w2, b2 = parameters
    return torch.tanh(torch.tanh(embedding[x].flatten(start_dim=1) @ w1 + b1) @ w2 + b2)


def probabilities(parameters: list[Tensor], x: Tensor) -> Tensor:
    return forward(parameters, x).softmax(dim=-1)


def not_flat(parameters: list[Tensor], x: Tensor) -> Tensor:
    embedding, w1, b1, w2, b2 = parameters
    return torch.tanh(embedding[x] @ w1 + b1) @ w2 + b2


def late_bias(parameters: list[Tensor], x: Tensor) -> Tensor:
    embedding, w1, b1, w2, b2 = parameters
    return ((embedding[x].flatten(start_dim=1) @ w1).tanh() + b1) @ w2 + b2


def last_bias_forgotten(parameters: list[Tensor], x: Tensor) -> Tensor:
    return forward(parameters, x) - parameters[-1]


# 3.7


def train_step(parameters: list[Tensor], x: Tensor, y: Tensor, learning_rate: float) -> float:
    loss = cross_entropy(forward(parameters, x), y)
    for weights in parameters:
        weights.grad = None
    loss.backward()
    with torch.no_grad():
        for weights in parameters:
            weights -= learning_rate * weights.grad
    return loss.item()


def gradients_add_up(parameters: list[Tensor], x: Tensor, y: Tensor, learning_rate: float) -> float:
    loss = cross_entropy(forward(parameters, x), y)
    loss.backward()
    with torch.no_grad():
        for weights in parameters:
            weights -= learning_rate * weights.grad
    return loss.item()


def uphill(parameters: list[Tensor], x: Tensor, y: Tensor, learning_rate: float) -> float:
    return train_step(parameters, x, y, -learning_rate)


def renamed_only(parameters: list[Tensor], x: Tensor, y: Tensor, learning_rate: float) -> float:
    loss = cross_entropy(forward(parameters, x), y)
    for weights in parameters:
        weights.grad = None
    loss.backward()
    with torch.no_grad():
        for weights in parameters:
            weights = weights - learning_rate * weights.grad
    return loss.item()


def with_gradients_on(
    parameters: list[Tensor], x: Tensor, y: Tensor, learning_rate: float
) -> float:
    loss = cross_entropy(forward(parameters, x), y)
    for weights in parameters:
        weights.grad = None
    loss.backward()
    for weights in parameters:
        weights -= learning_rate * weights.grad
    return loss.item()


def loss_as_tensor(parameters: list[Tensor], x: Tensor, y: Tensor, learning_rate: float) -> Tensor:
    loss = cross_entropy(forward(parameters, x), y)
    train_step(parameters, x, y, learning_rate)
    return loss


def loss_afterwards(parameters: list[Tensor], x: Tensor, y: Tensor, learning_rate: float) -> float:
    train_step(parameters, x, y, learning_rate)
    return cross_entropy(forward(parameters, x), y).item()


def first_weights_only(
    parameters: list[Tensor], x: Tensor, y: Tensor, learning_rate: float
) -> float:
    loss = cross_entropy(forward(parameters, x), y)
    for weights in parameters:
        weights.grad = None
    loss.backward()
    with torch.no_grad():
        parameters[0] -= learning_rate * parameters[0].grad
    return loss.item()


def full_steps(parameters: list[Tensor], x: Tensor, y: Tensor, learning_rate: float) -> float:
    return train_step(parameters, x, y, 1.0)
