"""What is said anew of a plan, with steps that the test times."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import pytest

from slm.planning.dataset_size import DatasetSize
from slm.planning.plan import Plan, make_plan
from slm.planning.restating import Outlook, PlannedRun, Restatement
from slm.planning.steps import EVALUATING_SHARE, MachineProfile
from slm.presets import resolve

STORIES = DatasetSize(2 * 10**9, 4.05)


def plan_for(minutes: float, text: DatasetSize = STORIES, speed: float = 1.0) -> Plan:
    machine = MachineProfile("cpu", "float32", speed, has_compiler=False, memory_bytes=None)
    return make_plan(resolve("modern-12m"), minutes, machine, text)


def planned_for(minutes: float, text: DatasetSize = STORIES) -> PlannedRun:
    planned = PlannedRun.from_json(json.loads(json.dumps(plan_for(minutes, text).to_json())))
    assert planned is not None
    return planned


def run(outlook: Outlook, *phases: tuple[float, float], began_at: float = 6.0) -> list[Restatement]:
    """Make steps of given lengths until given times; returns what was said."""
    said, step, now = [], 0, began_at
    for until, seconds in phases:
        while now + seconds <= until:
            step, now = step + 1, now + seconds
            restated = outlook.add_step(step, now, seconds)
            if restated is not None:
                said.append(restated)
    return said


# -- what is expected ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [STORIES, DatasetSize(10**6, 4.05), DatasetSize(None, 4.05)])
def test_at_the_planned_rate_the_plan_comes_out_again(text: DatasetSize) -> None:
    planned = planned_for(10, text)
    again = planned.restated(0, 6.0, planned.seconds_per_step)
    assert again.steps == pytest.approx(planned.steps, rel=0.01)
    assert again.tokens == pytest.approx(planned.tokens, rel=0.01)
    assert again.expected_bits_per_byte == pytest.approx(planned.expected_bits_per_byte, rel=0.01)


def test_a_slow_machine_is_expected_to_do_what_is_planned_for_one() -> None:
    planned = planned_for(10)
    slow = planned.restated(0, 6.0, 3.0 * planned.seconds_per_step)
    assert slow.steps == pytest.approx(planned.steps / 3, rel=0.01)
    assert slow.expected_bits_per_byte > planned.expected_bits_per_byte
    fast = planned.restated(0, 6.0, planned.seconds_per_step / 3.0)
    assert fast.expected_bits_per_byte < planned.expected_bits_per_byte


def test_steps_that_are_made_count() -> None:
    planned = planned_for(10)
    seconds = planned.seconds_per_step
    assert planned.restated(100, 600.0, seconds).steps == 100
    assert planned.restated(100, 700.0, seconds).steps == 100  # no time is left
    half = planned.restated(100, 300.0, seconds)
    assert half.steps == 100 + int(300.0 * (1 - EVALUATING_SHARE) / seconds)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": None},
        {"steps": "9"},
        {"steps": True},
        {"steps": 0},
        {"steps": -5},
        {"seconds_per_step": float("inf")},
        {"epochs": 0},
        {"epochs": "many"},
    ],
)
def test_a_plan_without_all_figures_promises_nothing(change: dict[str, object]) -> None:
    plan = plan_for(10).to_json()
    assert PlannedRun.from_json(plan) is not None
    assert PlannedRun.from_json({**plan, **change}) is None
    older = {name: value for name, value in plan.items() if name not in change}
    assert (PlannedRun.from_json(older) is None) is ("epochs" not in change)
    assert PlannedRun.from_json({}) is None


def test_a_run_from_given_weights_is_held_to_no_plan() -> None:
    """It begins below the bits per byte that the law expects at its end."""
    plan = plan_for(10).to_json()
    assert PlannedRun.from_json(plan) is not None
    parent = {"settings": {**plan["settings"], "parent": {"step": 7}}}
    assert PlannedRun.from_json({**plan, **parent}) is None
    taught = {"settings": {**plan["settings"], "teacher_models": [{"step": 7}]}}
    assert PlannedRun.from_json({**plan, **taught}) is None


@pytest.mark.parametrize("saved", [None, [], {}, {"step": 1}, "text", 7])
def test_a_damaged_restatement_is_none(saved: object) -> None:
    assert Restatement.from_json(saved) is None


def test_a_restatement_comes_back() -> None:
    said = planned_for(10).restated(10, 60.0, 0.5)
    assert Restatement.from_json(json.loads(json.dumps(asdict(said)))) == said
    assert Restatement.from_json({**asdict(said), "steps": -1}) is None
    assert Restatement.from_json({**asdict(said), "more": 1}) is None


# -- when it is said -------------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [0.5, 3.0, 10.0, 600.0])
@pytest.mark.parametrize("factor", [0.85, 1.0, 1.15])
def test_nothing_is_said_while_the_plan_holds(minutes: float, factor: float) -> None:
    planned = planned_for(minutes)
    outlook = Outlook(planned)
    assert run(outlook, (60 * minutes, factor * planned.seconds_per_step)) == []
    assert outlook.stated is planned


@pytest.mark.parametrize("minutes", [0.5, 3.0, 10.0, 600.0])
@pytest.mark.parametrize("factor", [0.2, 0.5, 1.5, 3.0, 10.0])
def test_another_rate_is_said_once_in_the_first_minute(minutes: float, factor: float) -> None:
    planned = planned_for(minutes)
    outlook = Outlook(planned)
    seconds = factor * planned.seconds_per_step
    (said,) = run(outlook, (60 * minutes, seconds))
    window = min(60.0, 6.0 * minutes)
    assert said.elapsed_seconds <= 6.0 + window + 3 * seconds
    assert said.seconds_per_step == pytest.approx(seconds)
    made = int((60 * minutes - 6.0) / seconds)
    assert said.steps == pytest.approx(made, rel=0.05, abs=2)
    assert outlook.stated is said


def test_the_first_step_does_not_count() -> None:
    planned = planned_for(10)
    outlook = Outlook(planned)
    assert outlook.add_step(1, 66.0, 60.0) is None  # it compiled
    for step in range(2, 50):
        assert outlook.add_step(step, 66.0 + step, planned.seconds_per_step) is None


def test_steps_that_are_longer_than_the_window() -> None:
    outlook = Outlook(planned_for(3.0))
    assert outlook.add_step(1, 40.0, 30.0) is None
    assert outlook.add_step(2, 70.0, 30.0) is None
    said = outlook.add_step(3, 100.0, 30.0)
    assert said is not None
    assert said.steps == 3 + 2


def test_nothing_is_said_when_no_time_is_left() -> None:
    outlook = Outlook(planned_for(3.0))
    assert [outlook.add_step(step, 100.0 * step, 100.0) for step in (1, 2, 3)] == [None] * 3


def test_a_step_that_compiles_for_a_longer_context_does_not_count() -> None:
    planned = planned_for(10)
    outlook = Outlook(planned)
    elapsed = 6.0
    for step in range(1, planned.steps - 100):
        seconds = 40.0 if step == planned.steps // 2 else planned.seconds_per_step
        elapsed += seconds
        assert outlook.add_step(step, elapsed, seconds) is None


def test_a_late_start_is_said_though_steps_are_as_planned() -> None:
    planned = planned_for(3.0)
    outlook = Outlook(planned)
    (said,) = run(outlook, (180.0, planned.seconds_per_step), began_at=120.0)
    assert said.seconds_per_step == pytest.approx(planned.seconds_per_step)
    assert said.steps == pytest.approx(planned.steps / 3, rel=0.1)


def test_a_change_later_on_is_said_again_but_not_each_little_one() -> None:
    planned = planned_for(30.0)
    seconds = planned.seconds_per_step
    outlook = Outlook(planned)
    said = run(outlook, (600.0, 3 * seconds), (1800.0, seconds))
    assert len(said) == 2
    assert said[0].steps < said[1].steps < planned.steps
    outlook = Outlook(planned)
    (said_once,) = run(outlook, (300.0, 3 * seconds), (500.0, 2.6 * seconds), (1800, 3 * seconds))
    assert said_once.elapsed_seconds < 80.0


def test_what_was_said_before_an_interruption_is_not_said_again() -> None:
    planned = planned_for(10.0)
    seconds = 3 * planned.seconds_per_step
    (said,) = run(Outlook(planned), (300.0, seconds))
    resumed = Outlook(planned, said)
    assert resumed.stated is said
    step, now = round(294 / seconds), 300.0
    while now < 590.0:
        step, now = step + 1, now + seconds
        assert resumed.add_step(step, now, seconds) is None


def test_a_machine_that_comes_and_goes_is_not_a_torrent_of_notes() -> None:
    planned = planned_for(600.0)
    factors = [8.0, 1.0] * 18
    phases = [(1000.0 * (n + 1), f * planned.seconds_per_step) for n, f in enumerate(factors)]
    assert len(run(Outlook(planned), *phases)) <= 9


def test_the_plan_names_the_seconds_of_a_step() -> None:
    one, two = plan_for(10), plan_for(10, speed=2.0)
    assert one.seconds_per_step * one.steps == pytest.approx(594 * (1 - EVALUATING_SHARE), rel=0.02)
    same_size = replace(two, settings=one.settings)
    assert same_size.non_embedding_parameters > 0


# -- text that is easier or harder than TinyStories ------------------------------------------------


def evaluated(outlook: Outlook, curve: list[tuple[float, float]]) -> list[Restatement]:
    """Evaluate a run of 10 minutes at shares of it; returns what was said."""
    found = [outlook.add_evaluation(round(1000 * p), 600.0 * p, bits) for p, bits in curve]
    return [restatement for restatement in found if restatement is not None]


def falling_to(end: float) -> list[tuple[float, float]]:
    """Evaluations at every twelfth of a run, as a run on children's stories gives them."""
    ratios = (1.9, 1.6, 1.45, 1.35, 1.28, 1.22, 1.17, 1.12, 1.08, 1.05, 1.02, 1.0)
    return [((n + 1) / 12, end * ratio) for n, ratio in enumerate(ratios)]


def test_evaluations_as_planned_say_nothing() -> None:
    outlook = Outlook(planned_for(10))
    assert evaluated(outlook, falling_to(outlook.planned.expected_bits_per_byte)) == []


@pytest.mark.parametrize("factor", [0.2, 0.4, 2.5])
def test_text_of_another_difficulty_is_noticed_in_the_first_half(factor: float) -> None:
    planned = planned_for(10)
    end = factor * planned.expected_bits_per_byte
    said = evaluated(Outlook(planned), falling_to(end))
    assert said[0].elapsed_seconds <= 300.0
    assert said[-1].expected_bits_per_byte == pytest.approx(end, rel=0.15)
    assert said[-1].difficulty == pytest.approx(factor, rel=0.2)
    assert len(said) <= 2


def test_a_plan_that_knows_the_text_is_not_restated() -> None:
    planned = replace(planned_for(10, DatasetSize(2 * 10**9, 4.05, difficulty=0.2)))
    assert planned.difficulty == 0.2
    assert planned.expected_bits_per_byte < 0.3
    assert evaluated(Outlook(planned), falling_to(planned.expected_bits_per_byte)) == []


def test_a_change_of_speed_keeps_the_difficulty_that_was_found() -> None:
    planned = planned_for(10)
    outlook = Outlook(planned)
    (*_, last) = evaluated(outlook, falling_to(0.2 * planned.expected_bits_per_byte)[:6])
    (slower,) = run(outlook, (400.0, 3.0 * planned.seconds_per_step), began_at=300.0)
    assert slower.difficulty == last.difficulty
    assert slower.expected_bits_per_byte < 0.5 * planned.expected_bits_per_byte


@pytest.mark.parametrize("bits", [0.0, math.inf, math.nan])
def test_an_evaluation_without_a_number_is_ignored(bits: float) -> None:
    outlook = Outlook(planned_for(10))
    assert outlook.add_evaluation(500, 300.0, bits) is None
    assert outlook.add_evaluation(0, 10.0, 8.0) is None  # before the first step


def test_a_run_that_has_lost_its_first_evaluations_waits() -> None:
    outlook = Outlook(planned_for(10))
    assert outlook.add_evaluation(500, 300.0, 0.1) is None
    assert outlook.add_evaluation(600, 360.0, 0.1) is None
    assert outlook.add_evaluation(1000, 600.0, 0.1) is not None
