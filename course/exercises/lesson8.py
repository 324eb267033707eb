"""Exercises of lesson 8: surprisal, the lens, looking back, a head off, and honest shares."""

from __future__ import annotations

import torch
from torch import Tensor

from course.answers import lesson8 as answers
from course.exercise import Exercise, Misconception

_CHANCE = torch.Generator().manual_seed(8)


def _random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=_CHANCE)


def _norm(x: Tensor) -> Tensor:
    """A norm that changes which token is nearest."""
    return x / x.square().mean(dim=-1, keepdim=True).sqrt() + torch.tensor([1.0, -1.0, 0.0, 0.5])


_STREAMS = [_random(5, 4) for _ in range(8)]
_TABLE = _random(30, 4)
_WEIGHTS = _random(5, 5).masked_fill(~torch.ones(5, 5).tril().bool(), -torch.inf).softmax(dim=-1)

EXERCISES = [
    Exercise(
        number="8.1",
        name="surprisals",
        solution=answers.surprisals,
        cases=[
            (_random(4, 6), torch.tensor([1, 5, 0, 2])),
            (3 * _random(3, 4), torch.tensor([3, 3, 1])),
        ],
        misconceptions=[
            Misconception(
                "nats instead of bits",
                "Divide by ln(2): one bit is the surprise of a coin's toss.",
                answers.in_nats,
            ),
            Misconception(
                "logits compared with the token at their own position",
                "The logits at position t are a guess about token t + 1.",
                answers.same_position,
            ),
            Misconception(
                "logits compared with the token at their own position, the first included",
                "The logits at position t are a guess about token t + 1. For the first token there "
                "is no guess, and for the last guess no token: T - 1 numbers.",
                answers.same_position_all,
            ),
            Misconception(
                "a sign that is missing",
                "The logarithm of a probability is negative; surprisal is positive.",
                answers.not_negated,
            ),
            Misconception(
                "probabilities",
                "The probabilities are right. Their surprisal is -log2 of them.",
                answers.probabilities_of,
            ),
            Misconception(
                "logits taken for log-probabilities",
                "Logits become log-probabilities by `log_softmax`.",
                answers.from_logits,
            ),
            Misconception(
                "one mean for the whole text",
                "Return one number for each token, so that you can see which ones surprise.",
                answers.averaged,
            ),
            Misconception(
                "logits taken for logarithms of probabilities",
                "A logit becomes the logarithm of a probability by `log_softmax`.",
                answers.logits_as_they_are,
            ),
            Misconception(
                "every guess with every id",
                "Row t belongs to the id at t + 1 only: index both dimensions.",
                answers.all_pairs,
            ),
            Misconception(
                "the most likely token instead of the one that came",
                "Take the probability of the token that really came next.",
                answers.of_the_best_guess,
            ),
        ],
        hints=[
            "`logits.log_softmax(dim=-1)` has ln(p) of every token. The last row guesses a token "
            "that is not there.",
            "`logprobs[:-1].gather(1, ids[1:, None])[:, 0]` takes from each row the token that "
            "came. Change the sign and divide by `math.log(2)`.",
        ],
    ),
    Exercise(
        number="8.2",
        name="guesses_by_depth",
        solution=answers.guesses_by_depth,
        cases=[(_STREAMS, _norm, _TABLE)],
        misconceptions=[
            Misconception(
                "a lens without the final norm",
                "The output head was trained to read normalized vectors. Apply `final_norm` first.",
                answers.guesses_without_norm,
            ),
            Misconception(
                "the first position instead of the last",
                "The guess about the next token is at the last position.",
                answers.first_position,
            ),
            Misconception(
                "the end of the model only",
                "One guess for each depth: for every element of `streams`.",
                answers.after_the_last_block,
            ),
            Misconception(
                "the least likely token",
                "The best guess has the largest logit.",
                answers.least_likely,
            ),
            Misconception(
                "the number of a feature instead of a token",
                "Compare the vector with all tokens first: `@ token_table.T`.",
                answers.largest_feature,
            ),
            Misconception(
                "a depth left out",
                "Depth 0, before the first block, counts, too.",
                answers.without_the_embedding,
            ),
            Misconception(
                "guesses for all positions",
                "Only the guess after the last position is asked: row -1.",
                answers.at_all_positions,
            ),
        ],
        hints=[
            "For each x of `streams`: what the output head does, at the last position.",
            "`int((final_norm(x[-1]) @ token_table.T).argmax())`.",
        ],
    ),
    Exercise(
        number="8.3",
        name="on_previous",
        solution=answers.on_previous,
        cases=[(_WEIGHTS,), (_WEIGHTS[:4, :4],)],
        misconceptions=[
            Misconception(
                "the weight on the token itself",
                "That is the diagonal. The previous token is one column to the left.",
                answers.on_itself,
            ),
            Misconception(
                "the weight on the next token",
                "Rows look, columns are looked at: `weights[t, t - 1]`.",
                answers.on_next,
            ),
            Misconception(
                "the weight on the first token",
                "The previous token is a different column in each row.",
                answers.on_first,
            ),
            Misconception(
                "a mean that counts the first token",
                "The first token has no previous one: divide by T - 1.",
                answers.divided_by_all,
            ),
            Misconception(
                "a sum instead of a mean",
                "Divide by the number of tokens that have a previous one.",
                answers.not_divided,
            ),
            Misconception(
                "the token before the previous one",
                "One column to the left of the diagonal, not two.",
                answers.two_before,
            ),
            Misconception(
                "the weight on all earlier tokens",
                "Only the token just before counts.",
                answers.on_all_before,
            ),
        ],
        hints=[
            "The weights are `weights[1, 0]`, `weights[2, 1]`, ...: the diagonal below the main "
            "one.",
            "`weights.diagonal(offset=-1)` and its mean.",
        ],
    ),
    Exercise(
        number="8.4",
        name="without_head",
        solution=answers.without_head,
        cases=[(_random(3, 4, 3), 1), (_random(2, 3, 2), 0)],
        misconceptions=[
            Misconception(
                "a head that is removed",
                "The next matrix expects C features. Set the head's numbers to 0, so that they add "
                "nothing.",
                answers.head_removed,
            ),
            Misconception(
                "a token switched off instead of a head",
                "The first dimension is the head: `heads[head]`.",
                answers.token_switched_off,
            ),
            Misconception(
                "a feature switched off instead of a head",
                "The first dimension is the head: `heads[head]`.",
                answers.feature_switched_off,
            ),
            Misconception(
                "all other heads switched off",
                "Only this head becomes 0; the others stay.",
                answers.others_switched_off,
            ),
            Misconception(
                "heads joined by a reshape alone",
                "Swap the first two dimensions before you join the last two, as in lesson 5.",
                answers.wrongly_joined,
            ),
            Misconception(
                "heads that are not joined",
                "Join them at the end: [H, T, D] becomes [T, C].",
                answers.left_apart,
            ),
        ],
        hints=[
            "Copy the tensor, set one head to 0, and join as in lesson 5.",
            "`changed = heads.clone()`, `changed[head] = 0`, and `changed.transpose(0, "
            "1).flatten(start_dim=1)`.",
        ],
    ),
    Exercise(
        number="8.5",
        name="accuracy",
        solution=answers.accuracy,
        cases=[
            ([1.0, 2.0, 3.0, 1.0, 0.5], [2.0, 2.0, 1.0, 4.0, 0.6]),
            ([5.0, 1.0, 1.0], [1.0, 1.0, 2.0]),
            ([2.0, 9.0, 2.0], [3.0, 1.0, 3.0]),
        ],
        misconceptions=[
            Misconception(
                "the larger surprisal preferred",
                "A model prefers the text with the *smaller* surprisal.",
                answers.higher_is_better,
            ),
            Misconception(
                "ties that count as right",
                "A model that gives both texts the same has not chosen: half a point.",
                answers.ties_are_right,
            ),
            Misconception(
                "ties that count as wrong",
                "A model that gives both texts the same has not chosen: half a point.",
                answers.ties_are_wrong,
            ),
            Misconception(
                "sums compared instead of pairs",
                "Compare each pair by itself; one large number should not decide everything.",
                answers.compared_means,
            ),
            Misconception(
                "points that are not divided",
                "Divide by the number of pairs.",
                answers.counted_only,
            ),
            Misconception(
                "percent instead of a share",
                "Return a number between 0 and 1.",
                answers.in_percent,
            ),
            Misconception(
                "ties left out",
                "A tie is a pair, too: it counts half, and it counts in the number of pairs.",
                answers.without_ties,
            ),
        ],
        hints=[
            "Go through the pairs: 1 point if `right` is smaller, half a point if they are equal.",
            "`for good, bad in zip(right, wrong)`; at the end, divide by the number of pairs.",
        ],
    ),
    Exercise(
        number="8.6",
        name="interval",
        solution=answers.interval,
        cases=[(0.5, 100), (0.8, 25), (0.9, 400)],
        misconceptions=[
            Misconception(
                "an interval that does not depend on n",
                "More pairs make the result more certain: divide by n inside the root.",
                answers.without_n,
            ),
            Misconception(
                "n outside the root",
                "Four times as many pairs make the interval half as wide: n is inside the root.",
                answers.n_outside_root,
            ),
            Misconception(
                "one standard deviation",
                "It holds 68% only. For 95%, multiply by 1.96.",
                answers.one_deviation,
            ),
            Misconception(
                "a variance without its root",
                "The width is in the units of the share: take the root.",
                answers.variance_taken,
            ),
            Misconception(
                "the width alone",
                "Return the share minus and plus the width.",
                answers.spread_only,
            ),
            Misconception(
                "a root of n alone",
                "The whole of share · (1 - share) / n is under the root.",
                answers.root_of_n,
            ),
            Misconception(
                "the ends in the other order",
                "The lower end comes first.",
                answers.upper_first,
            ),
        ],
        hints=[
            "The standard deviation of a share is sqrt(share * (1 - share) / n).",
            "`share - 1.96 * deviation` and `share + 1.96 * deviation`.",
        ],
        insight="A share without its interval says little: always report both.",
    ),
]
