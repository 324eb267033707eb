"""True claims are true, their twins are false, and nothing but the story tells which is which."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from itertools import islice, pairwise

import pytest

from storyworld import generate_stories
from storyworld.claims import Claim, holds, sentence_of
from storyworld.contrasts import KINDS, SPLITS, Contrast, Split, contrasts, record_at

PER_KIND = 100


@pytest.fixture(scope="module", params=SPLITS)
def split(request: pytest.FixtureRequest) -> Split:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def sample(split: Split) -> list[Contrast]:
    return contrasts(11, split, PER_KIND)


def test_there_are_as_many_of_each_kind(sample: list[Contrast]) -> None:
    assert Counter(contrast.true.kind for contrast in sample) == dict.fromkeys(KINDS, PER_KIND)


def test_the_simulation_says_which_claim_is_true(sample: list[Contrast]) -> None:
    for record, true, false in sample:
        assert holds(record, true)
        assert not holds(record, false)
        assert true.kind == false.kind
        assert sentence_of(true) != sentence_of(false)


def test_twins_differ_in_one_fact(sample: list[Contrast]) -> None:
    for _, true, false in sample:
        changed = sum(one != other for one, other in zip(true.parts, false.parts, strict=True))
        assert changed == (2 if true.kind == "order" else 1)


def test_what_is_claimed_is_in_the_text(sample: list[Contrast]) -> None:
    for record, true, false in sample:
        if true.kind in ("what", "when"):
            assert record.says(true.parts[0])
            assert not record.says(false.parts[0])
        elif true.kind == "where":
            assert true.parts[0].rpartition(" the ")[2] in record.text
            assert not record.says(false.parts[0].rpartition(" the ")[2])
        elif true.kind == "who":
            assert record.says(true.parts[0])
            assert record.says(false.parts[0])


def words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text)


def n_gram_judges() -> dict[str, Callable[[str], float]]:
    """Log-probabilities of a sentence alone, by counts of single words and of pairs of words."""
    single: Counter[str] = Counter()
    double: Counter[tuple[str, str]] = Counter()
    for story in islice(generate_stories(0), 1000):
        in_order = words(story.text)
        single.update(in_order)
        double.update(pairwise(in_order))
    total = sum(single.values()) + len(single)

    def unigram(sentence: str) -> float:
        return sum(math.log((single[word] + 1) / total) for word in words(sentence))

    def bigram(sentence: str) -> float:
        in_order = [".", *words(sentence)]
        return sum(
            math.log((double[pair] + 25 * (single[pair[1]] + 1) / total) / (single[pair[0]] + 25))
            for pair in pairwise(in_order)
        )

    return {"unigram": unigram, "bigram": bigram, "length": lambda sentence: -len(sentence)}


def test_nothing_but_the_story_tells_them_apart(sample: list[Contrast]) -> None:
    for name, judge in n_gram_judges().items():
        points: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for _, true, false in sample:
            one, other = judge(sentence_of(true)), judge(sentence_of(false))
            difference = 0.0 if math.isclose(one, other, abs_tol=1e-9) else one - other
            points[true.kind].append((1 + (difference > 0) - (difference < 0)) / 2)
        for kind, found in points.items():
            # Three standard errors of a coin; most kinds are balanced exactly.
            assert abs(sum(found) / len(found) - 0.5) <= 0.15, (name, kind)
        everything = [point for found in points.values() for point in found]
        assert abs(sum(everything) / len(everything) - 0.5) <= 0.03, name


def test_a_part_is_a_pure_function_of_the_seed(split: Split) -> None:
    assert contrasts(5, split, 4) == contrasts(5, split, 4)
    assert contrasts(5, split, 4) != contrasts(6, split, 4)
    assert len(contrasts(5, split, 3)) == 4 * len(KINDS)


def test_familiar_stories_are_not_those_of_the_corpus() -> None:
    corpus = {story.text for story in islice(generate_stories(0), 300)}
    assert not corpus & {record_at(0, index, "familiar").text for index in range(300)}


def test_a_claim_of_something_that_did_not_happen_is_false() -> None:
    record = record_at(0, 0, "familiar")
    assert not holds(record, Claim("who", (record.hero, "flew to the moon on a spoon")))
    assert not holds(record, Claim("where", ("in the volcano",)))
