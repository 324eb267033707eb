"""Paired differences, their intervals and verdicts, and the order of runs."""

from __future__ import annotations

import math

import pytest
from paired import T_QUANTILES, Difference, against, draw, order_of_runs, paired_difference


def student_cdf_from_zero(t: float, n: int) -> float:
    """P(0 < T < t) of Student's t with n degrees of freedom, by Simpson's rule over its density."""
    scale = math.gamma((n + 1) / 2) / (math.sqrt(n * math.pi) * math.gamma(n / 2))

    def density(x: float) -> float:
        return scale * (1 + x * x / n) ** (-(n + 1) / 2)

    n_intervals = 400
    width = t / n_intervals
    inner = sum((4 if k % 2 else 2) * density(k * width) for k in range(1, n_intervals))
    return (density(0.0) + inner + density(t)) * width / 3


@pytest.mark.parametrize("degrees", range(1, len(T_QUANTILES) + 1))
def test_the_quantiles_leave_2_5_percent_above(degrees):
    assert student_cdf_from_zero(T_QUANTILES[degrees - 1], degrees) == pytest.approx(
        0.475, abs=3e-6
    )


def test_an_interval_computed_by_hand():
    # Differences -0.03, -0.01, -0.02: mean -0.02, s = 0.01, s / sqrt(3) = 0.0057735,
    # times t(0.975; 2) = 4.3027: 0.0248417.
    found = paired_difference([1.00, 1.10, 1.20], [0.97, 1.09, 1.18])
    assert found.mean == pytest.approx(-0.02)
    assert found.half_width == pytest.approx(0.0248417, abs=1e-6)
    # A normal distribution's 1.96 would have called it better.
    assert found.verdict == "no significant difference with 3 seeds"


def test_pairs_take_out_what_seeds_have_in_common():
    a = [1.0, 1.5, 2.0]
    assert paired_difference(a, [0.9, 1.401, 1.899]).verdict == "better"
    assert paired_difference(a, [1.1, 1.599, 2.101]).verdict == "worse"


def test_values_must_belong_together():
    with pytest.raises(ValueError, match="zip"):
        paired_difference([1.0, 2.0], [1.0])


def test_equal_runs_show_no_difference():
    assert paired_difference([1.0, 2.0], [1.0, 2.0]).verdict.startswith("no significant difference")


def test_one_pair_says_that_noise_is_unknown():
    found = paired_difference([1.0], [0.5])
    assert found == Difference(-0.5, None, 1)
    assert found.verdict == "noise unknown with one seed"


def test_many_pairs_use_the_last_quantile():
    a = [0.0] * 50
    b = [-1.0, 1.0] * 25
    deviation = math.sqrt(50 / 49)
    expected = T_QUANTILES[-1] * deviation / math.sqrt(50)
    assert paired_difference(a, b).half_width == pytest.approx(expected)


def test_only_shared_seeds_are_compared():
    figures = against({1: 1.0, 2: 2.0, 3: 9.0}, {2: 2.2, 1: 1.1, 4: 0.0})
    assert figures["differences"] == pytest.approx({1: 0.1, 2: 0.2})
    assert figures["difference"] == pytest.approx(0.15)
    assert figures["share"] == pytest.approx(0.1)  # of A's mean with those seeds, 1.5
    low, high = figures["interval"]
    assert (low + high) / 2 == pytest.approx(0.15)
    assert high - low == pytest.approx(2 * 12.7062 * 0.05)  # s / sqrt(2) = 0.05


def test_no_shared_seed():
    assert against({1: 1.0}, {2: 1.0})["verdict"] == "nothing to compare"


def test_each_seed_begins_with_the_next_variant():
    assert order_of_runs(["A", "B"], [1, 2, 3]) == [
        (1, "A"),
        (1, "B"),
        (2, "B"),
        (2, "A"),
        (3, "A"),
        (3, "B"),
    ]
    three = order_of_runs(["A", "B", "C"], [7, 8, 9])
    assert [name for _, name in three] == ["A", "B", "C", "B", "C", "A", "C", "A", "B"]


def test_the_picture_takes_what_there_is(tmp_path):
    found = {
        "sure": against({1: 1.0, 2: 1.1}, {1: 0.9, 2: 1.0}),
        "one seed": against({1: 1.0}, {1: 0.9}),
        "failed": against({1: 1.0}, {}),
    }
    draw(found, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
