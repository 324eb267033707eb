"""Checkpoints: directories that are written atomically and verified when read."""

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
from slm.checkpoint.state import TrainingState
from slm.checkpoint.store import (
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
    verify_checkpoint,
)

__all__ = [
    "Checkpoint",
    "TrainingState",
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
