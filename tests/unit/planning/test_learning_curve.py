"""What evaluations during a run say about its end."""

from __future__ import annotations

import pytest

from slm.planning.learning_curve import EARLIEST, bits_at_end

Points = list[tuple[float, float]]


def twelfths(*bits: float) -> Points:
    """The evaluations of a run after each twelfth of it."""
    return [((n + 1) / 12, each) for n, each in enumerate(bits)]


EASY = twelfths(
    *(0.7413, 0.4335, 0.3746, 0.3354, 0.3049, 0.2865, 0.2677, 0.2519, 0.2371, 0.2270, 0.2183)
)
DEMO = [
    *((0.194, 0.3787), (0.261, 0.3017), (0.322, 0.2729), (0.389, 0.2474), (0.456, 0.2367)),
    *((0.528, 0.2300), (0.606, 0.2135), (0.683, 0.2042), (0.756, 0.1946), (0.833, 0.1844)),
    (0.911, 0.1761),
]
"""Of `make demo`, a shorter run: its first evaluation is of a model that had hardly begun."""
BUILTIN = twelfths(
    *(1.2499, 0.9452, 0.7489, 0.6234, 0.5603, 0.5067, 0.4665, 0.4198, 0.3879, 0.3638, 0.3448)
)
SHAKESPEARE = twelfths(
    *(2.6111, 2.4189, 2.3661, 2.3234, 2.2939, 2.2819, 2.2324, 2.2315, 2.2017, 2.2117)
)


@pytest.mark.parametrize(
    ("points", "end"),
    [(EASY, 0.2107), (DEMO, 0.1701), (BUILTIN, 0.3334), (SHAKESPEARE, 2.1986)],
)
def test_real_runs_are_foreseen_from_two_fifths_of_their_time(points: Points, end: float) -> None:
    for n, (progress, _) in enumerate(points):
        if progress > EARLIEST:
            tolerance = 0.15 if progress < 0.5 else 0.08
            assert bits_at_end(points[: n + 1]) == pytest.approx(end, rel=tolerance)


def test_at_the_end_it_is_the_last_evaluation() -> None:
    assert bits_at_end([(0.25, 2.0), (0.5, 1.0), (1.0, 0.8)]) == pytest.approx(0.8)


def test_too_early_or_without_an_early_evaluation_nothing_is_said() -> None:
    assert bits_at_end([(0.05, 2.0), (EARLIEST - 0.01, 1.0)]) is None
    assert bits_at_end([(0.4, 2.0), (0.5, 1.0)]) is None


def test_a_loss_that_rises_is_not_expected_to_fall() -> None:
    assert bits_at_end([(0.2, 1.0), (0.5, 1.2)]) == pytest.approx(1.2)
