"""Checkpoints: directories that are written atomically and verified when read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slm.lazy import fetched_when_used

if TYPE_CHECKING:
    from slm.checkpoint.optimizer import flatten_optimizer_state, restore_optimizer_state
    from slm.checkpoint.run import (
        clean_run,
        newest_checkpoint,
        open_checkpoint,
        prune,
        resolve_checkpoint,
        step_directories,
        write_best,
        write_run_checkpoint,
    )
    from slm.checkpoint.store import Checkpoint, load_checkpoint, save_checkpoint, verify_checkpoint
    from slm.train_state import TrainState

_HOMES = {
    "Checkpoint": "slm.checkpoint.store",
    "TrainState": "slm.train_state",
    "clean_run": "slm.checkpoint.run",
    "flatten_optimizer_state": "slm.checkpoint.optimizer",
    "load_checkpoint": "slm.checkpoint.store",
    "newest_checkpoint": "slm.checkpoint.run",
    "open_checkpoint": "slm.checkpoint.run",
    "prune": "slm.checkpoint.run",
    "resolve_checkpoint": "slm.checkpoint.run",
    "restore_optimizer_state": "slm.checkpoint.optimizer",
    "save_checkpoint": "slm.checkpoint.store",
    "step_directories": "slm.checkpoint.run",
    "verify_checkpoint": "slm.checkpoint.store",
    "write_best": "slm.checkpoint.run",
    "write_run_checkpoint": "slm.checkpoint.run",
}

__all__ = [
    "Checkpoint",
    "TrainState",
    "clean_run",
    "flatten_optimizer_state",
    "load_checkpoint",
    "newest_checkpoint",
    "open_checkpoint",
    "prune",
    "resolve_checkpoint",
    "restore_optimizer_state",
    "save_checkpoint",
    "step_directories",
    "verify_checkpoint",
    "write_best",
    "write_run_checkpoint",
]

__getattr__, __dir__ = fetched_when_used(__name__, _HOMES)
