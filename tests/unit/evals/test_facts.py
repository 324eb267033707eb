from __future__ import annotations

from typing import Any

import pytest

from slm.errors import ConfigError, DataError
from slm.evals.facts import HELD_OUT, FactsSuite, fact_pairs
from storyworld.contrasts import KINDS
from tests.unit.evals.subjects import Judge


def test_who_knows_all_facts_has_all_points_and_who_knows_none_has_half() -> None:
    right = {(pair.context, pair.good) for pair in fact_pairs(4, 6)}
    suite = FactsSuite(limit=6)
    knows = suite.run(Judge(lambda request: float(tuple(request) in right)), seed=4)
    assert [part.name for part in knows.parts] == [*KINDS, *(kind + HELD_OUT for kind in KINDS)]
    assert {part.value for part in knows.parts} == {100.0}
    assert knows.score is not None
    assert (knows.score.n, knows.score.chance) == (6 * 2 * len(KINDS), 50.0)
    equal = suite.run(Judge(lambda request: -1.0), seed=4)
    assert {part.value for part in equal.parts} == {50.0}


def test_equal_seeds_give_equal_pairs() -> None:
    assert fact_pairs(1, 4) == fact_pairs(1, 4)
    assert fact_pairs(1, 4) != fact_pairs(2, 4)


def test_sentences_continue_the_story() -> None:
    for pair in fact_pairs(0, 4):
        assert pair.good[0] == pair.bad[0] == " "
        assert pair.good != pair.bad
        assert not pair.context.endswith(" ")


@pytest.mark.parametrize("limit", [0, 1, 10**6, 2.5])
def test_a_limit_out_of_range_is_refused(limit: Any) -> None:
    with pytest.raises(ConfigError, match="pairs of each kind"):
        FactsSuite(limit=limit)


def test_stories_longer_than_the_context_are_counted_or_refused() -> None:
    lengths = sorted(len(pair.context) for pair in fact_pairs(0, 6))
    said: list[str] = []
    suite = FactsSuite(limit=6, log=said.append)
    result = suite.run(Judge(lambda request: -1.0, room=lengths[-5]), seed=0)
    n_cut = sum(length > lengths[-5] for length in lengths)
    assert result.details["cut"] == n_cut > 0
    assert said == [
        f"{n_cut} of the {len(lengths)} stories are longer than the model's context, and lose "
        "their beginning"
    ]
    with pytest.raises(DataError, match="longer than the model's context, so their facts cannot"):
        suite.run(Judge(lambda request: -1.0, room=lengths[0]), seed=0)
