"""The measure of a race: every token once, and a clock that favors the baselines."""

from __future__ import annotations

import math

import pytest
import torch
from race_meter import HeldOut, Meter, Reading, pace_of, read_held_out, reading_of, write_held_out

VOCABULARY = 8


class Uniform(torch.nn.Module):
    """Every id has the same probability."""

    def forward(self, x):
        assert not self.training
        return torch.zeros(*x.shape, VOCABULARY)


class Clock:
    """Seconds that a test sets."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


def held_out(n_bytes=5):
    return HeldOut([([0, 1, 2, 3], 0), ([2, 3, 4], 1)], n_bytes)


def test_each_token_is_scored_once():
    bits = held_out(n_bytes=2).bits_per_byte(lambda x, y: torch.zeros(*x.shape, VOCABULARY))
    assert bits == pytest.approx((3 + 1) * 3 / 2)  # tokens of three bits each, two bytes


def test_a_model_that_knows_the_targets_needs_no_bits():
    def logits_of(x, y):
        return 100 * torch.nn.functional.one_hot(y, VOCABULARY).float()

    assert held_out().bits_per_byte(logits_of) == pytest.approx(0.0, abs=1e-6)


def test_batches_are_small():
    text = HeldOut([(list(range(1000)), 0) for _ in range(7)], 1)
    shapes = []

    def logits_of(x, y):
        shapes.append(tuple(x.shape))
        return torch.zeros(*x.shape, 1000)

    text.bits_per_byte(logits_of)
    assert shapes == [(2, 999), (2, 999), (2, 999), (1, 999)]


def test_held_out_text_survives_its_file(tmp_path):
    write_held_out(tmp_path / "file.json", held_out(4), held_out(5))
    assert read_held_out(tmp_path / "file.json") == (held_out(4), held_out(5))


def meter_of(clock, **options):
    return Meter(lambda model: (held_out(4), held_out(5)), every=5.0, now=clock, **options)


def readings(capsys):
    return [
        reading for line in capsys.readouterr().out.splitlines() if (reading := reading_of(line))
    ]


def test_the_first_step_of_a_baseline_is_free(capsys):
    clock = Clock()
    meter = meter_of(clock, seconds=60.0)
    clock.seconds = 40.0
    assert meter.clock == 0.0
    meter.after_step(Uniform())
    clock.seconds = 47.0
    assert meter.clock == pytest.approx(7.0)
    meter.after_step(Uniform())
    assert [reading.seconds for reading in readings(capsys)] == [0.0, 7.0]


def test_measurements_of_a_baseline_are_free(capsys):
    clock = Clock()

    class Slow(Uniform):
        def forward(self, x):
            clock.seconds += 100.0
            return super().forward(x)

    meter = meter_of(clock, seconds=60.0)
    meter.after_step(Slow())
    assert meter.clock == 0.0
    clock.seconds += 3.0
    assert meter.clock == pytest.approx(3.0)


def test_nothing_of_ours_is_free(capsys):
    clock = Clock()
    meter = meter_of(clock, all_counts=True)
    clock.seconds = 9.0
    assert meter.clock == 9.0
    meter.after_step(Uniform())
    assert readings(capsys)[0].seconds is None


def test_a_sample_is_measured_every_few_seconds(capsys):
    clock = Clock()
    meter = meter_of(clock, seconds=100.0)
    model = Uniform()
    for clock.seconds in (1.0, 3.0, 5.9, 6.1, 8.0, 11.2):
        meter.after_step(model)
    assert len(readings(capsys)) == 3
    assert model.training


def test_the_race_ends_with_all_text(capsys):
    clock = Clock()
    meter = meter_of(clock, seconds=10.0)
    meter.after_step(Uniform())
    clock.seconds = 10.5
    with pytest.raises(SystemExit) as end:
        meter.after_step(Uniform())
    assert end.value.code == 0
    assert meter.is_over
    assert [reading.of_all for reading in readings(capsys)] == [False, False, True]


def test_a_trial_measures_the_steps_after_the_first(capsys):
    clock = Clock()
    meter = meter_of(clock, seconds=600.0, is_trial=True)
    with pytest.raises(SystemExit):
        for clock.seconds in (50.0, 56.0, 62.0, 68.0, 74.0):
            meter.after_step(Uniform())
    assert clock.seconds == 68.0
    assert pace_of(capsys.readouterr().out) == pytest.approx(6.0)


def test_lines_of_a_racer():
    line = "race: 1.0000 bits per byte of the sample, at 2.500 s"
    assert reading_of(line) == Reading(1.0, False, 2.5)
    assert reading_of("race: 1.0000 bits per byte of all, now") == Reading(1.0, True, None)
    for line in ("", "step 5: val loss 2.0", "race: nan bits per byte of all, at 1.0 s"):
        assert reading_of(line) is None
    assert pace_of("nothing") is None


def test_bits_are_of_the_bytes():
    text = HeldOut([([0, 1], 0)], 3)
    bits = text.bits_per_byte(lambda x, y: torch.zeros(*x.shape, VOCABULARY))
    assert bits == pytest.approx(math.log2(VOCABULARY) / 3)
