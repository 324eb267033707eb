"""Exercises of lesson 3: targets, softmax, cross-entropy, gradients, a network, a training step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from course.answers import lesson3 as answers
from course.exercise import Exercise, Misconception

_IDS = torch.tensor([5, 3, 8, 1, 9, 2, 7, 4])
_LOGITS = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [2.0, -1.0, 0.5], [0.3, 0.1, -0.7]])
_LARGE = torch.tensor([[1000.0, 999.0], [-1000.0, 0.0]])
_TARGETS = torch.tensor([2, 0, 1, 1])


def _network(seed: int) -> list[Tensor]:
    """Parameters for 7 tokens, 3 tokens of context, embeddings of width 2, 5 hidden units."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(7, 2), (6, 5), (5,), (5, 7), (7,)]
    return [torch.randn(shape, generator=generator) for shape in shapes]


_X = torch.tensor([[1, 2, 3], [6, 0, 0], [3, 3, 1], [2, 5, 4]])
_Y = torch.tensor([4, 0, 2, 6])


def _four_steps(step: Callable[..., Any], seed: int, learning_rate: float) -> Any:
    """What four steps return, and the weights that are left."""
    parameters = [weights.requires_grad_() for weights in _network(seed)]
    losses = [step(parameters, _X, _Y, learning_rate) for _ in range(4)]
    if losses[0] is None:
        return None
    values = [loss.detach() if isinstance(loss, Tensor) else loss for loss in losses]
    return {
        "returned type": type(losses[0]).__name__,
        "returned losses": values,
        "parameters": [weights.detach() for weights in parameters],
    }


EXERCISES = [
    Exercise(
        number="3.1",
        name="inputs_and_targets",
        solution=answers.inputs_and_targets,
        cases=[
            (_IDS, torch.tensor([0, 2]), 3),
            (_IDS, torch.tensor([1]), 1),
            (_IDS, torch.tensor([3, 0, 1]), 4),
        ],
        misconceptions=[
            Misconception(
                "targets that are not shifted",
                "The target of a position is the token after it. As it is, the model could copy "
                "its input.",
                answers.not_shifted,
            ),
            Misconception(
                "inputs and targets swapped",
                "The input comes first in the text, the target after it.",
                answers.shifted_back,
            ),
            Misconception(
                "one token too few",
                "`length` inputs and their targets need `length + 1` ids from each start.",
                answers.one_short,
            ),
            Misconception(
                "targets shifted by two",
                "The target is the very next token.",
                answers.shifted_by_two,
            ),
            Misconception(
                "only the last target",
                "Every position has a target, so `y` has the shape of `x`.",
                answers.last_target_only,
            ),
            Misconception(
                "one target for each start",
                "Each of the `length` positions has a target of its own, so `y` is [B, T], too.",
                answers.one_target_each,
            ),
            Misconception(
                "targets that begin after the inputs",
                "The target is the *next* token of each position, so `y` overlaps with `x`.",
                answers.next_window,
            ),
        ],
        hints=[
            "Cut `ids[start : start + length + 1]` for each start, and stack the pieces.",
            "`windows = torch.stack([...])` has the shape [B, length + 1]. The inputs are all "
            "columns but the last one.",
        ],
    ),
    Exercise(
        number="3.2",
        name="softmax",
        solution=answers.softmax,
        cases=[(_LOGITS,), (_LOGITS[:1],), (_LARGE,)],
        misconceptions=[
            Misconception(
                "a softmax over the wrong axis",
                "Each row is one guess and must sum to 1. Sum over the last dimension: `dim=-1`.",
                answers.over_the_rows,
            ),
            Misconception(
                "a softmax over all numbers at once",
                "Each row is a guess of its own and must sum to 1: `sum(dim=-1, keepdim=True)`.",
                answers.over_everything,
            ),
            Misconception(
                "a division without the exponential function",
                "Logits can be negative, probabilities cannot. First `exp`, then divide.",
                answers.without_exp,
            ),
            Misconception(
                "exponentials that are not divided by their sum",
                "The probabilities of a row must sum to 1.",
                answers.without_division,
            ),
            Misconception(
                "an overflow with large logits",
                "exp(1000) is infinite. Subtract the largest logit of each row first; the result "
                "is the same, because the factor cancels.",
                answers.too_large,
            ),
            Misconception(
                "logarithms of the probabilities",
                "Return the probabilities themselves.",
                answers.log_softmax,
            ),
            Misconception(
                "one largest logit for all rows",
                "A row far below the largest logit of all becomes 0/0. Subtract the largest logit "
                "of *each row*: `amax(dim=-1, keepdim=True)`.",
                answers.largest_of_all,
            ),
        ],
        hints=[
            "`logits.exp()` makes everything positive. Then divide each row by its sum.",
            "`sum(dim=-1, keepdim=True)` keeps the shape [N, 1], which divides row by row.",
            "Against overflow: subtract `logits.amax(dim=-1, keepdim=True)` before `exp`.",
        ],
        insight="Adding a number to all logits of a row changes nothing.",
    ),
    Exercise(
        number="3.3",
        name="cross_entropy",
        solution=answers.cross_entropy,
        cases=[(_LOGITS, _TARGETS), (_LOGITS[:1], _TARGETS[:1]), (2 * _LOGITS, _TARGETS)],
        misconceptions=[
            Misconception(
                "a sum instead of a mean",
                "Divide by the number of guesses: `mean()`.",
                answers.total,
            ),
            Misconception(
                "a missing minus",
                "The logarithm of a probability is negative; the loss is its opposite.",
                answers.positive_log,
            ),
            Misconception(
                "probabilities without the logarithm",
                "The loss is the mean of -ln(p), not of -p.",
                answers.probability_only,
            ),
            Misconception(
                "the logarithm of the mean probability",
                "First the logarithm of each probability, then the mean.",
                answers.log_after_mean,
            ),
            Misconception(
                "a logarithm to the base 2", "The loss is in nats: use `log()`.", answers.bits
            ),
            Misconception(
                "every row paired with every target",
                "`p[:, targets]` takes N x N numbers. Row i belongs to target i only: index both "
                "dimensions, `p[torch.arange(N), targets]`.",
                answers.every_token,
            ),
            Misconception(
                "a mean over the vocabulary as well",
                "Each row contributes one number, the one of its target. Divide by N.",
                answers.mean_over_vocabulary,
            ),
            Misconception(
                "losses that are not averaged",
                "The loss is one number: the mean over the guesses.",
                answers.one_loss_each,
            ),
            Misconception(
                "logits taken for probabilities",
                "A logit can be negative, and then its logarithm is NaN. First the softmax.",
                answers.logarithms_of_logits,
            ),
            Misconception(
                "all tokens instead of the targets",
                "Only the probability of the token that came counts: one number of each row.",
                answers.of_all_tokens,
            ),
        ],
        hints=[
            "You need the probability of the target in each row, then -ln, then the mean.",
            "`softmax(logits)[torch.arange(len(targets)), targets]` is one number for each row.",
        ],
    ),
    Exercise(
        number="3.4",
        name="logits_gradient",
        solution=answers.logits_gradient,
        cases=[(_LOGITS, _TARGETS), (_LOGITS[:2], _TARGETS[:2]), (2 * _LOGITS, _TARGETS)],
        misconceptions=[
            Misconception(
                "the gradient of a sum of losses",
                "The loss is a mean over N guesses, so each counts 1/N.",
                answers.gradient_of_sum,
            ),
            Misconception(
                "the opposite sign",
                "A larger logit of a wrong token makes the loss larger, so its gradient is "
                "positive.",
                answers.opposite_gradient,
            ),
            Misconception(
                "a gradient without the target",
                "Subtract 1 at the target of each row.",
                answers.without_target,
            ),
            Misconception(
                "a gradient at the targets only",
                "All logits of a row change its probabilities, so none has the gradient 0.",
                answers.targets_only,
            ),
            Misconception(
                "1 subtracted from whole columns",
                "Subtract 1 in row i at target i only: index both dimensions.",
                answers.whole_columns,
            ),
            Misconception(
                "1 subtracted after the division",
                "Each guess counts 1/N, and so does its target. Subtract 1 first, then divide "
                "everything by N.",
                answers.divided_too_early,
            ),
            Misconception(
                "a division by the number of all logits",
                "The loss is a mean over N guesses, not over N times V logits.",
                answers.divided_by_all_logits,
            ),
        ],
        hints=[
            "Start with the probabilities. One number in each row is different.",
            "Subtract 1 at `[torch.arange(N), targets]`, then divide everything by N.",
        ],
        insight="The gradient of a row sums to 0: what the target gains, the others lose.",
    ),
    Exercise(
        number="3.5",
        name="descend",
        solution=answers.descend,
        cases=[
            (torch.tensor([1.0, 2.0]), torch.tensor([0.5, -3.0]), 0.1),
            (torch.tensor([0.0, 4.0]), torch.tensor([1.0, 1.0]), 2.0),
        ],
        misconceptions=[
            Misconception(
                "a step uphill",
                "The gradient points to where the loss grows. Go the other way.",
                answers.ascend,
            ),
            Misconception(
                "a step without its starting point",
                "The new weights are the old ones plus the step.",
                answers.forget_weights,
            ),
            Misconception(
                "a step without the learning rate",
                "Multiply the gradient by the learning rate.",
                answers.full_step,
            ),
            Misconception(
                "a step proportional to the weights",
                "Subtract the step from the weights; do not multiply by them.",
                answers.shrink,
            ),
        ],
        hints=[
            "Old weights, minus a small multiple of the gradient.",
            "The multiple is the learning rate.",
        ],
    ),
    Exercise(
        number="3.6",
        name="forward",
        solution=answers.forward,
        cases=[(_network(0), _X), (_network(1), _X[:1]), (_network(2), _X[1:3])],
        misconceptions=[
            Misconception(
                "a network without tanh",
                "Two matrices one after the other are only one matrix. The function between them "
                "makes the network able to do more.",
                answers.linear,
            ),
            Misconception(
                "a network without its biases", "Add `b1` and `b2`.", answers.without_biases
            ),
            Misconception(
                "a forgotten `b1`", "Add `b1` before the tanh.", answers.without_first_bias
            ),
            Misconception(
                "vectors that are mixed number by number",
                "Lay the vectors one after another: flatten [B, T, E] as it is, without a "
                "transpose.",
                answers.interleaved,
            ),
            Misconception(
                "a tanh at the end",
                "Logits may be any number. The tanh would keep them between -1 and 1.",
                answers.tanh_at_the_end,
            ),
            Misconception(
                "probabilities instead of logits",
                "Return the logits; the softmax is in the loss.",
                answers.probabilities,
            ),
            Misconception(
                "vectors that are not joined",
                "`embedding[x]` is [B, T, E]. The matrix `w1` needs [B, T * E]: "
                "`flatten(start_dim=1)`.",
                answers.not_flat,
            ),
            Misconception(
                "`b1` added after the tanh",
                "Add `b1` before the tanh: it belongs to what is bent.",
                answers.late_bias,
            ),
            Misconception(
                "a forgotten `b2`",
                "The last step is `@ w2`, plus `b2`.",
                answers.last_bias_forgotten,
            ),
        ],
        hints=[
            "`embedding[x]` looks up all vectors at once: [B, T, E].",
            "`.flatten(start_dim=1)` makes [B, T * E] of it. Then `@ w1 + b1`, and `torch.tanh`.",
            "The last line is `hidden @ w2 + b2`.",
        ],
    ),
    Exercise(
        number="3.7",
        name="train_step",
        solution=answers.train_step,
        cases=[(0, 0.1), (1, 0.5)],
        run=_four_steps,
        call="train_step(parameters, x, y, {1}), called four times",
        misconceptions=[
            Misconception(
                "gradients that are never cleared",
                "`backward` adds to what is in `.grad`. Set it to None before each step.",
                answers.gradients_add_up,
            ),
            Misconception("steps uphill", "Subtract the gradient, do not add it.", answers.uphill),
            Misconception(
                "a change that is lost",
                "`weights = weights - ...` makes a new tensor and only renames it. `weights -= "
                "...` changes the parameter itself.",
                answers.renamed_only,
            ),
            Misconception(
                "an update that PyTorch would differentiate, too",
                "Put the update into `with torch.no_grad():`.",
                answers.with_gradients_on,
            ),
            Misconception(
                "a loss that is still a tensor",
                "It keeps the whole computation in memory. Return a number: `loss.item()`.",
                answers.loss_as_tensor,
            ),
            Misconception(
                "the loss after the update",
                "Return the loss that the gradient was computed from; a second one costs time.",
                answers.loss_afterwards,
            ),
            Misconception(
                "an update of the first parameter only",
                "Loop over all parameters.",
                answers.first_weights_only,
            ),
            Misconception(
                "steps without the learning rate",
                "Multiply the gradient by the learning rate.",
                answers.full_steps,
            ),
        ],
        hints=[
            "Four parts: the loss; clear the gradients; `loss.backward()`; update.",
            "Clear with `weights.grad = None` for each of the parameters, before `backward`.",
            "Update inside `with torch.no_grad():` by `weights -= learning_rate * weights.grad`.",
        ],
    ),
]
