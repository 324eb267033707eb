"""The law behind the dial."""

from __future__ import annotations

import math

import pytest

from slm.train.law import expected_bits_per_byte, seconds_per_token, worth_of


def test_text_read_once_is_worth_itself() -> None:
    assert worth_of(5e6, 1e7) == 5e6
    assert worth_of(1e7, 1e7) == 1e7
    assert worth_of(5e6, math.inf) == 5e6


def test_text_read_again_is_worth_less_and_in_the_end_nothing() -> None:
    # Muennighoff et al., section 5: four epochs are nearly as good as new text.
    assert worth_of(4e6, 1e6) == pytest.approx(1e6 * (1 + 15.4 * (1 - math.exp(-3 / 15.4))))
    assert worth_of(4e6, 1e6) > 3.7e6
    assert worth_of(1e12, 1e6) == pytest.approx(16.4e6)


def test_more_of_anything_is_better() -> None:
    assert expected_bits_per_byte(2e6, 1e7, 1e9) < expected_bits_per_byte(1e6, 1e7, 1e9)
    assert expected_bits_per_byte(1e6, 2e7, 1e9) < expected_bits_per_byte(1e6, 1e7, 1e9)
    assert expected_bits_per_byte(1e6, 2e7, 1e9) < expected_bits_per_byte(1e6, 2e7, 1e7)


def test_a_larger_model_takes_longer_and_compiling_helps() -> None:
    assert seconds_per_token(2e7, compiled=False) > seconds_per_token(1e7, compiled=False)
    assert seconds_per_token(2e7, compiled=False) > seconds_per_token(2e7, compiled=True)
