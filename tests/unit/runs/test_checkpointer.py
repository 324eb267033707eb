"""What a checkpoint must hold so that a run goes on as if it had never stopped."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from slm.api import Trainer
from slm.errors import CheckpointError, TrainingError
from slm.model import GPT
from slm.train_state import RunningLoss, TimeState, TrainState

MakeTrainer = Callable[..., Trainer]

STATE = TrainState(
    step=12,
    tokens_seen=3456,
    best_validation_loss=2.25,
    evaluations_since_best=3,
    evaluated_at=9,
    loss_sum=0.1 + 0.2,
    n_losses=3,
    running_loss=RunningLoss(mean=2.5, variance=1e-17, n_seen=7),
    skipped_in_a_row=2,
    time=TimeState(elapsed_seconds=77.25, step_seconds=0.1, reserved_seconds=1e-3),
)


def numbers(state: TrainState) -> TrainState:
    """The state without what the checkpointer adds."""
    return dataclasses.replace(state, data_fingerprint="", gradient_scaler={}, conditions={})


def test_the_standing_comes_back_exactly(make_trainer: MakeTrainer, tiny_model: Any) -> None:
    trainer = make_trainer(optimizer="muon")
    batch = trainer.data_loader.batch_at(0)
    trainer.guarded_step.step([batch], 1, 1.0)
    path = trainer.checkpointer.save(STATE)
    assert path.name == "step-000012"
    other = make_trainer(
        optimizer="muon", model=tiny_model("modern", vocab_size=257, dropout=0.1, seed=9)
    )
    restored = other.checkpointer.restore(log=pytest.fail)
    assert restored is not None
    assert numbers(restored) == STATE
    for name, weights in trainer.model.state_dict().items():
        assert torch.equal(weights, other.model.state_dict()[name])
    for kind, optimizer in trainer.guarded_step.optimizers.items():
        for name, parameter in trainer.guarded_step.parameters.items():
            state = optimizer.state.get(parameter, {})
            found = other.guarded_step.optimizers[kind].state.get(
                other.guarded_step.parameters[name], {}
            )
            assert state.keys() == found.keys()
            for key, value in state.items():
                assert torch.equal(value, found[key]), (kind, name, key)


@pytest.mark.parametrize("best", [None, math.inf])
def test_before_the_first_evaluation(make_trainer: MakeTrainer, best: float | None) -> None:
    state = dataclasses.replace(STATE, best_validation_loss=best, evaluated_at=0)
    make_trainer().checkpointer.save(state)
    restored = make_trainer().checkpointer.restore(log=pytest.fail)
    assert restored is not None
    assert numbers(restored) == numbers(state)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"n_losses": -1}, "n_losses"),
        ({"n_losses": "3"}, "n_losses"),
        ({"skipped_in_a_row": True}, "skipped_in_a_row"),
        ({"loss_sum": math.nan}, "loss_sum"),
        ({"evaluated_at": 10**400}, "evaluated_at"),
        ({"tokens_seen": 10**400}, "tokens_seen"),
        ({"running_loss": RunningLoss(variance=-1.0)}, "variance"),
        ({"time": TimeState(step_seconds=math.inf)}, "step_seconds"),
    ],
)
def test_a_standing_that_no_run_has(
    make_trainer: MakeTrainer, changes: dict[str, Any], name: str
) -> None:
    make_trainer().checkpointer.save(dataclasses.replace(STATE, **changes))
    with pytest.raises(CheckpointError, match=f"{name} has an invalid value"):
        make_trainer().checkpointer.restore(log=lambda text: None)


def test_nothing_to_restore(make_trainer: MakeTrainer) -> None:
    assert make_trainer().checkpointer.restore(log=pytest.fail) is None


def test_the_same_step_is_saved_once(make_trainer: MakeTrainer) -> None:
    saver = make_trainer().checkpointer
    path = saver.save(STATE)
    before = (path / "state.json").stat().st_mtime_ns
    assert saver.save(STATE) == path
    assert (path / "state.json").stat().st_mtime_ns == before
    assert saver.save(dataclasses.replace(STATE, step=13)) != path


def test_a_step_that_was_evaluated_since_is_saved_again(make_trainer: MakeTrainer) -> None:
    """A stop during the last evaluation saves the step without it, and resuming evaluates it."""
    saver = make_trainer().checkpointer
    path = saver.save(dataclasses.replace(STATE, evaluated_at=STATE.step - 1))
    assert saver.save(dataclasses.replace(STATE, evaluated_at=STATE.step)) == path
    restored = make_trainer().checkpointer.restore(log=print)
    assert restored is not None
    assert restored.evaluated_at == STATE.step


def test_the_scale_of_float16_comes_back(make_trainer: MakeTrainer) -> None:
    trainer, other = make_trainer(), make_trainer()
    for t in (trainer, other):
        t.guarded_step.execution.scaler = torch.amp.GradScaler("cpu")
    trainer.guarded_step.execution.scaler = torch.amp.GradScaler("cpu", init_scale=123.0)
    trainer.checkpointer.save(STATE)
    other.checkpointer.restore(log=pytest.fail)
    assert other.guarded_step.execution.scaler.get_scale() == 123.0


def test_a_damaged_checkpoint_is_passed_over_and_said(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(keep_checkpoints=5)
    trainer.checkpointer.save(STATE)
    newest = trainer.checkpointer.save(dataclasses.replace(STATE, step=13))
    weights = newest / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    warnings: list[str] = []
    restored = make_trainer().checkpointer.restore(log=warnings.append)
    assert restored is not None
    assert restored.step == 12
    assert "step-000013" in warnings[0]
    damaged = trainer.out_dir / "checkpoints/step-000012/model.safetensors"
    damaged.write_bytes(content)
    with pytest.raises(CheckpointError):
        make_trainer().checkpointer.restore(log=warnings.append)


def test_weights_that_are_not_finite_are_never_saved(
    make_trainer: MakeTrainer, tiny_model: Callable[..., GPT]
) -> None:
    trainer = make_trainer()
    trainer.checkpointer.save(STATE)
    with torch.no_grad():
        trainer.model.token_embedding.weight[3, 3] = math.nan
    for save in (trainer.checkpointer.save, trainer.checkpointer.save_best):
        with pytest.raises(TrainingError, match=r"step 13.*token_embed.*finite.*step-000012"):
            save(dataclasses.replace(STATE, step=13))
    assert [p.name for p in Path(trainer.out_dir / "checkpoints").iterdir()] == ["step-000012"]
    assert not (trainer.out_dir / "best").exists()


def test_optimizer_state_that_is_not_finite_is_never_saved(make_trainer: MakeTrainer) -> None:
    """An infinite second moment leaves the weights as they are: nothing else would find it."""
    trainer = make_trainer()
    trainer.guarded_step.step([trainer.data_loader.batch_at(0)], 1, 1.0)
    weight = trainer.model.final_norm.weight
    trainer.guarded_step.optimizers["adamw"].state[weight]["exp_avg_sq"][2] = math.inf  # type: ignore[index]
    with pytest.raises(TrainingError, match=r"step 12.*final_norm\.weight\.exp_avg_sq.*no good"):
        trainer.checkpointer.save(STATE)
    assert not (trainer.out_dir / "checkpoints").exists()


def test_the_state_does_not_grow_with_the_steps(make_trainer: MakeTrainer) -> None:
    saver, state = make_trainer().checkpointer, dataclasses.replace(STATE)
    sizes = []
    for step in (100, 100_000):
        state.step = step
        for n in range(2000):
            state.record_loss(2.0 + n / 1000)
        sizes.append((saver.save(state) / "state.json").stat().st_size)
    assert abs(sizes[1] - sizes[0]) < 20
    assert state.train_loss == pytest.approx((4000 * 2.9995 + 0.3) / 4003)


def test_other_conditions_are_told(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal bits are promised only where nothing of that has changed."""
    make_trainer().checkpointer.save(STATE)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX1024")
    notes: list[str] = []
    make_trainer(threads=2, dtype="bfloat16").checkpointer.restore(log=notes.append)
    torch.set_num_threads(1)
    assert len(notes) == 1
    for change in ("threads 2 instead of 1", "dtype bfloat16 instead of float32", "AVX1024"):
        assert change in notes[0]
    assert "torch" not in notes[0]


@pytest.mark.parametrize(
    ("changes", "is_told"),
    [
        ({"batch_size": 8, "gradient_accumulation_steps": 1}, False),
        ({"gradient_accumulation_steps": 3}, True),
        ({"seed": 5}, True),
    ],
)
def test_another_order_of_samples_is_told(
    make_trainer: MakeTrainer, changes: dict[str, Any], is_told: bool
) -> None:
    make_trainer().checkpointer.save(STATE)
    notes: list[str] = []
    make_trainer(**changes).checkpointer.restore(log=notes.append)
    assert len(notes) == is_told
