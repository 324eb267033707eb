"""Times are measured by a fake clock; how fast a machine is, `bench/` and people judge."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from slm.planning import timing
from slm.planning.timing import best_seconds, step_seconds


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Work that takes these seconds, one after the other, by a clock of its own."""
    durations: list[float] = []
    now = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

    def turn() -> None:
        now[0] += durations.pop(0)

    monkeypatch.setattr(timing, "turn", turn, raising=False)
    yield durations
    assert durations == []


def test_a_step_is_the_median_after_the_first_fast_ones(ticking: list[float]) -> None:
    ticking += [9.0, 9.0, 0.1, 0.1, 1.0, 5.0, 2.0]
    assert step_seconds(timing.turn, "cpu", warm_up=2, steps=5) == 2.0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("durations", "expected"),
    [
        ([9.0, 4.0, 2.0], 2.0),  # two at least
        ([9.0, 1.0, 1.0, 2.0], 1.5),
        ([0.1, 0.5, 0.6, 0.7, 0.8], 0.75),  # no more than four
    ],
)
def test_steps_end_when_they_have_taken_long_enough(
    ticking: list[float], durations: list[float], expected: float
) -> None:
    ticking += durations
    found = step_seconds(timing.turn, "cpu", warm_up=1, steps=4, enough_seconds=3.0)  # type: ignore[attr-defined]
    assert found == pytest.approx(expected)


def test_the_best_is_the_least_but_the_first(ticking: list[float]) -> None:
    ticking += [0.5, 3.0, 2.0, 4.0]
    assert best_seconds(timing.turn, "cpu", repeats=3) == 2.0  # type: ignore[attr-defined]


@pytest.mark.parametrize(("device", "module"), [("cuda:1", torch.cuda), ("mps", torch.mps)])
def test_a_device_that_works_on_its_own_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, device: str, module: object
) -> None:
    waits: list[tuple[object, ...]] = []
    monkeypatch.setattr(module, "synchronize", lambda *place: waits.append(place))
    best_seconds(lambda: None, device, repeats=1)
    assert len(waits) == 2
