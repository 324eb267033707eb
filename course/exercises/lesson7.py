"""Exercises of lesson 7: temperature, sampling, top-k, top-p, the loop, the cache, and its gain."""

from __future__ import annotations

import torch
from torch import Tensor

from course.answers import lesson7 as answers
from course.exercise import Exercise, Misconception

_CHANCE = torch.Generator().manual_seed(7)
_LOGITS = torch.tensor([1.0, 3.0, -1.0, 2.0, 0.5])
_SPREAD = torch.tensor([0.10, 0.30, 0.05, 0.28, 0.27]).log()


def _random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=_CHANCE)


def _toy_logits(context: list[int]) -> Tensor:
    """Logits of 11 ids that depend on every id of the context and its place."""
    place = sum((i + 1) * one for i, one in enumerate(context)) + 3 * len(context)
    return -(torch.arange(11.0) - place % 11).abs()


def _best(logits: Tensor) -> int:
    return int(logits.argmax())


def _second_best(logits: Tensor) -> int:
    return int(logits.argsort()[-2])


EXERCISES = [
    Exercise(
        number="7.1",
        name="with_temperature",
        solution=answers.with_temperature,
        cases=[
            (_LOGITS, 0.5),
            (_LOGITS, 2.0),
            (torch.tensor([0.0, 4.0]), 0.25),
            (10 * _LOGITS, 0.1),
        ],
        misconceptions=[
            Misconception(
                "a multiplication by the temperature",
                "A low temperature makes likely tokens more likely. Divide the logits by it.",
                answers.multiplied,
            ),
            Misconception(
                "a division after the softmax",
                "The result must sum to 1. Divide the logits, then apply the softmax.",
                answers.divided_afterwards,
            ),
            Misconception(
                "a second softmax over probabilities",
                "The logits are divided, not their softmax: probabilities are between 0 and 1, so "
                "a softmax of them is almost even.",
                answers.softmax_twice,
            ),
            Misconception(
                "a temperature that is not used",
                "Divide the logits by the temperature first.",
                answers.temperature_ignored,
            ),
            Misconception(
                "logits that never become probabilities",
                "The division is right. The softmax is missing.",
                answers.only_divided,
            ),
            Misconception(
                "an overflow with large logits",
                "exp of a large logit is infinite. PyTorch's `softmax` subtracts the largest one "
                "first, as you did in lesson 3.",
                answers.overflowing,
            ),
        ],
        hints=[
            "Logits first, softmax last.",
            "`(logits / temperature).softmax(dim=-1)`.",
        ],
    ),
    Exercise(
        number="7.2",
        name="pick",
        solution=answers.pick,
        cases=[
            (torch.tensor([0.1, 0.5, 0.15, 0.25]), number)
            for number in (0.05, 0.11, 0.3, 0.55, 0.7, 0.76, 0.99)
        ],
        misconceptions=[
            Misconception(
                "the most likely token, whatever the number",
                "That is greedy decoding. The number chooses: small numbers an early token, large "
                "ones a late token.",
                answers.most_likely,
            ),
            Misconception(
                "the token whose probability is nearest to the number",
                "Lay the probabilities end to end on a line from 0 to 1. In whose part is the "
                "number?",
                answers.nearest,
            ),
            Misconception(
                "the first probability above the number",
                "Compare the number with the *sum* of the probabilities so far.",
                answers.first_above,
            ),
            Misconception(
                "a token one too early",
                "Add the probability before you compare.",
                answers.one_before,
            ),
            Misconception(
                "a token one too late",
                "Return the token whose probability made the sum reach the number.",
                answers.one_after,
            ),
            Misconception(
                "parts of equal length for all tokens",
                "A likely token has a longer part of the line than an unlikely one.",
                answers.share_of_tokens,
            ),
        ],
        hints=[
            "Go through the tokens and add up their probabilities. When is it enough?",
            "Return the first i at which the sum of the probabilities 0 to i is at least `number`.",
        ],
        insight="With a uniform random number, each token comes as often as its probability says.",
    ),
    Exercise(
        number="7.3",
        name="keep_top_k",
        solution=answers.keep_top_k,
        cases=[(_LOGITS, 2), (_LOGITS, 3)],
        misconceptions=[
            Misconception(
                "zeros for the tokens that are dropped",
                "A logit of 0 is not a probability of 0: here it is more than the logit -1. Use "
                "minus infinity.",
                answers.zero_for_the_rest,
            ),
            Misconception(
                "the smallest logits kept",
                "Keep the largest ones.",
                answers.the_smallest,
            ),
            Misconception(
                "a result with k logits",
                "The result has as many logits as before, so that each still has its id. The "
                "others become minus infinity.",
                answers.only_the_kept,
            ),
            Misconception(
                "one token too few",
                "The k-th best token stays. Check whether you compare with > or >=.",
                answers.one_too_few,
            ),
            Misconception(
                "one token too many",
                "k tokens stay, not k + 1.",
                answers.one_too_many,
            ),
            Misconception(
                "the first k tokens of the vocabulary",
                "Which tokens stay depends on their logits, not on their ids.",
                answers.first_k,
            ),
            Misconception(
                "logits in another order",
                "Each id keeps its place: only the values that are dropped change.",
                answers.in_order,
            ),
            Misconception(
                "probabilities instead of logits",
                "Return logits: the softmax comes later.",
                answers.probabilities_kept,
            ),
        ],
        hints=[
            "`logits.topk(k)` has the `.values` and `.indices` of the k largest.",
            "Begin with `torch.full_like(logits, -math.inf)`; copy the logits at these indices.",
        ],
    ),
    Exercise(
        number="7.4",
        name="keep_top_p",
        solution=answers.keep_top_p,
        cases=[
            (_SPREAD, 0.6),
            (_SPREAD, 0.8),
            (_SPREAD, 0.25),
            (torch.tensor([-1e3, 0.0, -1e3]), 1.0),
        ],
        misconceptions=[
            Misconception(
                "the token left out that reaches p",
                "The kept tokens together reach p: the one that makes the sum reach it stays.",
                answers.without_the_last,
            ),
            Misconception(
                "every token dropped with which the sum is above p",
                "The token that makes the sum reach p stays: drop where the sum *before* the token "
                "is p already.",
                answers.dropped_above_p,
            ),
            Misconception(
                "each probability compared with p",
                "p is for the sum of the kept tokens, not for each of them.",
                answers.each_at_least_p,
            ),
            Misconception(
                "each probability compared with 1 - p",
                "p is for the sum of the kept tokens, not for each of them.",
                answers.at_least_rest,
            ),
            Misconception(
                "tokens in the order of their ids",
                "Begin with the most likely token: sort first.",
                answers.unsorted,
            ),
            Misconception(
                "the least likely tokens first",
                "Begin with the most likely token: `argsort(descending=True)`.",
                answers.from_below,
            ),
            Misconception(
                "places in the sorted order taken for ids",
                "`sort` also returns the ids in that order. Use them to find the logits to drop.",
                answers.places_for_ids,
            ),
            Misconception(
                "a token too many if the sum is exactly p",
                "A sum that equals p is at least p: nothing more is needed.",
                answers.past_an_exact_p,
            ),
        ],
        hints=[
            "Go through the tokens from the most likely one, and keep each until the sum reaches "
            "p.",
            "`probabilities.argsort(descending=True)` gives the order. Keep the token, add its "
            "probability, and stop if the sum is at least p.",
        ],
        insight="Where the model is sure, few tokens stay; where it is not, many.",
    ),
    Exercise(
        number="7.5",
        name="generate",
        solution=answers.generate,
        cases=[
            ([1, 2, 3], 5, 4, _toy_logits, _best),
            ([7, 1, 5, 2, 9, 4], 4, 3, _toy_logits, _best),
            ([3, 8], 3, 4, _toy_logits, _second_best),
        ],
        misconceptions=[
            Misconception(
                "a context of the last token only",
                "The model needs the text so far: up to the last `block_size` ids.",
                answers.last_token_only,
            ),
            Misconception(
                "the beginning of the text as context",
                "If the text is longer than the context, the *last* `block_size` ids count.",
                answers.beginning_of_text,
            ),
            Misconception(
                "new tokens that are not read again",
                "Each new id belongs to the context of the next one: append it inside the loop.",
                answers.prompt_only,
            ),
            Misconception(
                "a result without the prompt",
                "Return the prompt's ids, too.",
                answers.new_only,
            ),
            Misconception(
                "one token too few",
                "`n_new` ids are added. Check where your loop ends.",
                answers.one_fewer,
            ),
            Misconception(
                "a length that counts the prompt",
                "`n_new` is the number of new ids, not of all.",
                answers.until_n_in_all,
            ),
            Misconception(
                "the whole text as context",
                "The model can read at most `block_size` ids: `[-block_size:]` are the last ones.",
                answers.whole_text,
            ),
            Misconception(
                "a choice without `choose`",
                "`choose(logits)` decides which token comes next, and need not take the most "
                "likely one.",
                answers.always_the_best,
            ),
        ],
        hints=[
            "A loop of `n_new` rounds: logits of the context, choose an id, append it.",
            "The context is `ids[-block_size:]`. Work on a copy: `ids = list(ids)`.",
        ],
        insight="Text generation is this loop.",
    ),
    Exercise(
        number="7.6",
        name="attend_new",
        solution=answers.attend_new,
        cases=[
            (_random(4), _random(4), _random(4), _random(5, 4), _random(5, 4)),
            (_random(2), _random(2), _random(2), _random(1, 2), _random(1, 2)),
        ],
        misconceptions=[
            Misconception(
                "a token that does not look at itself",
                "First append the new key and value, then attend.",
                answers.not_to_itself,
            ),
            Misconception(
                "a new key and value that are not kept",
                "The result is right. Return the longer keys and values: the next token needs "
                "them.",
                answers.nothing_kept,
            ),
            Misconception(
                "earlier keys and values forgotten",
                "The new ones are appended to the earlier ones instead of replacing them.",
                answers.only_itself,
            ),
            Misconception(
                "new rows in front of the earlier ones",
                "Append them at the end, so that the rows stay in the order of the text.",
                answers.added_in_front,
            ),
            Misconception(
                "the query kept instead of the key",
                "A query is used once. Keys and values are looked at again later.",
                answers.query_kept,
            ),
            Misconception(
                "scores that are not scaled",
                "Divide by the root of the width, as always.",
                answers.not_scaled,
            ),
            Misconception(
                "scores divided by the root of the number of tokens",
                "Divide by the root of D, the length of the query.",
                answers.scaled_by_tokens,
            ),
        ],
        hints=[
            "`torch.cat((keys, key[None]))` appends a row.",
            "With the longer keys: `(keys @ query / math.sqrt(len(query))).softmax(dim=0)` are the "
            "weights, and `weights @ values` is the result. No mask is needed: nothing later is "
            "there.",
        ],
    ),
    Exercise(
        number="7.7",
        name="tokens_processed",
        solution=answers.tokens_processed,
        cases=[(4, 3), (10, 100), (1, 1)],
        misconceptions=[
            Misconception(
                "a text that does not grow",
                "Without a cache, each round processes the prompt *and* all new tokens so far.",
                answers.prompt_each_time,
            ),
            Misconception(
                "a last token that is processed",
                "With a cache, the prompt is processed once, and each new token once, except the "
                "last: nothing comes after it.",
                answers.last_processed_too,
            ),
            Misconception(
                "a prompt that costs nothing",
                "With a cache, the prompt must be processed, too, once.",
                answers.new_tokens_only,
            ),
            Misconception(
                "rounds that already contain their own token",
                "The first new token is computed from the prompt alone: `n_prompt` tokens.",
                answers.counted_from_one,
            ),
            Misconception(
                "the longest text in every round",
                "The text grows: the first round processes `n_prompt` tokens, the second one more, "
                "and so on.",
                answers.longest_each_time,
            ),
        ],
        hints=[
            "Write it down for a prompt of 4 tokens and 3 new ones: 4, then 5, then 6 tokens.",
            "With a cache: 4 tokens of the prompt, then 1, then 1. So n_prompt + n_new - 1.",
        ],
    ),
]
