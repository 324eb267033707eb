"""Checkpoints of a run in a directory, and its continuation."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from slm.api import Trainer
from slm.checkpoint import newest_checkpoint
from slm.data.loader import DataLoader
from slm.errors import (
    CheckpointError,
    DataError,
    RunLockedError,
    UsageError,
)
from slm.runs import run_trainer as trainer_module
from slm.storage.locks import directory_lock
from slm.training import lr_at
from slm.training.budget import ENDING_SECONDS, Budget
from slm.training.schedule import lr_scale
from tests.unit.runs.training_runs import (
    MakeModel,
    MakeTrainer,
    assert_equal,
    checkpoints,
    copied,
    weights_in,
)


def test_checkpoints_at_their_interval_the_newest_kept(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(max_steps=7, checkpoint_interval=2, keep_checkpoints=3)
    trainer.train()
    assert checkpoints(trainer) == ["step-000004", "step-000006", "step-000007"]
    assert_equal(weights_in(trainer.out_dir / "checkpoints/step-000007"), copied(trainer.model))


def test_stop_after_saves_and_the_schedule_is_the_whole_run_s(
    make_trainer: MakeTrainer, listener: Any
) -> None:
    trainer = make_trainer(max_steps=6)
    assert trainer.train(stop_after=2).step == 2
    assert checkpoints(trainer) == ["step-000002"]
    assert trainer.train(existing="resume", stop_after=3).step == 5
    again = make_trainer(max_steps=6)
    assert again.train(existing="resume").step == 6
    rates = [record.learning_rate for record in listener.of("on_step")]
    assert rates == pytest.approx([lr_at(step, trainer.config) for step in range(6)])


@pytest.mark.parametrize("existing", ["set-aside", "refuse"])
def test_a_trained_model_begins_no_second_run(make_trainer: MakeTrainer, existing: Any) -> None:
    """Its settings would say that it began with the seed's weights, and nobody could repeat it."""
    trainer = make_trainer(max_steps=3)
    trainer.train(stop_after=2)
    before = copied(trainer.model)
    with pytest.raises(UsageError, match="is trained already") as caught:
        trainer.train(existing=existing)
    assert 'train(existing="resume")' in str(caught.value.hint)
    assert not (trainer.out_dir / "previous-001").exists()
    assert checkpoints(trainer) == ["step-000002"]
    assert_equal(copied(trainer.model), before)
    # What the hint says works.
    assert trainer.train(existing="resume").step == 3
    make_trainer(max_steps=3).train()
    assert (trainer.out_dir / "previous-001" / "best").is_dir()


def test_a_trained_model_cannot_go_on_where_nothing_is_saved(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(max_steps=3)
    trainer.train(stop_after=1)
    shutil.rmtree(trainer.out_dir)
    with pytest.raises(UsageError, match="is trained already"):
        trainer.train(existing="resume")


def test_a_call_that_made_no_step_may_be_repeated(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(max_steps=2)
    with directory_lock(trainer.out_dir), pytest.raises(RunLockedError):
        trainer.train()
    assert trainer.train().step == 2


def test_a_finished_run_says_that_nothing_was_left(make_trainer: MakeTrainer) -> None:
    assert make_trainer(max_steps=2).train().first_step == 0
    again = make_trainer(max_steps=2).train(existing="resume")
    assert (again.step, again.first_step) == (2, 2)


def test_what_is_there_already(make_trainer: MakeTrainer, listener: Any) -> None:
    trainer = make_trainer(max_steps=2)
    assert trainer.train(existing="resume").step == 2  # nothing there: a new run
    assert any("no checkpoint yet" in note for note in listener.of("on_note"))
    with pytest.raises(UsageError, match="already holds a run"):
        make_trainer(max_steps=2).train(existing="refuse")
    assert checkpoints(trainer) == ["step-000002"]
    make_trainer(max_steps=2).train()
    assert any("previous-001" in note for note in listener.of("on_note"))


def test_going_on_with_another_model_or_other_data_is_refused(
    make_trainer: MakeTrainer, tiny_model: MakeModel, tmp_path: Path
) -> None:
    from slm.data.prepare import prepare

    make_trainer(max_steps=2).train()
    other = tiny_model("modern", vocab_size=257, dropout=0.1, rope_theta=99.0)
    with pytest.raises(CheckpointError, match="has a model with "):
        make_trainer(model=other).train(existing="resume")
    (tmp_path / "other.txt").write_text("Other words. " * 500, encoding="utf-8")
    prepare(str(tmp_path / "other.txt"), "bytes", tmp_path / "other")
    loader = DataLoader(4, 16, data_dir=tmp_path / "other")
    with pytest.raises(DataError, match="other data"):
        make_trainer(loader=loader).train(existing="resume")
    with pytest.raises(CheckpointError, match="optimizer state"):
        make_trainer(optimizer="muon").train(existing="resume")


def test_a_resumed_run_may_have_another_dropout(
    make_trainer: MakeTrainer, tiny_model: MakeModel
) -> None:
    make_trainer(max_steps=2).train()
    other = tiny_model("modern", vocab_size=257, dropout=0.3)
    trainer = make_trainer(model=other, max_steps=3)
    assert trainer.train(existing="resume").step == 3
    saved = newest_checkpoint(trainer.out_dir)
    assert saved is not None
    assert saved.config.model.dropout == 0.3


def test_by_the_clock(
    make_trainer: MakeTrainer, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(trainer_module, "Budget", partial(Budget, clock=lambda: now[0]))

    def make() -> Trainer:
        trainer = make_trainer(
            max_minutes=1.0, max_steps=1, eval_interval=1000, warmup_steps=0, schedule="cosine"
        )
        plain_step, plain_evaluation = trainer.guarded_step.step, trainer.evaluate

        def slow_step(*args: Any) -> Any:
            now[0] += 5.0
            return plain_step(*args)

        def slow_evaluation(*args: Any) -> Any:
            now[0] += 3.0
            return plain_evaluation(*args)

        trainer.guarded_step.step = slow_step  # type: ignore[method-assign]
        trainer.evaluate = slow_evaluation  # type: ignore[method-assign]
        return trainer

    make().train(stop_after=5)
    now[0] += 1e6  # time between two starts does not count
    trainer = make()
    result = trainer.train(existing="resume")
    steps = listener.of("on_step")
    # Reserved for the last evaluation: 256 tokens forward, a third of what training on them takes;
    # and for the end.
    reserve = 5.0 * 256 / trainer.tokens_per_step / 3 + ENDING_SECONDS
    assert trainer.tokens_per_step == 128
    assert result.step == len(steps) == 11  # max_steps does not count; a twelfth would end late
    assert result.elapsed_seconds == 58.0
    progress = [5 * n / (60 - reserve) for n in range(12)]
    assert [record.progress for record in steps] == pytest.approx(progress[1:])
    rates = [record.lr_scale for record in steps]
    assert rates == pytest.approx([lr_scale(99, p, trainer.config) for p in progress[:-1]])
    again = make()
    assert again.train(existing="resume").step == 11  # its time is used up


def test_two_runs_in_one_directory(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    with directory_lock(trainer.out_dir), pytest.raises(RunLockedError):
        trainer.train()
    trainer.train(stop_after=1)
