"""Exercises of lesson 2: counts, probabilities, loss, perplexity, bits per byte, and sampling."""

from __future__ import annotations

from course.answers import lesson2 as answers
from course.exercise import Exercise, Misconception

_COUNTS = {1: {2: 3, 3: 1}, 2: {1: 2}, 3: {1: 1}}

EXERCISES = [
    Exercise(
        number="2.1",
        name="count_bigrams",
        solution=answers.count_bigrams,
        cases=[
            ([[9, 1, 2, 1, 2, 9], [9, 2, 2, 9]],),
            ([[9, 1, 9]],),
            ([[9, 3, 4, 9], [9, 4, 9], [9, 3, 4, 9]],),
            ([],),
        ],
        misconceptions=[
            Misconception(
                "pairs that cross from one story to the next",
                "The end of one story says nothing about the start of the next. Count within each "
                "story.",
                answers.across_stories,
            ),
            Misconception(
                "the roles swapped: what came before instead of what comes next",
                "`counts[a][b]` is how often `b` comes after `a`.",
                answers.backwards,
            ),
            Misconception(
                "counts of the last story only",
                "Make the empty dictionary once, before the loop over the stories.",
                answers.last_story_only,
            ),
            Misconception(
                "one dictionary of pairs instead of a dictionary of dictionaries",
                "The counts are right. Group them by the first id: `counts[a][b]`.",
                answers.flat,
            ),
            Misconception(
                "each pair counted once only",
                "A pair that is found again adds one to its count.",
                answers.ones,
            ),
            Misconception(
                "a row that is replaced by each new pair",
                "The row of `a` holds the counts of all tokens after it. Make it once, then add to "
                "it: `counts.setdefault(a, {})`.",
                answers.rows_replaced,
            ),
        ],
        hints=[
            "Two loops: over the stories, and in each over `zip(ids, ids[1:])`.",
            "`row = counts.setdefault(a, {})` gives the dictionary of `a` and makes it if there is "
            "none. Then count `b` in `row`.",
        ],
    ),
    Exercise(
        number="2.2",
        name="probability",
        solution=answers.probability,
        cases=[(_COUNTS, 1, 2, 4), (_COUNTS, 2, 3, 4), (_COUNTS, 0, 3, 4), (_COUNTS, 1, 3, 10)],
        misconceptions=[
            Misconception(
                "counts without smoothing",
                "Add 1 to every count. A pair that was never seen must keep a probability above 0.",
                answers.without_smoothing,
            ),
            Misconception(
                "1 added to the total instead of one for each token",
                "Each of the `n_tokens` counts grows by 1, so the total grows by `n_tokens`. "
                "Otherwise the probabilities sum to more than 1.",
                answers.one_below_only,
            ),
            Misconception(
                "1 added to the count and nothing to the total",
                "If every count grows by 1, the total grows as well: by `n_tokens`.",
                answers.one_above_only,
            ),
            Misconception(
                "the share among all pairs",
                "We know that `a` has come. Divide by the counts in the row of `a` only.",
                answers.share_of_everything,
            ),
            Misconception(
                "a total that grows by the number of different tokens seen",
                "All `n_tokens` tokens get one more, also those never seen after `a`.",
                answers.distinct_in_row,
            ),
            Misconception(
                "`a` and `b` swapped",
                "`b` comes after `a`: look for `b` in the row of `a`.",
                answers.other_way_round,
            ),
            Misconception(
                "0 for a pair that was never counted",
                "That is what smoothing should prevent: a missing count is 0, and 1 is added to it "
                "as to every other.",
                answers.zero_for_the_unseen,
            ),
        ],
        hints=[
            "`counts.get(a, {})` is the row of `a`, also if `a` was never seen.",
            "Above the line: the count of `b` in the row, plus 1. Below: the sum of the row, plus "
            "what all the added ones make.",
        ],
        insight="Every row of probabilities sums to 1, and none of them is 0.",
    ),
    Exercise(
        number="2.3",
        name="loss",
        solution=answers.loss,
        cases=[([0.5],), ([0.5, 0.25],), ([1.0, 1.0, 0.01],), ([0.1, 0.2, 0.3, 0.4],)],
        misconceptions=[
            Misconception(
                "a sum instead of a mean",
                "Divide by the number of guesses, so that long and short texts can be compared.",
                answers.summed,
            ),
            Misconception(
                "a logarithm to the base 2",
                "The loss is in nats: use the natural logarithm, `math.log`.",
                answers.in_bits,
            ),
            Misconception(
                "a logarithm to the base 10",
                "The loss is in nats: use the natural logarithm, `math.log`.",
                answers.in_decimal,
            ),
            Misconception(
                "a missing minus",
                "The logarithm of a number below 1 is negative. The loss is its opposite.",
                answers.without_minus,
            ),
            Misconception(
                "the logarithm of the mean probability",
                "First take the logarithm of each probability, then the mean. Otherwise one "
                "terrible guess hides behind good ones.",
                answers.log_of_mean,
            ),
            Misconception(
                "the mean of 1 - p",
                "Use -ln(p). It grows without limit as p falls to 0, and it adds up over guesses.",
                answers.mean_missing,
            ),
            Misconception(
                "surprisals weighted by their probabilities",
                "That is an expectation over what the model believes. Here every token really "
                "came, and all count the same.",
                answers.expected_surprisal,
            ),
        ],
        hints=[
            "`-math.log(p)` is the surprisal of one guess in nats.",
            "Sum it over all probabilities and divide by `len(probabilities)`.",
        ],
    ),
    Exercise(
        number="2.4",
        name="perplexity",
        solution=answers.perplexity,
        cases=[(0.5,), (2.0,), (5.549,), (1.0,)],
        misconceptions=[
            Misconception(
                "a power of 2",
                "The loss is in nats, so its inverse is the exponential function `math.exp`.",
                answers.power_of_two,
            ),
            Misconception(
                "the typical probability",
                "That is exp(-loss). The perplexity is its inverse: among how many tokens?",
                answers.typical_probability,
            ),
            Misconception(
                "a logarithm", "The loss is a logarithm already. Undo it.", answers.logarithm
            ),
        ],
        hints=[
            "Which function undoes the natural logarithm?",
            "`math.exp`. A loss of ln(6) belongs to a perplexity of 6, as of a fair die.",
        ],
    ),
    Exercise(
        number="2.5",
        name="bits_per_byte",
        solution=answers.bits_per_byte,
        cases=[(2.0, 901, 900), (3.0, 500, 1000), (0.6931472, 10, 10), (1.0, 101, 404)],
        misconceptions=[
            Misconception(
                "bits per token",
                "Multiply by the number of tokens to get the total, then divide by the bytes.",
                answers.bits_per_token,
            ),
            Misconception(
                "nats per byte",
                "A bit is ln(2) = 0.69 nats. Divide by `math.log(2)`.",
                answers.nats_per_byte,
            ),
            Misconception(
                "a multiplication by ln(2)",
                "A bit is less than a nat, so the number of bits is larger. Divide by "
                "`math.log(2)`.",
                answers.times_log_two,
            ),
            Misconception(
                "tokens and bytes swapped",
                "loss times tokens is the total. Divide it by the bytes.",
                answers.upside_down,
            ),
            Misconception(
                "a mean divided once more",
                "The loss is already a mean per token. First multiply by the number of tokens.",
                answers.divided_twice,
            ),
        ],
        hints=[
            "First the total surprisal of the text in nats, then in bits, then per byte.",
            "The total is `loss * n_tokens` nats. One bit is `math.log(2)` nats.",
        ],
    ),
    Exercise(
        number="2.6",
        name="pick",
        solution=answers.pick,
        cases=[
            ([0.5, 0.3, 0.2], 0.1),
            ([0.5, 0.3, 0.2], 0.6),
            ([0.5, 0.3, 0.2], 0.95),
            ([0.2, 0.3, 0.5], 0.45),
            ([0.2, 0.3, 0.5], 0.35),
            ([0.0, 1.0], 0.0),
            ([0.25, 0.25, 0.25, 0.25], 0.5),
        ],
        misconceptions=[
            Misconception(
                "always the likeliest token",
                "Then the same text comes every time. `r` should decide.",
                answers.likeliest,
            ),
            Misconception(
                "every token with the same probability",
                "A token with the probability 0.5 should get half of the numbers from 0 to 1.",
                answers.uniform,
            ),
            Misconception(
                "`r` compared with single probabilities",
                "Add the probabilities up as you go, and compare `r` with the sum so far.",
                answers.not_added_up,
            ),
            Misconception(
                "the token after the right one",
                "Add the probability of a token to the sum before you compare, not after.",
                answers.added_too_late,
            ),
            Misconception(
                "the probability instead of its position",
                "Return the position, which is the id of the token.",
                answers.the_probability,
            ),
            Misconception(
                "a border that belongs to the token before it",
                "Id 0 is for `r` below 0.5, id 1 *from* 0.5 on: compare with `<`. Otherwise a "
                "token of probability 0 could be chosen.",
                answers.border_to_the_left,
            ),
        ],
        hints=[
            "Lay the probabilities next to each other on a line from 0 to 1. On which does `r` "
            "fall?",
            "Keep a running total. Return the first position at which the total is larger than "
            "`r`.",
        ],
    ),
    Exercise(
        number="2.7",
        name="blend",
        solution=answers.blend,
        cases=[(3, 4, 0.1, 2.0), (0, 4, 0.1, 2.0), (0, 0, 0.25, 2.0), (50, 100, 0.1, 5.0)],
        misconceptions=[
            Misconception(
                "a total without the `k` imagined cases",
                "There are `total + k` cases now; divide by that.",
                answers.blend_without_k_below,
            ),
            Misconception(
                "the shorter context only where the count is 0",
                "Then the probabilities sum to more than 1. Blend both every time.",
                answers.blend_only_if_unseen,
            ),
            Misconception(
                "one imagined case instead of `k`",
                "`k` says how many there are: `k * shorter` above the line, and `k` below.",
                answers.blend_without_k,
            ),
            Misconception(
                "half of each",
                "A context that was seen often should be trusted more. Let `total` decide.",
                answers.blend_halves,
            ),
            Misconception(
                "one imagined case instead of `k`",
                "`k` cases are imagined, and the shorter context distributes all of them.",
                answers.one_imagined_case,
            ),
        ],
        hints=[
            "Imagine `k` more cases, distributed as the shorter context says. How many of them "
            "have the token?",
            "`k * shorter` of them. Add them to the count, and `k` to the total.",
        ],
    ),
]
