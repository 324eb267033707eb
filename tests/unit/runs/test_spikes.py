"""Losses that jump up are seen, ordinary ones are not, and the memory is short."""

from __future__ import annotations

import json
import math
import random
import statistics

import pytest

from slm.runs.spikes import LEAST_SEEN, MEMORY, LossWatch


def watched(losses: list[float]) -> LossWatch:
    watch = LossWatch()
    for loss in losses:
        watch.take_in(loss)
    return watch


def test_mean_and_deviation_of_the_first_losses_are_the_plain_ones() -> None:
    losses = [3.0, 2.5, 2.75, 4.0, 1.5]
    watch = watched(losses)
    assert watch.mean == pytest.approx(statistics.fmean(losses))
    assert watch.deviation == pytest.approx(statistics.pstdev(losses))


def test_old_losses_are_forgotten() -> None:
    chance = random.Random(0)
    watch = watched([9.0] * 200 + [2.0 + chance.choice([-0.1, 0.1]) for _ in range(20 * MEMORY)])
    assert watch.mean == pytest.approx(2.0, abs=0.05)
    assert watch.deviation == pytest.approx(0.1, abs=0.02)


def test_nothing_is_a_spike_before_enough_is_known() -> None:
    assert watched([2.0] * (LEAST_SEEN - 1)).limit == math.inf
    assert watched([2.0] * LEAST_SEEN).limit < math.inf


def test_where_losses_hardly_vary_small_steps_are_no_spikes() -> None:
    assert watched([2.0] * 50).limit == pytest.approx(2.2)


def test_ordinary_noise_and_falling_losses_have_no_spikes() -> None:
    chance = random.Random(1)
    watch = LossWatch()
    for step in range(3000):
        loss = 2.0 + 7.0 * math.exp(-step / 200) + chance.gauss(0.0, 0.15)
        assert loss <= watch.limit, step
        watch.take_in(loss)
    assert watch.limit < 2.0 + 7 * 0.15 + 0.3


def test_losses_that_stay_high_are_soon_ordinary() -> None:
    watch = watched([2.0, 2.1] * 50)
    n_spikes = 0
    for _ in range(50):
        n_spikes += watch.limit < 5.0
        watch.take_in(5.0)
    assert 1 <= n_spikes <= 3


def test_it_comes_back_exactly_from_json() -> None:
    watch = watched([2.0 + 1 / n for n in range(1, 200)])
    again = LossWatch(**json.loads(json.dumps(watch.to_json())))
    for loss in (2.1, 2.2, 7.0):
        watch.take_in(loss)
        again.take_in(loss)
    assert again == watch
