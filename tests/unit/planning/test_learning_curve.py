"""What evaluations during a run say about its end."""

from __future__ import annotations

import pytest

from slm.planning.learning_curve import EARLIEST, bits_at_end

EASY = (0.7413, 0.4335, 0.3746, 0.3354, 0.3049, 0.2865, 0.2677, 0.2519, 0.2371, 0.2270, 0.2183)
"""Of `builtin:easy` after each twelfth of a run; the end is 0.2107."""
BUILTIN = (1.2499, 0.9452, 0.7489, 0.6234, 0.5603, 0.5067, 0.4665, 0.4198, 0.3879, 0.3638, 0.3448)
SHAKESPEARE = (2.6111, 2.4189, 2.3661, 2.3234, 2.2939, 2.2819, 2.2324, 2.2315, 2.2017, 2.2117)


@pytest.mark.parametrize(
    ("curve", "end"), [(EASY, 0.2107), (BUILTIN, 0.3334), (SHAKESPEARE, 2.1986)]
)
def test_real_runs_are_foreseen_from_a_third_of_their_time(
    curve: tuple[float, ...], end: float
) -> None:
    points = [((n + 1) / 12, bits) for n, bits in enumerate(curve)]
    for n in range(4, len(points) + 1):
        tolerance = 0.15 if n < 6 else 0.08
        assert bits_at_end(points[:n]) == pytest.approx(end, rel=tolerance)


def test_at_the_end_it_is_the_last_evaluation() -> None:
    assert bits_at_end([(0.25, 2.0), (0.5, 1.0), (1.0, 0.8)]) == pytest.approx(0.8)


def test_too_early_or_without_an_early_evaluation_nothing_is_said() -> None:
    assert bits_at_end([(0.05, 2.0), (EARLIEST - 0.01, 1.0)]) is None
    assert bits_at_end([(0.4, 2.0), (0.5, 1.0)]) is None


def test_a_loss_that_rises_is_not_expected_to_fall() -> None:
    assert bits_at_end([(0.2, 1.0), (0.5, 1.2)]) == pytest.approx(1.2)
