"""A run of a model with some hundred weights, for tests that save and load thousands of times."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torch

from slm.checkpoint import (
    load_checkpoint,
    newest_checkpoint,
    resolve_checkpoint,
    write_best,
    write_run_checkpoint,
)
from slm.config import DataConfig, GPTConfig, RunConfig, TrainingConfig
from slm.model import GPT
from slm.tokenizer import Tokenizer, build_tokenizer
from slm.train_state import TimeState, TrainState

SHAPE = GPTConfig(vocab_size=257, block_size=8, n_layer=1, n_head=2, n_embd=4, bias=False)
TELLTALE = "final_norm.weight"
"""The weights that hold the number of the step, so that no file can stand for another."""


@functools.lru_cache(maxsize=1)
def _weights() -> dict[str, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return dict(GPT(SHAPE).state_dict())


@functools.lru_cache(maxsize=1)
def _tokenizer() -> Tokenizer:
    return build_tokenizer("bytes", lambda: [])


def content(step: int) -> dict[str, Any]:
    """Arguments of `save_checkpoint` for a step."""
    return {
        "model_state": {**_weights(), TELLTALE: torch.full((4,), float(step))},
        "config": RunConfig(SHAPE, TrainingConfig(), DataConfig(), origins={}),
        "tokenizer": _tokenizer(),
        "state": TrainState(
            step=step,
            tokens_seen=step * 1024,
            time=TimeState(1.5),
            best_validation_loss=2.25,
            evaluations_since_best=0,
            data_fingerprint="f" * 64,
        ),
    }


def optimizer_state(step: int) -> dict[str, torch.Tensor]:
    return {f"adamw.{TELLTALE}.exp_avg": torch.full((4,), float(step))}


def write_step(run: Path, step: int, keep: int = 2) -> None:
    write_run_checkpoint(run, **content(step), optimizer_state=optimizer_state(step), keep=keep)


def write_best_of(run: Path, step: int) -> None:
    write_best(run, **content(step))


def newest_step(run: Path, warnings: list[str] | None = None) -> int:
    """The step of the newest valid checkpoint; damaged newer ones are an error unless listed."""
    found: list[str] = [] if warnings is None else warnings
    newest = newest_checkpoint(run, log=found.append)
    assert newest is not None, f"{run} has no checkpoint"
    if warnings is None:
        assert found == []
    step = newest.state.step
    assert newest.model_state[TELLTALE].tolist() == [float(step)] * 4
    assert newest.optimizer_state[f"adamw.{TELLTALE}.exp_avg"].tolist() == [float(step)] * 4
    return step


def best_step(run: Path) -> int:
    """The step of the best model."""
    best = load_checkpoint(resolve_checkpoint(run))
    assert best.model_state[TELLTALE].tolist() == [float(best.state.step)] * 4
    return best.state.step
