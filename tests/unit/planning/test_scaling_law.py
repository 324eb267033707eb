"""The law behind a plan."""

from __future__ import annotations

import math

import pytest

from slm.planning.scaling_law import SCALING_LAW, ScalingLaw, effective_bytes, seconds_per_token


def test_text_read_once_is_worth_itself() -> None:
    assert effective_bytes(5e6, 1e7) == 5e6
    assert effective_bytes(1e7, 1e7) == 1e7
    assert effective_bytes(5e6, math.inf) == 5e6


def test_text_read_again_is_worth_less_and_in_the_end_nothing() -> None:
    # Muennighoff et al., section 5: four epochs are nearly as good as new text.
    assert effective_bytes(4e6, 1e6) == pytest.approx(1e6 * (1 + 15.4 * (1 - math.exp(-3 / 15.4))))
    assert effective_bytes(4e6, 1e6) > 3.7e6
    assert effective_bytes(1e12, 1e6) == pytest.approx(16.4e6)


def test_the_law_is_a_floor_and_two_powers() -> None:
    law = ScalingLaw(
        floor=0.5, size_factor=6.0, size_exponent=0.5, data_factor=40.0, data_exponent=0.25
    )
    assert law.bits_per_byte(9e6, 1.6e9, math.inf) == pytest.approx(0.5 + 6 / 3000 + 40 / 200)
    assert law.bits_per_byte(9e6, 1e99, 1e6) == pytest.approx(
        0.5 + 6 / 3000 + 40 / effective_bytes(1e99, 1e6) ** 0.25
    )


def test_nothing_is_worse_than_guessing() -> None:
    assert SCALING_LAW.bits_per_byte(1e6, 1.0, 1.0) == 8.0


def test_more_of_anything_is_better() -> None:
    assert SCALING_LAW.bits_per_byte(2e6, 1e7, 1e9) < SCALING_LAW.bits_per_byte(1e6, 1e7, 1e9)
    assert SCALING_LAW.bits_per_byte(1e6, 2e7, 1e9) < SCALING_LAW.bits_per_byte(1e6, 1e7, 1e9)
    assert SCALING_LAW.bits_per_byte(1e6, 2e7, 1e9) < SCALING_LAW.bits_per_byte(1e6, 2e7, 1e7)


def test_a_larger_model_takes_longer_and_compiling_helps() -> None:
    assert seconds_per_token(2e7, compiled=False) > seconds_per_token(1e7, compiled=False)
    assert seconds_per_token(2e7, compiled=False) > seconds_per_token(2e7, compiled=True)
