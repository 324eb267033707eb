"""`plan.json`, and the notes of a run that turns out otherwise than planned."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slm.api import Trainer
from slm.config.origins import Origin, OriginKind
from slm.config.run_files import PLAN_FILE
from slm.planning.dataset_size import DatasetSize
from slm.planning.plan import make_plan
from slm.planning.plan_file import PlanFile, read_plan
from slm.planning.steps import MachineProfile
from slm.presets import resolve
from slm.training import RunStart, StepRecord


@pytest.fixture
def plan() -> dict[str, Any]:
    machine = MachineProfile("cpu", "float32", 1.0, has_compiler=False, memory_bytes=None)
    made = make_plan(resolve("modern-12m"), 3.0, machine, DatasetSize(2 * 10**9, 4.05))
    return made.to_json()


@pytest.fixture
def start(tmp_path: Path, make_trainer: Callable[..., Trainer], listener: Any) -> RunStart:
    """Of a run of three minutes."""
    make_trainer().train(stop_after=1)
    (found,) = listener.of("on_start")
    settings = found.settings.with_values(
        {"train.max_minutes": 3.0}, Origin(OriginKind.FLAG, "--minutes")
    )
    return replace(found, settings=settings, out_dir=tmp_path, tokens_per_step=4096)


def step(number: int, elapsed: float, seconds: float) -> StepRecord:
    return StepRecord(number, 5.0, 1.0, 0.1, 1.0, 9, 4096 / seconds, elapsed, 0.5)


def test_the_plan_is_written_and_kept(plan: dict[str, Any], start: RunStart) -> None:
    notes: list[str] = []
    PlanFile(plan, notes.append).on_start(start)
    saved = read_plan(start.out_dir)
    assert saved is not None
    assert saved == {**json.loads(json.dumps(plan)), "restatements": []}
    assert notes == []


def test_a_slow_run_is_said_and_written(plan: dict[str, Any], start: RunStart) -> None:
    notes: list[str] = []
    file = PlanFile(plan, notes.append)
    file.on_start(start)
    for number in range(1, 8):
        file.on_step(step(number, 6.0 + 5.0 * number, 5.0))
    (note,) = notes
    planned = f"{1e3 * plan['seconds_per_step']:.0f} ms"
    assert note.startswith(f"a step takes 5.00 s instead of {planned}, and 144 s are left: expect")
    assert f"about 33 steps instead of {plan['steps']:,}, and " in note
    assert f" bits per byte instead of {plan['expected_bits_per_byte']:.2f}" in note
    saved = read_plan(start.out_dir)
    assert saved is not None
    (restatement,) = saved["restatements"]
    assert restatement["steps"] == 33
    assert restatement["step"] == 6
    assert saved["steps"] == plan["steps"]  # the plan itself stays
    # A later start of the run goes by what was said.
    resumed = PlanFile(saved, notes.append)
    assert resumed.outlook is not None
    assert resumed.outlook.stated.steps == 33
    resumed.on_start(start)
    for number in range(8, 16):
        resumed.on_step(step(number, 6.0 + 5.0 * number, 5.0))
    assert len(notes) == 1
    assert read_plan(start.out_dir) == saved


@pytest.mark.parametrize("minutes", [5.0, None])
def test_a_run_of_another_length_is_not_held_against_it(
    plan: dict[str, Any], start: RunStart, minutes: float | None
) -> None:
    notes: list[str] = []
    file = PlanFile(plan, notes.append)
    settings = start.settings.with_values(
        {"train.max_minutes": minutes}, Origin(OriginKind.FLAG, "--minutes")
    )
    file.on_start(replace(start, settings=settings))
    for number in range(1, 8):
        file.on_step(step(number, 6.0 + 5.0 * number, 5.0))
    assert notes == []
    assert file.outlook is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b'{"a": 1, "a": 2}'])
def test_a_file_that_is_no_plan(tmp_path: Path, content: bytes) -> None:
    assert read_plan(tmp_path) is None
    (tmp_path / PLAN_FILE).write_bytes(content)
    assert read_plan(tmp_path) is None


@pytest.mark.parametrize("damage", [{"restatements": "x"}, {"restatements": [1]}, {"steps": None}])
def test_a_damaged_plan_says_nothing_wrong(
    plan: dict[str, Any], start: RunStart, damage: dict[str, Any]
) -> None:
    notes: list[str] = []
    file = PlanFile({**plan, **damage}, notes.append)
    file.on_start(start)
    file.on_step(step(1, 10.0, plan["seconds_per_step"]))
    assert notes == []
