"""Exercises of lesson 4: averages, scores, mask, weights, attention, a head, causality."""

from __future__ import annotations

import torch
from torch import Tensor

from course.answers import lesson4 as answers
from course.exercise import Exercise, Misconception


def _random(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


_Q, _K, _V = (_random(seed, 5, 4) for seed in range(3))
_Q2, _K2, _V2 = (_random(seed, 3, 8) for seed in range(3, 6))
_QB, _KB, _VB = (_random(seed, 2, 6, 4) for seed in range(6, 9))
_X = _random(9, 6, 4)
_MATRICES = tuple(_random(seed, 4, 4) for seed in range(10, 13))


def _causal(x: Tensor) -> Tensor:
    return answers.head(x, *_MATRICES)


def _neighbors(x: Tensor) -> Tensor:
    """Reads the position itself and the next one: not causal."""
    return x - 0.5 * x.roll(-1, dims=0)


def _first_only(x: Tensor) -> Tensor:
    return -x[:1].expand(len(x), -1)


def _two_features(x: Tensor) -> Tensor:
    """Reads one feature of the position itself, and another one of the first position."""
    return torch.stack([x[:, 1], 2 - 3 * x[:1, 0].expand(len(x))], dim=1)


EXERCISES = [
    Exercise(
        number="4.1",
        name="average_so_far",
        solution=answers.average_so_far,
        cases=[
            (torch.tensor([[1.0, 0.0], [3.0, 2.0], [5.0, 1.0]]),),
            (_random(0, 5, 3),),
            (_random(1, 1, 4),),
        ],
        misconceptions=[
            Misconception(
                "an average without the position itself",
                "A position may read itself: the average at t is over 0, 1, ..., t. In Python, "
                "`x[: t + 1]`.",
                answers.without_itself,
            ),
            Misconception(
                "an average without the position itself, and of nothing at the start",
                "A position may read itself: `x[: t + 1]`. The mean of no vectors is NaN.",
                answers.without_itself_from_nothing,
            ),
            Misconception(
                "an average that includes the next position",
                "That one is in the future: it is what should be guessed. `x[: t + 1]` ends at t.",
                answers.with_the_next,
            ),
            Misconception(
                "an average over all positions",
                "Position t may read 0, 1, ..., t only.",
                answers.of_everything,
            ),
            Misconception(
                "sums instead of averages",
                "Divide by the number of positions: t + 1.",
                answers.sum_so_far,
            ),
            Misconception(
                "one number for each position instead of a vector",
                "Average over the positions and keep the C numbers apart: `mean(dim=0)`.",
                answers.one_number_each,
            ),
            Misconception(
                "sums that are all divided by T",
                "At position t there are t + 1 vectors so far.",
                answers.divided_by_length,
            ),
        ],
        hints=[
            "For each t, take the rows from 0 to t and average them: which slice is that?",
            "`x[: t + 1].mean(dim=0)` is the vector of position t. `torch.stack` makes a tensor of "
            "a list of vectors.",
        ],
    ),
    Exercise(
        number="4.2",
        name="scores",
        solution=answers.scores,
        cases=[(_Q, _K), (_Q2, _K2)],
        misconceptions=[
            Misconception(
                "a missing 1/sqrt(D)",
                "Divide by the square root of the width D, the length of a query.",
                answers.not_scaled,
            ),
            Misconception(
                "a division by D instead of its square root",
                "The size of a dot product of random vectors grows as the square root of D.",
                answers.scaled_by_width,
            ),
            Misconception(
                "a division by the square root of the number of positions",
                "D is the width of a vector, `q.shape[1]`, not the number of vectors.",
                answers.scaled_by_length,
            ),
            Misconception(
                "queries and keys swapped",
                "Row t belongs to query t, column s to key s.",
                answers.keys_ask,
            ),
            Misconception(
                "only each query with its own key",
                "Every query meets every key: the result is [T, T].",
                answers.own_position_only,
            ),
            Misconception(
                "a softmax that comes too early",
                "Scores may be any numbers. The softmax is the next exercise but one.",
                answers.weights_already,
            ),
        ],
        hints=[
            "Two loops, over t and over s. The dot product of two vectors is `(a * b).sum()`.",
            "`result[t, s] = (q[t] * k[s]).sum() / math.sqrt(D)`, with D = `q.shape[1]`.",
        ],
    ),
    Exercise(
        number="4.3",
        name="causal_mask",
        solution=answers.causal_mask,
        cases=[(3,), (1,), (5,)],
        misconceptions=[
            Misconception(
                "a mask that is off by one: a position does not see itself",
                "The diagonal is True: position t may read t.",
                answers.past_only,
            ),
            Misconception(
                "a mask that is off by one: the next position is visible",
                "Position t may not read t + 1. Nothing above the diagonal is True.",
                answers.one_ahead,
            ),
            Misconception(
                "a mask of the future",
                "Row t is True in the columns 0 to t. That is the lower triangle.",
                answers.future,
            ),
            Misconception(
                "a mask of what is hidden",
                "Here True means: may be read.",
                answers.hidden_marked,
            ),
            Misconception(
                "numbers instead of True and False",
                "`dtype=torch.bool` makes a tensor of booleans.",
                answers.numbers,
            ),
        ],
        hints=[
            "Which s may query t read? Write the rows for n = 3 on paper.",
            "`torch.ones(n, n, dtype=torch.bool)` has True everywhere. Its method `tril()` keeps "
            "the lower triangle with the diagonal.",
        ],
    ),
    Exercise(
        number="4.4",
        name="attention_weights",
        solution=answers.attention_weights,
        cases=[(_Q, _K), (_Q2, _K2)],
        misconceptions=[
            Misconception(
                "a softmax over the wrong axis",
                "Each row must sum to 1, because it belongs to one query: `dim=-1`.",
                answers.columns_sum_to_one,
            ),
            Misconception(
                "a mask after the softmax",
                "Then the rows sum to less than 1. Mask the scores, before the softmax.",
                answers.masked_afterwards,
            ),
            Misconception(
                "masked scores that are 0",
                "exp(0) is 1, not 0. A score of minus infinity gives the weight 0.",
                answers.masked_with_zero,
            ),
            Misconception(
                "no mask",
                "Hide the future: the scores where the mask is False.",
                answers.not_masked,
            ),
            Misconception(
                "the past hidden instead of the future",
                "The mask is True where a key may be read.",
                answers.past_hidden,
            ),
            Misconception(
                "the mask turned around",
                "`masked_fill` fills where its mask is True. Fill where the causal mask is False: "
                "`~mask`.",
                answers.mask_inverted,
            ),
            Misconception(
                "a mask that is off by one: a position does not see itself",
                "Then the first position can see nothing at all, and its weights are NaN.",
                answers.without_itself_weights,
            ),
            Misconception(
                "scores instead of weights",
                "The softmax makes weights of them, which are positive and sum to 1.",
                answers.without_softmax,
            ),
            Misconception(
                "a missing 1/sqrt(D)",
                "Use your `scores`, which divides by it.",
                answers.weights_not_scaled,
            ),
            Misconception(
                "scores that never become weights",
                "The mask is right. A softmax of each row makes its sum 1.",
                answers.masked_only,
            ),
            Misconception(
                "a square root that divides twice",
                "`scores` divides already.",
                answers.divided_twice,
            ),
        ],
        hints=[
            "Three steps: scores, hide the future, softmax over the keys.",
            "`masked_fill(~causal_mask(n), -math.inf)` hides. exp(-infinity) is 0.",
            "`.softmax(dim=-1)` makes each row sum to 1.",
        ],
        insight="The first row is always 1, 0, 0, ...: the first position can read only itself.",
    ),
    Exercise(
        number="4.5",
        name="attend",
        solution=answers.attend,
        cases=[(_Q, _K, _V), (_Q2, _K2, _V2), (_QB, _KB, _VB)],
        misconceptions=[
            Misconception(
                "a missing 1/sqrt(D)",
                "Divide the scores by the square root of the width.",
                answers.attend_not_scaled,
            ),
            Misconception(
                "a division by the square root of the number of positions",
                "D is the last dimension of the queries: `q.size(-1)`.",
                answers.attend_scaled_by_length,
            ),
            Misconception("no mask", "Hide the future.", answers.attend_to_all),
            Misconception(
                "a softmax over the wrong axis",
                "The weights of each query sum to 1 over the keys: `dim=-1`.",
                answers.attend_wrong_axis,
            ),
            Misconception(
                "a mask that is off by one: a position does not see itself",
                "The diagonal may be read.",
                answers.attend_without_itself,
            ),
            Misconception(
                "a mask that is off by one: the next position is visible",
                "Position t may read up to t.",
                answers.attend_one_ahead,
            ),
            Misconception(
                "keys mixed instead of values",
                "Keys decide the weights. What is averaged are the values.",
                answers.mix_keys,
            ),
            Misconception(
                "a mask after the softmax",
                "Then the weights sum to less than 1. Mask the scores.",
                answers.attend_masked_afterwards,
            ),
            Misconception(
                "something that works without a batch only",
                "With a batch, q is [B, T, D]. Exchange the last two dimensions of k: "
                "`k.transpose(-1, -2)`, and count dimensions from the end.",
                answers.without_batches,
            ),
            Misconception(
                "queries and keys swapped",
                "Row t is what position t asks: q kᵀ, not k qᵀ.",
                answers.keys_ask_queries,
            ),
            Misconception(
                "weights that mix nothing",
                "The weights are right. Multiply them by the values.",
                answers.weights_only,
            ),
            Misconception(
                "a softmax over dimension 1",
                "In a batch, dimension 1 holds the positions that ask. Each row sums to 1: count "
                "from the end, `dim=-1`.",
                answers.softmax_over_dimension_1,
            ),
        ],
        hints=[
            "`q @ k.transpose(-1, -2)` is the table of all dot products, with or without a batch.",
            "After the softmax, `weights @ v` averages the values.",
            "The number of positions is `q.size(-2)`, the width `q.size(-1)`.",
        ],
    ),
    Exercise(
        number="4.6",
        name="head",
        solution=answers.head,
        cases=[(_X, *_MATRICES), (_random(20, 2, 5, 4), *_MATRICES)],
        misconceptions=[
            Misconception(
                "the vectors themselves as values",
                "Values have a matrix of their own: `x @ w_v`.",
                answers.x_itself_as_value,
            ),
            Misconception(
                "queries and keys swapped",
                "`w_q` makes the queries, `w_k` the keys.",
                answers.query_for_key,
            ),
            Misconception(
                "one matrix for queries and keys",
                "What a position looks for and what it offers are different: use both matrices.",
                answers.same_matrix,
            ),
            Misconception(
                "vectors that skip the three matrices",
                "Queries, keys and values are `x @ w_q`, `x @ w_k` and `x @ w_v`.",
                answers.without_matrices,
            ),
        ],
        hints=[
            "Three products: `x @ w_q`, `x @ w_k`, `x @ w_v`.",
            "They are the queries, keys and values for `attend`.",
        ],
    ),
    Exercise(
        number="4.7",
        name="influences",
        solution=answers.influences,
        cases=[
            (_causal, _X, 3),
            (_neighbors, _X, 2),
            (_first_only, _X, 4),
            (_two_features, _X, 3),
            (_causal, _X, 0),
        ],
        misconceptions=[
            Misconception(
                "the influence on all outputs",
                "Only output t counts: `function(x)[t]`.",
                answers.of_the_whole_output,
            ),
            Misconception(
                "the question the other way round",
                "Which inputs influence output t, not which outputs input t influences.",
                answers.in_the_other_direction,
            ),
            Misconception(
                "positive gradients only",
                "An influence can be negative as well: compare with 0.",
                answers.positive_gradients,
            ),
            Misconception(
                "the answer for a causal function, without a look at it",
                "Measure it: the function may be any. The gradient says what it reads.",
                answers.assumed_from_theory,
            ),
            Misconception(
                "an influence on every feature",
                "One feature that is influenced is enough: `any`, not `all`.",
                answers.through_all_features,
            ),
            Misconception(
                "the first feature only",
                "An influence can go through any feature: look at the whole row of the gradient.",
                answers.through_the_first_feature,
            ),
            Misconception(
                "gradients that cancel each other",
                "A sum of positive and negative gradients can be anything. Ask whether any of them "
                "is not 0.",
                answers.sums_above_zero,
            ),
        ],
        hints=[
            "If input s does not influence output t, the gradient of output t at s is exactly 0.",
            "Make a copy that requires a gradient: `x.clone().requires_grad_()`. Call the "
            "function, take row t, sum it, call `backward()`.",
            "The answer for s is `(x.grad[s] != 0).any().item()`.",
        ],
    ),
]
