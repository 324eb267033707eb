"""The loop alone: a stepper that computes nothing, and a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from slm.config import TrainingConfig
from slm.train_state import TrainState
from slm.training.budget import Budget
from slm.training.callbacks import CallbackList
from slm.training.trainer import Trainer


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Outcome:
    loss: float = 1.0
    grad_norm: float = 1.0


class Directory:
    def bytes_per_token(self, split: str) -> float:
        return 4.0

    def split(self, split: str) -> SimpleNamespace:
        return SimpleNamespace(tokens=131_072)


class Loader:
    batch_size, block_size, rank, world_size = 4, 128, 0, 1
    directory = Directory()

    def batch_at(self, step: int) -> tuple[Tensor, Tensor]:
        ids = torch.zeros(self.batch_size, self.block_size, dtype=torch.long)
        return ids, ids


class Nothing:
    def save(self, state: TrainState) -> Path:
        return Path("checkpoint")

    def save_best(self, state: TrainState) -> None:
        pass

    def save_to_ladder(self, state: TrainState) -> None:
        pass

    def review(self, outcome: Any, state: TrainState, save: Callable[[], Path]) -> list[Any]:
        return []


class Stepper:
    """Takes `first` seconds for its first step and `later` for each of the others."""

    def __init__(self, clock: Clock, first: float, later: float) -> None:
        self.clock, self.seconds, self.later = clock, first, later

    def step(self, batches: Iterable[Any], n_micro_batches: int, lr_scale: float) -> Outcome:
        list(batches)
        self.clock.now += self.seconds
        self.seconds = self.later
        return Outcome()


@pytest.mark.parametrize("compiles", [True, False])
def test_a_first_step_that_compiles_does_not_end_a_run_by_the_clock(compiles: bool) -> None:
    """The reserve for evaluating is estimated from a step, and that one's time says nothing."""
    config = TrainingConfig(max_minutes=5.0, eval_interval=20, eval_tokens=131_072, threads=1)
    clock = Clock()

    def evaluate() -> tuple[float, int]:
        clock.now += 4.0
        return 2.0, 131_072

    trainer = Trainer(
        Stepper(clock, first=89.0 if compiles else 1.0, later=1.0),
        Loader(),  # type: ignore[arg-type]
        config,
        evaluate=evaluate,
        checkpointer=Nothing(),
        guard=Nothing(),
        callbacks=CallbackList([]),
        budget=Budget(config, clock=clock),
        compiles_first=compiles,
    )
    result = trainer.run(TrainState())
    assert 285 <= clock.now <= 300
    assert result.step > 150


@pytest.mark.parametrize("eval_tokens", [None, 2**20])
def test_time_is_reserved_for_an_evaluation_of_the_whole_split(eval_tokens: int | None) -> None:
    config = TrainingConfig(
        max_minutes=5.0, eval_interval=10_000, eval_tokens=eval_tokens, threads=1
    )
    clock = Clock()

    def evaluate() -> tuple[float, int]:
        clock.now += 42.0  # 128 steps take 128 s, and their forward passes a third of that
        return 2.0, 131_072

    trainer = Trainer(
        Stepper(clock, first=1.0, later=1.0),
        Loader(),  # type: ignore[arg-type]
        config,
        evaluate=evaluate,
        checkpointer=Nothing(),
        guard=Nothing(),
        callbacks=CallbackList([]),
        budget=Budget(config, clock=clock),
    )
    trainer.run(TrainState())
    assert 290 <= clock.now <= 300
