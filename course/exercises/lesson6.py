"""Exercises of lesson 6: gradients of parts, clipping, AdamW, Muon, learning rate, faults."""

from __future__ import annotations

import torch
from torch import Tensor

from course.answers import lesson6 as answers
from course.exercise import Exercise, Misconception

_CHANCE = torch.Generator().manual_seed(6)


def _random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=_CHANCE)


_RIGHT = answers.diagnosis

EXERCISES = [
    Exercise(
        number="6.1",
        name="mean_gradient",
        solution=answers.mean_gradient,
        cases=[
            ([_random(3), _random(3), _random(3)], [10, 10, 20]),
            ([_random(2, 2), _random(2, 2)], [1, 3]),
        ],
        misconceptions=[
            Misconception(
                "a plain mean over the parts",
                "A part with twice the tokens counts twice. Each gradient is a mean over its own "
                "tokens; you want the mean over all tokens.",
                answers.all_parts_equal,
            ),
            Misconception(
                "gradients added and not divided",
                "The gradients of the parts are means. Their sum grows with the number of parts, "
                "as if the learning rate had grown.",
                answers.summed,
            ),
            Misconception(
                "the last part only",
                "All parts count: add them up first.",
                answers.last_only,
            ),
            Misconception(
                "a weighted sum that is not divided",
                "Weighting is right. At the end, divide by the number of all tokens.",
                answers.weighted_sum,
            ),
            Misconception(
                "a weighted sum divided by the number of parts",
                "Divide by the number of all tokens, not of parts.",
                answers.divided_by_parts,
            ),
            Misconception(
                "a sum without weights, divided by the tokens",
                "A gradient that is a mean over n tokens stands for n tokens: multiply it by n "
                "before you add.",
                answers.summed_per_token,
            ),
        ],
        hints=[
            "Turn each mean back into a sum over its tokens: multiply it by its number of tokens.",
            "Add these sums, and divide by `sum(n_tokens)`.",
        ],
        insight="A batch that does not fit into memory is computed in parts, for the same step.",
    ),
    Exercise(
        number="6.2",
        name="clip",
        solution=answers.clip,
        cases=[
            ([torch.tensor([3.0, 0.0]), torch.tensor([[0.0], [4.0]])], 1.0),
            ([torch.tensor([0.3, 0.0]), torch.tensor([[0.0], [0.4]])], 1.0),
            ([_random(4), 0.1 * _random(2, 3)], 0.5),
        ],
        misconceptions=[
            Misconception(
                "each tensor clipped by itself",
                "The direction of the whole step would change. Compute one norm over all numbers "
                "of all tensors, and one factor.",
                answers.each_tensor_alone,
            ),
            Misconception(
                "each number clipped by itself",
                "Large numbers would be cut and small ones not, so the direction changes. Multiply "
                "everything by one factor.",
                answers.each_number_alone,
            ),
            Misconception(
                "small gradients that are enlarged",
                "A gradient below the limit stays as it is: the factor is at most 1.",
                answers.always_scaled,
            ),
            Misconception(
                "a norm without the root",
                "The norm is the root of the sum of squares.",
                answers.without_the_root,
            ),
            Misconception(
                "norms that are added",
                "The norm of everything is the root of the sum of all squares. Norms of parts do "
                "not add up.",
                answers.norms_added,
            ),
            Misconception(
                "large gradients dropped",
                "A large gradient is shortened to the limit; its direction is still useful.",
                answers.set_to_zero,
            ),
            Misconception(
                "a norm of 1 instead of the limit",
                "Multiply by limit / norm: dividing by the norm alone scales to a norm of 1.",
                answers.scaled_to_one,
            ),
        ],
        hints=[
            "Two steps: the norm over all tensors, then one factor for all.",
            "The square of the norm is the sum of `gradient.square().sum()` over the tensors. The "
            "factor is `min(1, limit / norm)`.",
        ],
    ),
    Exercise(
        number="6.3",
        name="adamw",
        solution=answers.adamw,
        cases=[
            (_random(4), _random(4), torch.zeros(4), torch.zeros(4), 1, 0.02),
            (_random(4), _random(4), 0.3 * _random(4), _random(4).square(), 3, 0.02),
            (_random(4), 1e-4 * _random(4), torch.zeros(4), torch.zeros(4), 1, 0.5),
        ],
        misconceptions=[
            Misconception(
                "means that are not corrected",
                "Both means start from 0, so in the first steps they are too small. Divide them by "
                "1 - 0.9**step and 1 - 0.95**step.",
                answers.not_corrected,
            ),
            Misconception(
                "a division by the mean of squares without its root",
                "Divide by the root: then the update has the size of the learning rate, whatever "
                "the size of the gradient.",
                answers.without_root,
            ),
            Misconception(
                "weights that do not decay",
                "First shrink the weight: multiply it by 1 - lr * 0.1.",
                answers.without_decay,
            ),
            Misconception(
                "a decay that forgets the learning rate",
                "The weight shrinks by the factor 1 - lr * 0.1.",
                answers.decay_without_rate,
            ),
            Misconception(
                "a step uphill",
                "The gradient points to where the loss grows: subtract the update.",
                answers.uphill,
            ),
            Misconception(
                "a decay inside the gradient",
                "That is Adam with L2. In AdamW the decay goes to the weight itself and is not "
                "divided by the root.",
                answers.decay_in_gradient,
            ),
            Misconception(
                "corrected means that are kept",
                "The weight is right. Return the means as they were before the correction, or the "
                "next step corrects them a second time.",
                answers.corrected_returned,
            ),
            Misconception(
                "the shares of old and new swapped",
                "The means change slowly: 0.9 of the old and 0.1 of the new, 0.95 and 0.05.",
                answers.shares_swapped,
            ),
            Misconception(
                "a decay after the update",
                "The weight shrinks first, then the update is subtracted.",
                answers.decayed_afterwards,
            ),
            Misconception(
                "the small number inside the root",
                "The small number is added to the root, not to what it is taken of: √0.00000001 is "
                "10,000 times as large.",
                answers.small_number_inside,
            ),
            Misconception(
                "mean and square returned in the other order",
                "Return the weight, the mean and the square.",
                answers.other_order,
            ),
        ],
        hints=[
            "Five lines: two means, two corrections, the update.",
            "`mean = 0.9 * mean + 0.1 * gradient`, and the same with 0.95 and `gradient**2`.",
            "`weight * (1 - lr * 0.1) - lr * mean_now / (square_now.sqrt() + 1e-8)`, where "
            "`mean_now` and `square_now` are corrected. Return mean and square uncorrected.",
        ],
        insight="In the first step every number moves by the learning rate, up or down.",
    ),
    Exercise(
        number="6.4",
        name="orthogonalize",
        solution=answers.orthogonalize,
        cases=[(0.7 * _random(3, 5), 1), (0.7 * _random(3, 5), 2)],
        misconceptions=[
            Misconception(
                "a matrix that is not normalized first",
                "The iteration works for singular values up to 1. Divide by the norm of the matrix "
                "before the loop.",
                answers.not_normalized,
            ),
            Misconception(
                "a norm in every iteration",
                "Normalize once, before the loop. Afterwards the values grow towards 1 by "
                "themselves.",
                answers.normalized_each_time,
            ),
            Misconception(
                "iterations that all begin with the same matrix",
                "Each iteration continues with the x of the one before.",
                answers.always_from_the_start,
            ),
            Misconception(
                "the second term added",
                "The signs are plus, minus, plus.",
                answers.plus_everywhere,
            ),
            Misconception(
                "powers of single numbers",
                "The powers are matrix products: `(x @ x.T) @ x` instead of `x**3`.",
                answers.number_by_number,
            ),
            Misconception(
                "a matrix that is only normalized",
                "That changes the size of all singular values alike. The iteration is missing.",
                answers.only_scaled,
            ),
            Misconception(
                "a square of single numbers",
                "(x xᵀ)² is the matrix times itself: `product @ product`.",
                answers.square_of_numbers,
            ),
        ],
        hints=[
            "`matrix / matrix.norm()` first. In the loop, compute `square = x @ x.T` once.",
            "`x = 3.4445 * x - 4.775 * square @ x + 2.0315 * square @ square @ x`.",
        ],
    ),
    Exercise(
        number="6.5",
        name="lr_share",
        solution=answers.lr_share,
        cases=[(step, 100, 10, 40) for step in (0, 4, 9, 10, 59, 60, 80, 99)],
        misconceptions=[
            Misconception(
                "a first step with the rate 0",
                "Step 0 would change nothing. Count from 1: (step + 1) / n_warmup.",
                answers.from_zero,
            ),
            Misconception(
                "a rate that does not fall at the end",
                "In the last n_decay steps it falls in a straight line.",
                answers.without_the_end,
            ),
            Misconception(
                "a rate that does not rise at the start",
                "In the first n_warmup steps it rises in a straight line.",
                answers.without_warmup,
            ),
            Misconception(
                "a rate that grows above its peak",
                "The share is at most 1.",
                answers.not_limited,
            ),
            Misconception(
                "a fall that begins right after the warm-up",
                "Between warm-up and the last n_decay steps, the share stays at 1.",
                answers.decay_from_warmup,
            ),
            Misconception(
                "a last step with the rate 0",
                "The last step is n_steps - 1, and it should still change something: its share is "
                "1 / n_decay.",
                answers.last_step_at_zero,
            ),
        ],
        hints=[
            "It is the smallest of three numbers: 1, a rising line and a falling line.",
            "The lines are (step + 1) / n_warmup and (n_steps - step) / n_decay.",
        ],
    ),
    Exercise(
        number="6.6",
        name="sum_in_bfloat16",
        solution=answers.sum_in_bfloat16,
        misconceptions=[
            Misconception(
                "exact arithmetic",
                "With 8 binary digits, the numbers after 256 are 258, 260, ... 257 is not among "
                "them. To which neighbor is it rounded?",
                257,
            ),
            Misconception(
                "a rounding up",
                "257 is exactly between 256 and 258. Then the neighbor is taken whose last binary "
                "digit is 0, and 256 is 10000000 times 2.",
                258,
            ),
        ],
        hints=[
            "Which numbers near 256 have at most 8 binary digits, followed by zeros?",
            "256 and 258. The sum 257 is in the middle; a tie goes to the one whose 8 digits end "
            "with 0: 256 is 1000 0000, 258 is 1000 0001, each times 2.",
        ],
        insight="The 1 is lost. A weight in bfloat16 could not be changed by a small step at all.",
    ),
    Exercise(
        number="6.7",
        name="diagnosis",
        solution=answers.diagnosis,
        misconceptions=[
            Misconception(
                "A and B swapped",
                "With too small a rate, a curve falls slowly and smoothly. With too large a rate, "
                "it jumps and gets stuck.",
                {**_RIGHT, "A": _RIGHT["B"], "B": _RIGHT["A"]},
            ),
            Misconception(
                "C and D swapped",
                "A model that peeks is as good on new text as on its own. A model that has learned "
                "little text by heart is not.",
                {**_RIGHT, "C": _RIGHT["D"], "D": _RIGHT["C"]},
            ),
            Misconception(
                "A and C swapped",
                "Where there is too little text, training and validation loss go apart.",
                {**_RIGHT, "A": _RIGHT["C"], "C": _RIGHT["A"]},
            ),
            Misconception(
                "B and C swapped",
                "Where there is too little text, the *training* loss falls nicely.",
                {**_RIGHT, "B": _RIGHT["C"], "C": _RIGHT["B"]},
            ),
        ],
        hints=[
            "Two of the pictures have a training loss that falls far below what is possible. In "
            "which of the two does the validation loss follow?",
            "In C the validation loss rises: too little text. In D both are almost 0: peeking. In "
            "B the loss stays high and jumps.",
        ],
        insight="Look at both curves before you change a setting.",
    ),
]
