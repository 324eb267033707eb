"""Answers to the exercises of lesson 6: solutions, and what learners typically write instead."""

from __future__ import annotations

import math

import torch
from torch import Tensor

Update = tuple[Tensor, Tensor, Tensor]


# 6.1


def mean_gradient(gradients: list[Tensor], n_tokens: list[int]) -> Tensor:
    total = torch.zeros_like(gradients[0])
    for gradient, count in zip(gradients, n_tokens, strict=True):
        total += gradient * count
    return total / sum(n_tokens)


def summed(gradients: list[Tensor], n_tokens: list[int]) -> Tensor:
    return torch.stack(gradients).sum(dim=0)


def all_parts_equal(gradients: list[Tensor], n_tokens: list[int]) -> Tensor:
    return torch.stack(gradients).mean(dim=0)


def last_only(gradients: list[Tensor], n_tokens: list[int]) -> Tensor:
    return gradients[-1]


def weighted_sum(gradients: list[Tensor], n_tokens: list[int]) -> Tensor:
    return mean_gradient(gradients, n_tokens) * sum(n_tokens)


def divided_by_parts(gradients: list[Tensor], n_tokens: list[int]) -> Tensor:
    return weighted_sum(gradients, n_tokens) / len(gradients)


def summed_per_token(gradients: list[Tensor], n_tokens: list[int]) -> Tensor:
    return summed(gradients, n_tokens) / sum(n_tokens)


# 6.2


def clip(gradients: list[Tensor], limit: float) -> list[Tensor]:
    norm = math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients))
    factor = min(1.0, limit / norm) if norm > 0 else 1.0
    return [gradient * factor for gradient in gradients]


def each_tensor_alone(gradients: list[Tensor], limit: float) -> list[Tensor]:
    return [clip([gradient], limit)[0] for gradient in gradients]


def each_number_alone(gradients: list[Tensor], limit: float) -> list[Tensor]:
    return [gradient.clamp(-limit, limit) for gradient in gradients]


def always_scaled(gradients: list[Tensor], limit: float) -> list[Tensor]:
    norm = math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients))
    return [gradient * limit / norm for gradient in gradients]


def without_the_root(gradients: list[Tensor], limit: float) -> list[Tensor]:
    square = sum(float(gradient.square().sum()) for gradient in gradients)
    factor = min(1.0, limit / square) if square > 0 else 1.0
    return [gradient * factor for gradient in gradients]


def norms_added(gradients: list[Tensor], limit: float) -> list[Tensor]:
    norm = sum(float(gradient.norm()) for gradient in gradients)
    factor = min(1.0, limit / norm) if norm > 0 else 1.0
    return [gradient * factor for gradient in gradients]


def set_to_zero(gradients: list[Tensor], limit: float) -> list[Tensor]:
    norm = math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients))
    return [gradient * (norm <= limit) for gradient in gradients]


def scaled_to_one(gradients: list[Tensor], limit: float) -> list[Tensor]:
    norm = math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients))
    return gradients if norm <= limit else [gradient / norm for gradient in gradients]


# 6.3


def adamw(
    weight: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, step: int, lr: float
) -> tuple[Tensor, Tensor, Tensor]:
    mean = 0.9 * mean + 0.1 * gradient
    square = 0.95 * square + 0.05 * gradient**2
    mean_now = mean / (1 - 0.9**step)
    square_now = square / (1 - 0.95**step)
    weight = weight * (1 - lr * 0.1)
    return weight - lr * mean_now / (square_now.sqrt() + 1e-8), mean, square


def _adamw(
    weight: Tensor,
    gradient: Tensor,
    mean: Tensor,
    square: Tensor,
    step: int,
    lr: float,
    *,
    corrected: bool = True,
    rooted: bool = True,
    decay: float = 0.1,
    sign: float = -1.0,
) -> Update:
    """AdamW with one thing changed."""
    mean = 0.9 * mean + 0.1 * gradient
    square = 0.95 * square + 0.05 * gradient**2
    mean_now = mean / (1 - 0.9**step) if corrected else mean
    square_now = square / (1 - 0.95**step) if corrected else square
    scale = square_now.sqrt() if rooted else square_now
    weight = weight * (1 - lr * decay)
    return weight + sign * lr * mean_now / (scale + 1e-8), mean, square


def not_corrected(
    weight: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, step: int, lr: float
) -> Update:
    return _adamw(weight, gradient, mean, square, step, lr, corrected=False)


def without_root(
    weight: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, step: int, lr: float
) -> Update:
    return _adamw(weight, gradient, mean, square, step, lr, rooted=False)


def without_decay(
    weight: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, step: int, lr: float
) -> Update:
    return _adamw(weight, gradient, mean, square, step, lr, decay=0.0)


def decay_without_rate(
    weight: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, step: int, lr: float
) -> Update:
    return _adamw(weight, gradient, mean, square, step, lr, decay=0.1 / lr)


def uphill(
    weight: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, step: int, lr: float
) -> Update:
    return _adamw(weight, gradient, mean, square, step, lr, sign=1.0)


def decay_in_gradient(
    weight: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, step: int, lr: float
) -> Update:
    return _adamw(weight, gradient + 0.1 * weight, mean, square, step, lr, decay=0.0)


def corrected_returned(
    weight: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, step: int, lr: float
) -> Update:
    weight, mean, square = adamw(weight, gradient, mean, square, step, lr)
    return weight, mean / (1 - 0.9**step), square / (1 - 0.95**step)


def shares_swapped(
    weight: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, step: int, lr: float
) -> Update:
    mean = 0.1 * mean + 0.9 * gradient
    square = 0.05 * square + 0.95 * gradient**2
    weight = weight * (1 - lr * 0.1)
    update = mean / (1 - 0.1**step) / ((square / (1 - 0.05**step)).sqrt() + 1e-8)
    return weight - lr * update, mean, square


def decayed_afterwards(
    weight: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, step: int, lr: float
) -> Update:
    new, mean, square = without_decay(weight, gradient, mean, square, step, lr)
    return new * (1 - 0.1 * lr), mean, square


def small_number_inside(
    weight: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, step: int, lr: float
) -> Update:
    _, mean, square = adamw(weight, gradient, mean, square, step, lr)
    root = (square / (1 - 0.95**step) + 1e-8).sqrt()
    return weight * (1 - 0.1 * lr) - lr * mean / (1 - 0.9**step) / root, mean, square


def other_order(
    weight: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, step: int, lr: float
) -> Update:
    weight, mean, square = adamw(weight, gradient, mean, square, step, lr)
    return weight, square, mean


# 6.4


def orthogonalize(matrix: Tensor, n_steps: int) -> Tensor:
    x: Tensor = matrix / matrix.norm()
    for _ in range(n_steps):
        square = x @ x.T
        x = 3.4445 * x - 4.775 * square @ x + 2.0315 * square @ square @ x
    return x


def not_normalized(matrix: Tensor, n_steps: int) -> Tensor:
    x = matrix
    for _ in range(n_steps):
        square = x @ x.T
        x = 3.4445 * x - 4.775 * square @ x + 2.0315 * square @ square @ x
    return x


def normalized_each_time(matrix: Tensor, n_steps: int) -> Tensor:
    x = matrix
    for _ in range(n_steps):
        x = orthogonalize(x, 1)
    return x


def always_from_the_start(matrix: Tensor, n_steps: int) -> Tensor:
    return orthogonalize(matrix, 1)


def plus_everywhere(matrix: Tensor, n_steps: int) -> Tensor:
    x: Tensor = matrix / matrix.norm()
    for _ in range(n_steps):
        square = x @ x.T
        x = 3.4445 * x + 4.775 * square @ x + 2.0315 * square @ square @ x
    return x


def number_by_number(matrix: Tensor, n_steps: int) -> Tensor:
    x: Tensor = matrix / matrix.norm()
    for _ in range(n_steps):
        x = 3.4445 * x - 4.775 * x**3 + 2.0315 * x**5
    return x


def only_scaled(matrix: Tensor, n_steps: int) -> Tensor:
    return orthogonalize(matrix, 0)


def square_of_numbers(matrix: Tensor, n_steps: int) -> Tensor:
    x: Tensor = matrix / matrix.norm()
    for _ in range(n_steps):
        product = x @ x.T
        x = 3.4445 * x - 4.775 * product @ x + 2.0315 * product**2 @ x
    return x


# 6.5


def lr_share(step: int, n_steps: int, n_warmup: int, n_decay: int) -> float:
    warm = (step + 1) / n_warmup
    left = (n_steps - step) / n_decay
    return min(1.0, warm, left)


def from_zero(step: int, n_steps: int, n_warmup: int, n_decay: int) -> float:
    return min(1.0, step / n_warmup, (n_steps - step) / n_decay)


def without_the_end(step: int, n_steps: int, n_warmup: int, n_decay: int) -> float:
    return min(1.0, (step + 1) / n_warmup)


def without_warmup(step: int, n_steps: int, n_warmup: int, n_decay: int) -> float:
    return min(1.0, (n_steps - step) / n_decay)


def not_limited(step: int, n_steps: int, n_warmup: int, n_decay: int) -> float:
    return min((step + 1) / n_warmup, (n_steps - step) / n_decay)


def decay_from_warmup(step: int, n_steps: int, n_warmup: int, n_decay: int) -> float:
    return min(1.0, (step + 1) / n_warmup, (n_steps - step) / (n_steps - n_warmup))


def last_step_at_zero(step: int, n_steps: int, n_warmup: int, n_decay: int) -> float:
    return min(1.0, (step + 1) / n_warmup, (n_steps - 1 - step) / n_decay)


# 6.6

# In bfloat16, 256 + 1.
sum_in_bfloat16 = 256


# 6.7

diagnosis = {"A": "rate too small", "B": "rate too large", "C": "too little text", "D": "peeking"}
