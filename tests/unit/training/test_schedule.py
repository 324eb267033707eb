"""The learning rate over a run."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from slm.config import TrainingConfig
from slm.training.schedule import (
    context_length_at,
    lr_at,
    lr_scale,
    split_windows,
)

schedules = st.builds(
    TrainingConfig,
    schedule=st.sampled_from(["cosine", "wsd"]),
    warmup_steps=st.integers(0, 50),
    decay_fraction=st.floats(0.0, 1.0),
    min_lr_fraction=st.floats(0.0, 1.0),
    max_steps=st.integers(1, 300),
)


@given(config=schedules, step=st.integers(0, 1000), progress=st.floats(-1.0, 2.0))
def test_it_is_a_share_of_the_peak_and_depends_on_its_arguments_alone(
    config: TrainingConfig, step: int, progress: float
) -> None:
    scale = lr_scale(step, progress, config)
    assert 0.0 <= scale <= 1.0
    assert scale == lr_scale(step, progress, config)
    if step >= config.warmup_steps:
        assert scale >= config.min_lr_fraction


@given(config=schedules)
def test_it_rises_while_warming_up_and_then_only_falls(config: TrainingConfig) -> None:
    rates = [lr_at(step, config) for step in range(config.max_steps + 1)]
    peak = rates.index(max(rates))
    assert peak <= config.warmup_steps
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[0] > 0.0
    assert max(rates) <= config.learning_rate


def test_warm_up_is_a_straight_line() -> None:
    config = TrainingConfig(
        warmup_steps=4, schedule="wsd", decay_fraction=0.0, max_steps=100, learning_rate=0.5
    )
    rates = [lr_at(step, config) for step in range(6)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.5])


def test_cosine() -> None:
    config = TrainingConfig(
        schedule="cosine", warmup_steps=0, min_lr_fraction=0.1, learning_rate=2.0, max_steps=8
    )
    for step in range(9):
        expected = 2.0 * (0.1 + 0.9 * (1 + math.cos(math.pi * step / 8)) / 2)
        assert lr_at(step, config) == pytest.approx(expected)
    assert lr_at(8, config) == pytest.approx(0.2)


def test_warm_up_stable_decay() -> None:
    config = TrainingConfig(
        schedule="wsd", warmup_steps=0, decay_fraction=0.4, min_lr_fraction=0.2, max_steps=10
    )
    scales = [lr_scale(0, progress / 10, config) for progress in range(11)]
    assert scales == pytest.approx([1.0] * 7 + [0.8, 0.6, 0.4, 0.2])


def test_by_the_clock_it_depends_on_progress_and_not_on_steps() -> None:
    config = TrainingConfig(schedule="cosine", warmup_steps=10, max_minutes=5.0)
    assert lr_scale(1000, 0.5, config) == lr_scale(20, 0.5, config)
    assert lr_scale(1000, 0.5, config) > lr_scale(1000, 0.6, config)


# -- context length --------------------------------------------------------------------------------


def test_the_context_is_short_at_first() -> None:
    config = TrainingConfig(seq_len_warmup=64, seq_len_warmup_fraction=0.5)
    assert [context_length_at(p, config, 256) for p in (0.0, 0.49, 0.5, 1.0)] == [64, 64, 256, 256]
    assert context_length_at(0.0, config, 32) == 32


def test_without_a_short_context_it_is_the_whole_window() -> None:
    assert context_length_at(0.0, TrainingConfig(), 256) == 256


def test_cutting_keeps_every_token_and_its_target() -> None:
    stream = torch.arange(25)
    x, y = stream[:24].view(2, 12), stream[1:].view(2, 12)
    short_x, short_y = split_windows((x, y), 4)
    assert short_x.shape == (6, 4)
    assert torch.equal(short_x.flatten(), stream[:24])
    assert torch.equal(short_y, short_x + 1)
    whole_x, whole_y = split_windows((x, y), 12)
    assert torch.equal(whole_x, x)
    assert torch.equal(whole_y, y)
