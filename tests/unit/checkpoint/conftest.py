"""A tiny model with everything that belongs to its checkpoint."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from slm.checkpoint import (
    flatten_optimizer_state,
    save_checkpoint,
    write_best,
    write_run_checkpoint,
)
from slm.config import DataConfig, GPTConfig, RunConfig, TrainingConfig
from slm.config.origins import SET
from slm.model import GPT
from slm.tokenizer import Tokenizer, build_tokenizer
from slm.train_state import TimeState, TrainState

SHAPE = GPTConfig(vocab_size=257, block_size=8, n_layer=1, n_head=2, n_embd=4, bias=False)


@dataclass(frozen=True)
class Run:
    """What a trainer would hand to the checkpoint's writers, for any step."""

    model: GPT
    config: RunConfig
    tokenizer: Tokenizer
    optimizer_state: dict[str, Tensor]

    def state(self, step: int = 500) -> TrainState:
        return TrainState(
            step=step,
            tokens_seen=step * 1024,
            time=TimeState(1.5),
            best_validation_loss=2.25,
            evaluations_since_best=0,
            data_fingerprint="f" * 64,
        )

    def content(self, step: int = 500) -> dict[str, Any]:
        """Arguments of `save_checkpoint`; the final norm's weights tell the step."""
        model_state = dict(self.model.state_dict())
        model_state["final_norm.weight"] = torch.full((4,), float(step))
        return {
            "model_state": model_state,
            "config": self.config,
            "tokenizer": self.tokenizer,
            "state": self.state(step),
        }

    def save(self, path: Path, step: int = 500) -> Path:
        save_checkpoint(path, **self.content(step), optimizer_state=self.optimizer_state)
        return path

    def write_step(self, run: Path, step: int, keep: int = 2) -> Path:
        content = self.content(step)
        return write_run_checkpoint(run, **content, optimizer_state=self.optimizer_state, keep=keep)

    def write_best(self, run: Path, step: int) -> Path:
        return write_best(run, **self.content(step))

    def with_shape(self, **changes: Any) -> Run:
        return replace(self, config=replace(self.config, model=SHAPE.changed(**changes)))


@pytest.fixture(scope="session")
def tiny_run() -> Run:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = GPT(SHAPE)
    config = RunConfig(SHAPE, TrainingConfig(), DataConfig(), origins={"model.n_layer": SET})
    optimizer = torch.optim.AdamW(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    names = {parameter: name for name, parameter in model.named_parameters()}
    tokenizer = build_tokenizer("bytes", lambda: [])
    return Run(model, config, tokenizer, flatten_optimizer_state(optimizer, names))


@pytest.fixture(autouse=True)
def fsync_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Power does not fail here, and waiting for the disk takes most of the time."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def checkpoint(tiny_run: Run, tmp_path: Path) -> Path:
    """A full checkpoint of step 500."""
    return tiny_run.save(tmp_path / "checkpoint")


def flip_bit(path: Path, bit: int) -> None:
    """Flip one bit of a file, counted from its first byte's lowest."""
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


@pytest.fixture
def flip() -> Callable[[Path, int], None]:
    return flip_bit
