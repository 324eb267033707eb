"""The law behind a plan."""

from __future__ import annotations

import math

import pytest

from slm.planning.scaling_law import SCALING_LAW, ScalingLaw, effective_bytes, seconds_per_token


def test_text_read_once_is_worth_itself() -> None:
    assert effective_bytes(5e6, 1e7, 15.4) == 5e6
    assert effective_bytes(1e7, 1e7, 15.4) == 1e7
    assert effective_bytes(5e6, math.inf, 15.4) == 5e6


def test_text_read_again_is_worth_less_and_in_the_end_nothing() -> None:
    # Muennighoff et al., section 5: four epochs are nearly as good as new text.
    expected = 1e6 * (1 + 15.4 * (1 - math.exp(-3 / 15.4)))
    assert effective_bytes(4e6, 1e6, 15.4) == pytest.approx(expected)
    assert effective_bytes(4e6, 1e6, 15.4) > 3.7e6
    assert effective_bytes(1e12, 1e6, 15.4) == pytest.approx(16.4e6)
    assert effective_bytes(1e12, 1e6, 5.0) == pytest.approx(6e6)


def test_the_law_is_a_floor_and_two_powers() -> None:
    law = ScalingLaw(0.5, 6.0, 0.5, 40.0, 0.25, repeats_worth=5.0)
    assert law.bits_per_byte(9e6, 1.6e9, math.inf) == pytest.approx(0.5 + 6 / 3000 + 40 / 200)
    assert law.bits_per_byte(9e6, 1e99, 1e6) == pytest.approx(0.5 + 6 / 3000 + 40 / 6e6**0.25)


def test_nothing_is_worse_than_guessing() -> None:
    assert SCALING_LAW.bits_per_byte(1e6, 1.0, 1.0) == 8.0


def test_more_of_anything_is_better() -> None:
    assert SCALING_LAW.bits_per_byte(2e6, 1e7, 1e9) < SCALING_LAW.bits_per_byte(1e6, 1e7, 1e9)
    assert SCALING_LAW.bits_per_byte(1e6, 2e7, 1e9) < SCALING_LAW.bits_per_byte(1e6, 1e7, 1e9)
    assert SCALING_LAW.bits_per_byte(1e6, 2e7, 1e9) < SCALING_LAW.bits_per_byte(1e6, 2e7, 1e7)


def test_a_larger_model_takes_longer_and_compiling_helps() -> None:
    assert seconds_per_token(2e7, compiled=False) > seconds_per_token(1e7, compiled=False)
    assert seconds_per_token(2e7, compiled=False) > seconds_per_token(2e7, compiled=True)
