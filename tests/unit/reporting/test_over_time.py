"""`over-time.json`, and the step at which half of a change is done."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from slm.config.run_files import OVER_TIME_FILE, OVER_TIME_PLOT
from slm.evals.facts import HELD_OUT
from slm.evals.suite import Score, SuiteResult
from slm.reporting.over_time import (
    LOSS,
    OverTime,
    ScoreCurve,
    ScoredCheckpoint,
    read_over_time,
    write_over_time,
)
from slm.reporting.over_time_plot import write_plot

CONDITIONS = {"facts": {"limit": 50, "seed": 0, "source": None}}


def score(value: float, name: str = "who", width: float = 2.0) -> Score:
    return Score(name, value, value - width, value + width, 50, 50.0)


def checkpoint(step: int, value: float, sha256: str = "") -> ScoredCheckpoint:
    parts = (score(value), score(50.0, f"who{HELD_OUT}"))
    result = SuiteResult("facts", score(value, "facts"), parts, 0)
    return ScoredCheckpoint(step, 100 * step, 1.5 * step, sha256 or f"w{step}", {"facts": result})


@pytest.fixture
def found() -> OverTime:
    values = {10: 50.0, 20: 55.0, 50: 85.0, 100: 90.0}
    return OverTime(tuple(checkpoint(*each) for each in values.items()), CONDITIONS)


def test_results_come_back(tmp_path: Path, found: OverTime) -> None:
    assert read_over_time(tmp_path) == OverTime()
    write_over_time(tmp_path, found)
    assert read_over_time(tmp_path) == found


def test_a_result_without_items_comes_back_and_is_not_drawn(tmp_path: Path) -> None:
    empty = SuiteResult("stories", None, (Score("spelling", math.nan, math.nan, math.nan, 0),), 0)
    checkpoints = (ScoredCheckpoint(step, 0, 0.0, "w", {"stories": empty}) for step in (10, 20))
    write_over_time(tmp_path, OverTime(tuple(checkpoints)))
    again = read_over_time(tmp_path)
    assert again.has_result(10, "stories")
    assert again.curves == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("format",), "x"),
        (("version",), 2),
        (("checkpoints",), {}),
        (("conditions",), 1),
        (("checkpoints", 0), 7),
        (("checkpoints", 0, "step"), "10"),
        (("checkpoints", 0, "tokens"), -1),
        (("checkpoints", 0, "seconds"), "long"),
        (("checkpoints", 0, "weights_sha256"), None),
        (("checkpoints", 0, "results"), []),
        (("checkpoints", 0, "results", "facts"), {}),
        (("checkpoints", 1, "step"), 10),
    ],
)
def test_what_is_no_result_is_left_out(
    tmp_path: Path, found: OverTime, place: tuple[Any, ...], value: Any
) -> None:
    write_over_time(tmp_path, found)
    file = tmp_path / OVER_TIME_FILE
    content = json.loads(file.read_text("utf-8"))
    parent = content
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    file.write_text(json.dumps(content), encoding="utf-8")
    again = read_over_time(tmp_path)
    assert again != found
    assert len(again.curves) in (0, 3)
    assert not again.has_result(20 if place[1:2] == (1,) else 10, "facts") or place[1:2] == (1,)


def test_results_under_other_conditions_are_dropped(found: OverTime) -> None:
    assert found.under(CONDITIONS) == found
    other = found.under({"facts": {"limit": 4}, LOSS: {"limit": 200}})
    assert not other.has_result(10, "facts")
    assert other.conditions["facts"] == {"limit": 4}
    assert found.under({LOSS: {"limit": 200}}).has_result(10, "facts")


def test_results_of_other_weights_are_dropped(found: OverTime) -> None:
    left = found.of_weights({10: "w10", 20: "changed", 100: "w100"})
    assert [each.step for each in left.checkpoints] == [10, 100]


def test_results_are_added_by_step(found: OverTime) -> None:
    bits = SuiteResult(LOSS, score(1.0, "bits per byte", 0.1), (), 0)
    more = found.with_results(ScoredCheckpoint(20, 2000, 30.0, "w20", {LOSS: bits}))
    assert more.has_result(20, LOSS)
    assert more.has_result(20, "facts")
    more = more.with_results(checkpoint(30, 60.0))
    assert [each.step for each in more.checkpoints] == [10, 20, 30, 50, 100]


def curve(values: list[float], suite: str = "facts", width: float = 2.0) -> ScoreCurve:
    steps = tuple(10 * 2**n for n in range(len(values)))
    return ScoreCurve(suite, "x", steps, tuple(score(value, width=width) for value in values))


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ([50, 50, 90, 90], 40),
        ([50, 80, 60, 90], 80),  # from there on
        ([50, 90], 20),
        ([50, 50, 53, 53], None),  # within the noise
        ([90, 80, 60, 50], None),  # it falls
        ([50, 90, 90, 50], None),
    ],
)
def test_where_half_of_a_rise_is_done(values: list[float], step: int | None) -> None:
    assert curve(values).arrives_at == step


def test_bits_per_byte_get_better_downwards() -> None:
    assert curve([4.0, 3.0, 1.5, 1.0], LOSS, width=0.1).arrives_at == 40
    assert curve([1.0, 2.0, 4.0], LOSS, width=0.1).arrives_at is None


def test_intervals_of_a_file_that_miss_their_values() -> None:
    scores = Score("who", 90.0, 1.0, 2.0, 50), Score("who", 10.0, 50.0, 60.0, 50)
    assert ScoreCurve("facts", "who", (10, 20), scores).arrives_at is None


def test_a_panel_has_the_held_out_items_too(found: OverTime) -> None:
    assert [panel.title for panel in found.panels] == ["facts: who", "facts"]
    who = found.panels[0]
    assert [len(each.steps) for each in who.curves] == [4, 4]
    assert (who.chance, who.limits) == (50.0, (0.0, 100.0))


def test_the_picture(tmp_path: Path, found: OverTime) -> None:
    write_plot(tmp_path, OverTime(found.checkpoints[:1]))
    assert not (tmp_path / OVER_TIME_PLOT).exists()
    write_plot(tmp_path, found)
    assert (tmp_path / OVER_TIME_PLOT).read_bytes().startswith(b"\x89PNG")
