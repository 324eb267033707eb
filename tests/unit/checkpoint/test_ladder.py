"""The ladder: which steps it has, and what is left of it where a run starts again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from slm.checkpoint import load_checkpoint
from slm.checkpoint.ladder import (
    cut_ladder,
    is_on_ladder,
    kept_checkpoints,
    ladder_directories,
    ladder_steps,
    write_to_ladder,
)
from slm.config.run_paths import run_of

if TYPE_CHECKING:
    from conftest import Run


def test_the_steps_are_log_spaced() -> None:
    assert ladder_steps(1500) == [
        *(10, 20, 30, 50, 70),
        *(100, 200, 300, 500, 700),
        1000,
    ]
    assert ladder_steps(9) == []
    assert ladder_steps(10) == [10]


def test_a_step_is_on_it_whatever_the_length_of_the_run() -> None:
    assert [step for step in range(70_001) if is_on_ladder(step)] == ladder_steps(70_000)
    assert len(ladder_steps(2**31)) < 50  # bounded, however long the run


@pytest.fixture
def run(tmp_path: Path, tiny_run: Run) -> Path:
    for step in (10, 20, 30):
        write_to_ladder(tmp_path / "run", **tiny_run.content(step))
    for step in (30, 35):
        tiny_run.write_step(tmp_path / "run", step)
    return tmp_path / "run"


def test_it_has_weights_only_in_half_the_size(run: Path) -> None:
    newest = ladder_directories(run)[0]
    assert newest == run / "ladder" / "step-000030"
    found, full = load_checkpoint(newest), load_checkpoint(run / "checkpoints" / "step-000030")
    assert not found.has_optimizer_state
    assert found.state == full.state
    for name, weights in full.model_state.items():
        assert torch.equal(found.model_state[name], weights.bfloat16())
    assert run_of(newest) == run.resolve()


def test_all_that_is_kept_by_step(run: Path) -> None:
    kept = kept_checkpoints(run)
    assert list(kept) == [10, 20, 30, 35]
    assert [path.parent.name for path in kept.values()] == ["ladder"] * 3 + ["checkpoints"]
    assert kept_checkpoints(run / "nothing") == {}


def test_later_steps_are_removed_where_a_run_resumes(run: Path) -> None:
    cut_ladder(run, 20)
    assert [path.name for path in ladder_directories(run)] == ["step-000020", "step-000010"]
    cut_ladder(run, 0)
    assert ladder_directories(run) == []
