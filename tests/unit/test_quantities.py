from __future__ import annotations

import pytest

from slm.quantities import counted, duration, gigabytes, megabytes, parameters


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (1, "story", "1 story"),
        (2000, "story", "2,000 stories"),
        (0, "token", "0 tokens"),
        (1, "process", "1 process"),
        (2, "process", "2 processes"),
        (3, "batch", "3 batches"),
        (2, "epoch", "2 epochs"),
        (1.0, "minute", "1 minute"),
        (1.5, "minute", "1.5 minutes"),
        (0.05, "minute", "0.05 minutes"),
        (0.001, "minute", "0.001 minutes"),
        (1_000_000.0, "minute", "1,000,000 minutes"),
    ],
)
def test_one_is_singular_and_everything_else_is_not(number: float, noun: str, text: str) -> None:
    assert counted(number, noun) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1 parameter"),
        (8_992, "8,992 parameters"),
        (99_999, "99,999 parameters"),
        (100_000, "0.1 million parameters"),
        (12_160_512, "12.2 million parameters"),
        (1_234_000_000, "1,234.0 million parameters"),
    ],
)
def test_no_model_has_zero_million_parameters(number: int, text: str) -> None:
    assert parameters(number) == text


def test_sizes() -> None:
    assert megabytes(1) == "1 byte"
    assert megabytes(999) == "999 bytes"
    assert megabytes(15_670_000) == "15.7 MB"
    assert gigabytes(1.54e9) == "1.5 GB"
    assert gigabytes(40_000_000) == "40.0 MB"
    assert gigabytes(10) == "10 bytes"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0s"), (0.4, "0s"), (59.4, "59s"), (59.6, "1m00s"), (185, "3m05s"), (3599.7, "1h00m")]
    + [(7621, "2h07m"), (360000, "100h00m")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
