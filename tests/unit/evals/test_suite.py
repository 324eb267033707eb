from __future__ import annotations

import json

import numpy as np
import pytest

from slm.errors import ConfigError
from slm.evals.suite import RESAMPLES, SuiteResult, check_seed, score


def test_the_interval_is_that_of_the_bootstrap() -> None:
    values = [100.0] * 60 + [50.0] * 10 + [0.0] * 30
    found = score("x", values, seed=3)
    means = np.random.default_rng(0).choice(values, size=(20_000, 100)).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    assert found.value == 65.0
    assert found.n == 100
    assert found.low == pytest.approx(low, abs=1.0)
    assert found.high == pytest.approx(high, abs=1.0)


def test_items_of_one_group_count_as_one() -> None:
    values = [100.0] * 40 + [0.0] * 40
    alone = score("x", values, seed=0)
    together = score("x", values, seed=0, groups=[index // 20 for index in range(80)])
    assert alone.value == together.value == 50.0
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_groups_of_different_size_keep_their_weight() -> None:
    found = score("x", [100.0, 100.0, 100.0, 0.0], seed=0, groups=[0, 0, 0, 1])
    assert found.value == 75.0
    assert (found.low, found.high) == (0.0, 100.0)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = list(np.linspace(0, 100, 37))
    assert score("x", values, seed=5) == score("x", values, seed=5)
    assert score("x", values, seed=5) != score("x", values, seed=6)
    assert RESAMPLES >= 1000


def test_no_items_have_no_score() -> None:
    found = score("x", [], seed=0, chance=50.0)
    assert found.n == 0
    assert np.isnan([found.value, found.low, found.high]).all()


def test_a_result_is_json() -> None:
    part = score("who", [0.0, 100.0], seed=0, chance=50.0)
    result = SuiteResult("facts", part, (part,), 0, {"pairs": 2})
    assert json.loads(json.dumps(result.to_json()))["parts"][0]["name"] == "who"


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, True, "0"])
def test_other_seeds_are_refused(seed: object) -> None:
    with pytest.raises(ConfigError, match="seed must be an integer"):
        check_seed(seed)  # type: ignore[arg-type]
