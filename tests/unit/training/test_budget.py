"""Progress by steps and by a clock that the test turns."""

from __future__ import annotations

import pytest

from slm.config import TrainingConfig
from slm.errors import TrainingError
from slm.train_state import TimeState
from slm.training.budget import Budget
from slm.training.schedule import lr_scale


class FakeClock:
    def __init__(self) -> None:
        self.now = 1234.5

    def __call__(self) -> float:
        return self.now


def run_to_the_end(budget: Budget, clock: FakeClock, seconds_a_step: float) -> list[float]:
    """Make steps until the budget is used up; returns the progress before each."""
    progress = []
    while not budget.is_over(len(progress)):
        progress.append(budget.progress(len(progress)))
        budget.begin_step()
        clock.now += seconds_a_step
        budget.end_step()
        assert len(progress) < 10_000
    return progress


def test_by_steps_the_clock_does_not_matter() -> None:
    clock = FakeClock()
    budget = Budget(TrainingConfig(max_steps=4), clock=clock)
    assert run_to_the_end(budget, clock, 1e6) == [0.0, 0.25, 0.5, 0.75]
    assert budget.progress(4) == budget.progress(9) == 1.0
    assert budget.elapsed_seconds == 4e6
    budget.reserve(1e9)
    assert not budget.is_over(3)


@pytest.mark.parametrize("seconds_a_step", [0.01, 1.0, 7.0, 25.0])
@pytest.mark.parametrize("reserve", [0.0, 5.0])
def test_by_the_clock_it_ends_in_time_and_not_early(seconds_a_step: float, reserve: float) -> None:
    clock = FakeClock()
    budget = Budget(TrainingConfig(max_minutes=1.0, max_steps=1), clock=clock)
    budget.reserve(reserve)
    progress = run_to_the_end(budget, clock, seconds_a_step)
    end = 58.5 - reserve
    assert budget.elapsed_seconds <= end + 1e-6
    assert budget.elapsed_seconds > end - 1.01 * seconds_a_step  # one more would not have fitted
    assert progress == sorted(progress)
    assert progress[0] == 0.0
    assert progress[1] == pytest.approx(seconds_a_step / end)
    assert progress[-1] <= 1.0


def test_a_step_longer_than_the_whole_budget_is_made_once() -> None:
    clock = FakeClock()
    budget = Budget(TrainingConfig(max_minutes=0.1), clock=clock)
    assert len(run_to_the_end(budget, clock, 100.0)) == 1
    assert budget.progress(1) == 1.0


def test_a_slower_machine_is_noticed() -> None:
    clock = FakeClock()
    budget = Budget(TrainingConfig(max_minutes=1.0), clock=clock)
    for _ in range(10):
        budget.begin_step()
        clock.now += 1.0
        budget.end_step()
    for _ in range(12):
        budget.begin_step()
        clock.now += 4.0
        budget.end_step()
    assert budget.elapsed_seconds == 58.0
    assert budget.is_over(22)  # the two seconds left are less than a step takes now


def test_going_on_counts_the_time_before_but_not_between() -> None:
    clock = FakeClock()
    budget = Budget(TrainingConfig(max_minutes=1.0), time_state=TimeState(45.0), clock=clock)
    assert budget.elapsed_seconds == 45.0
    assert budget.progress(999) == 0.75
    assert len(run_to_the_end(budget, clock, 2.0)) == 7
    late = Budget(TrainingConfig(max_minutes=1.0), time_state=TimeState(60.5), clock=clock)
    assert late.is_over(1)
    assert late.progress(0) == 1.0


def test_a_new_start_ends_where_the_first_one_would_have() -> None:
    clock = FakeClock()
    budget = Budget(TrainingConfig(max_minutes=1.0), clock=clock)
    budget.reserve(4.0)
    made = len(run_to_the_end(budget, clock, 5.0))
    assert made == 10
    assert budget.time_state == TimeState(50.0, 5.0, 5.5)
    again = Budget(TrainingConfig(max_minutes=1.0), time_state=budget.time_state, clock=clock)
    assert again.is_over(made)
    assert again.progress(made) == budget.progress(made)


def test_a_reserve_larger_than_the_budget_ends_the_run() -> None:
    budget = Budget(TrainingConfig(max_minutes=1.0), time_state=TimeState(1.0), clock=FakeClock())
    budget.reserve(100.0)
    assert not budget.is_over(0)
    assert budget.is_over(1)
    assert budget.progress(0) == 1.0


def test_what_came_before_the_loop_counts() -> None:
    clock = FakeClock()
    began_at = clock.now - 30.0
    budget = Budget(TrainingConfig(max_minutes=1.0), began_at=began_at, clock=clock)
    assert budget.elapsed_seconds == 30.0
    assert budget.progress(0) == 0.5
    budget.require_time()
    again = Budget(
        TrainingConfig(max_minutes=1.0), time_state=TimeState(20.0), began_at=began_at, clock=clock
    )
    assert again.elapsed_seconds == 50.0


def test_a_clock_that_ran_out_before_the_first_step_is_refused() -> None:
    clock = FakeClock()
    budget = Budget(TrainingConfig(max_minutes=0.5), began_at=clock.now - 30.0, clock=clock)
    with pytest.raises(TrainingError, match="time budget of 0.5 minutes ended before the first"):
        budget.require_time()
    Budget(TrainingConfig(max_steps=1), began_at=clock.now - 1e6, clock=clock).require_time()


def test_a_slow_first_step_does_not_end_a_run() -> None:
    clock = FakeClock()
    budget = Budget(TrainingConfig(max_minutes=0.2), clock=clock)
    budget.begin_step()
    clock.now += 7.0
    budget.end_step()
    assert not budget.is_over(1)
    assert len(run_to_the_end(budget, clock, 1.0)) == 5


@pytest.mark.parametrize("later", [0.2, 3.0])
def test_a_machine_that_changes_its_speed_still_ends_in_time(later: float) -> None:
    clock = FakeClock()
    config = TrainingConfig(max_minutes=1.0, warmup_steps=0, schedule="wsd", min_lr_fraction=0.0)
    budget = Budget(config, clock=clock)
    budget.reserve(0.0)
    scales = []
    while not budget.is_over(len(scales)):
        scales.append(lr_scale(len(scales), budget.progress(len(scales)), config))
        budget.begin_step()
        clock.now += 1.0 if budget.elapsed_seconds < 30.0 else later
        budget.end_step()
    assert 58.5 - 1.01 * later < budget.elapsed_seconds <= 58.5 + 1e-6
    # What is left of the rate at the last step is the share that this step has of the decay.
    decay_seconds = 58.5 * config.decay_fraction
    assert scales[0] == 1.0
    assert 0.0 < scales[-1] <= 2.01 * later / decay_seconds
