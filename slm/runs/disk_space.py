"""Checks before the first step that the disk has space for everything a run will save."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from slm.checkpoint.ladder import ladder_steps
from slm.config import RunConfig
from slm.config.run_files import BEST, CHECKPOINTS, LADDER, MODEL_FILE
from slm.model import model_costs
from slm.storage.disk_space import require_space
from slm.training.events import Callback

BYTES_A_NUMBER = 4
"""Weights and optimizer state are float32."""
LADDER_BYTES_A_NUMBER = 2
"""The weights on the ladder are bfloat16."""
TIMED_STEPS = 2
"""A run with a time budget may make more steps than its settings say: a multiple of these."""
SMALL_FILES_BYTES = 1 << 20
"""Upper bound for settings, tokenizer, state and manifest of a checkpoint."""


def optimizer_numbers(settings: RunConfig) -> int:
    """Number of optimizer state values: AdamW has two per weight, Muon one."""
    costs = model_costs(settings.model)
    of_muon = costs.non_embedding_parameters if settings.train.optimizer == "muon" else 0
    return 2 * (costs.parameters - of_muon) + of_muon


def checkpoint_bytes(settings: RunConfig) -> int:
    """Bytes on the disk that the checkpoints of a run need.

    The kept checkpoints still exist while a new one is written, and the old best model exists while
    the new one is written.
    """
    full, best = _full_bytes(settings), _weights_bytes(settings) + SMALL_FILES_BYTES
    return (settings.train.keep_checkpoints + 1) * full + 2 * best + ladder_bytes(settings)


def ladder_bytes(settings: RunConfig) -> int:
    """Bytes of the ladder of a run; 0 without one."""
    size = LADDER_BYTES_A_NUMBER * model_costs(settings.model).parameters + SMALL_FILES_BYTES
    return size * len(steps_on_ladder(settings))


def steps_on_ladder(settings: RunConfig) -> list[int]:
    """The steps whose weights a run keeps: of a run with a time budget, at most these."""
    config = settings.train
    last = config.max_steps if config.max_minutes is None else TIMED_STEPS * config.max_steps
    return ladder_steps(last) if config.keep == "ladder" else []


def _full_bytes(settings: RunConfig) -> int:
    optimizer = BYTES_A_NUMBER * optimizer_numbers(settings)
    return _weights_bytes(settings) + optimizer + SMALL_FILES_BYTES


def _weights_bytes(settings: RunConfig) -> int:
    return BYTES_A_NUMBER * model_costs(settings.model).parameters


def require_space_for(settings: RunConfig, callbacks: Sequence[Callback]) -> None:
    """Reject a run whose checkpoints would not fit on the disk.

    Raises:
        NoSpaceError: the disk or the process's file size limit is too small; the message says for
            how many bytes.
    """
    out_dir = Path(settings.train.out_dir)
    weights, full = _weights_bytes(settings), _full_bytes(settings)
    needed = checkpoint_bytes(settings)
    if any(callback.writes_weights for callback in callbacks):
        needed += weights + SMALL_FILES_BYTES
    present = sum(_size_of(out_dir / name) for name in (CHECKPOINTS, LADDER, BEST, MODEL_FILE))
    largest = max(weights, full - weights - SMALL_FILES_BYTES)
    require_space(out_dir, max(full, needed - present), largest_file=largest)


def _size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; 0 if it does not exist."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
