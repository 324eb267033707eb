"""Which weights a run keeps, and that a run that starts again keeps the right ones."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from slm.api import Trainer
from slm.checkpoint.ladder import kept_checkpoints
from slm.checkpoint.run import step_directories
from slm.config.run_files import LADDER
from slm.runs.disk_space import ladder_bytes, steps_on_ladder

MakeTrainer = Callable[..., Trainer]
SETTINGS = {"keep": "ladder", "eval_interval": 100, "gradient_accumulation_steps": 1}


def steps(trainer: Trainer) -> list[int]:
    names = (path.name for path in step_directories(trainer.out_dir, LADDER))
    return sorted(int(name.removeprefix("step-")) for name in names)


def test_only_on_request(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(max_steps=10)
    trainer.train()
    assert steps(trainer) == []


def test_a_run_that_is_stopped_at_a_step_of_it_and_made_longer(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(max_steps=32, **SETTINGS)
    trainer.train(stop_after=20)
    assert steps(trainer) == [10, 20]
    trainer.train(existing="resume")
    assert steps(trainer) == [10, 20, 30]
    assert list(kept_checkpoints(trainer.out_dir)) == [10, 20, 30, 32]
    longer = make_trainer(max_steps=50, **SETTINGS)
    longer.train(existing="resume")
    assert steps(longer) == [10, 20, 30, 50]


def test_steps_that_are_lost_are_made_again(make_trainer: MakeTrainer) -> None:
    """As after a kill: the newest checkpoint to resume from is older than the ladder."""
    trainer = make_trainer(max_steps=30, checkpoint_interval=15, **SETTINGS)
    trainer.train()
    shutil.rmtree(trainer.out_dir / "checkpoints" / "step-000030")
    again = make_trainer(max_steps=30, **SETTINGS)
    again.train(existing="resume", stop_after=2)
    assert steps(again) == [10]


def test_a_new_run_begins_a_new_one(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(max_steps=10, **SETTINGS)
    trainer.train()
    make_trainer(max_steps=5, **SETTINGS).train(existing="set-aside")
    assert steps(trainer) == []
    assert (trainer.out_dir / "previous-001" / "ladder" / "step-000010").is_dir()


def test_a_run_that_died_before_its_first_checkpoint(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(max_steps=10, **SETTINGS)
    trainer.train()
    for name in ("checkpoints", "best"):
        shutil.rmtree(trainer.out_dir / name)
    make_trainer(max_steps=5, **SETTINGS).train(existing="refuse")
    assert steps(trainer) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"keep": "newest"}, []),
        ({}, [10, 20, 30]),
        ({"max_minutes": 1.0}, [10, 20, 30, 50, 70]),
    ],
)
def test_its_size_is_known_before(
    make_trainer: MakeTrainer, changes: dict[str, object], expected: list[int]
) -> None:
    settings = make_trainer(max_steps=40, **{**SETTINGS, **changes}).settings
    assert steps_on_ladder(settings) == expected
    assert (ladder_bytes(settings) > 0) == bool(expected)


def test_it_takes_no_more_than_that(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(max_steps=20, **SETTINGS)
    trainer.train()
    files = [path for path in Path(trainer.out_dir / "ladder").rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    assert 0.0 < size <= ladder_bytes(trainer.settings)
