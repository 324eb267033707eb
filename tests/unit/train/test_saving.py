"""What a checkpoint must hold so that a run goes on as if it had never stopped."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from slm.errors import CheckpointError
from slm.model import GPT
from slm.train import Trainer
from slm.train.budget import Pace
from slm.train.saving import Standing

MakeTrainer = Callable[..., Trainer]

STANDING = Standing(
    step=12,
    tokens_seen=3456,
    best_validation_loss=2.25,
    evaluations_since_best=3,
    evaluated_at=9,
    losses_since_evaluation=[2.5, 0.1 + 0.2, 1e-17],
    skipped_in_a_row=2,
    pace=Pace(elapsed_seconds=77.25, step_seconds=0.1, reserved_seconds=1e-3),
)


def test_the_standing_comes_back_exactly(make_trainer: MakeTrainer, tiny_model: Any) -> None:
    trainer = make_trainer(optimizer="muon")
    batch = trainer.data_loader.batch_at(0)
    trainer.stepper.step([batch], 1, 1.0)
    path = trainer.saver.save(STANDING)
    assert path.name == "step-000012"
    other = make_trainer(
        optimizer="muon", model=tiny_model("modern", vocab_size=257, dropout=0.1, seed=9)
    )
    restored = other.saver.restore(warn=pytest.fail)
    assert restored == STANDING
    for name, weights in trainer.model.state_dict().items():
        assert torch.equal(weights, other.model.state_dict()[name])
    for kind, optimizer in trainer.stepper.optimizers.items():
        for name, parameter in trainer.stepper.parameters.items():
            state = optimizer.state.get(parameter, {})
            found = other.stepper.optimizers[kind].state.get(other.stepper.parameters[name], {})
            assert state.keys() == found.keys()
            for key, value in state.items():
                assert torch.equal(value, found[key]), (kind, name, key)


@pytest.mark.parametrize("best", [None, math.inf])
def test_before_the_first_evaluation(make_trainer: MakeTrainer, best: float | None) -> None:
    standing = dataclasses.replace(STANDING, best_validation_loss=best, evaluated_at=0)
    make_trainer().saver.save(standing)
    assert make_trainer().saver.restore(warn=pytest.fail) == standing


def test_nothing_to_restore(make_trainer: MakeTrainer) -> None:
    assert make_trainer().saver.restore(warn=pytest.fail) is None


def test_the_same_step_is_saved_once(make_trainer: MakeTrainer) -> None:
    saver = make_trainer().saver
    path = saver.save(STANDING)
    before = (path / "state.json").stat().st_mtime_ns
    assert saver.save(STANDING) == path
    assert (path / "state.json").stat().st_mtime_ns == before
    assert saver.save(dataclasses.replace(STANDING, step=13)) != path


def test_the_scale_of_float16_comes_back(make_trainer: MakeTrainer) -> None:
    trainer, other = make_trainer(), make_trainer()
    for t in (trainer, other):
        t.stepper.scaler = torch.amp.GradScaler("cpu")
    trainer.stepper.scaler = torch.amp.GradScaler("cpu", init_scale=123.0)
    trainer.saver.save(STANDING)
    other.saver.restore(warn=pytest.fail)
    assert other.stepper.scaler.get_scale() == 123.0


def test_a_damaged_checkpoint_is_passed_over_and_said(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(keep_checkpoints=5)
    trainer.saver.save(STANDING)
    newest = trainer.saver.save(dataclasses.replace(STANDING, step=13))
    weights = newest / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    warnings: list[str] = []
    restored = make_trainer().saver.restore(warn=warnings.append)
    assert restored is not None
    assert restored.step == 12
    assert "step-000013" in warnings[0]
    damaged = trainer.out_dir / "checkpoints/step-000012/model.safetensors"
    damaged.write_bytes(content)
    with pytest.raises(CheckpointError):
        make_trainer().saver.restore(warn=warnings.append)


def test_weights_that_are_not_finite_are_never_saved(
    make_trainer: MakeTrainer, tiny_model: Callable[..., GPT]
) -> None:
    trainer = make_trainer()
    trainer.saver.save(STANDING)
    with torch.no_grad():
        trainer.model.token_embedding.weight[3, 3] = math.nan
    with pytest.raises(CheckpointError, match="finite"):
        trainer.saver.save(dataclasses.replace(STANDING, step=13))
    with pytest.raises(CheckpointError, match="finite"):
        trainer.saver.save_best(STANDING)
    assert [p.name for p in Path(trainer.out_dir / "checkpoints").iterdir()] == ["step-000012"]
    assert not (trainer.out_dir / "best").exists()
