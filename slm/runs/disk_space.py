"""Checks before the first step that the disk has space for everything a run will save."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from slm.checkpoint.run import BEST, CHECKPOINTS
from slm.config import RunConfig
from slm.interop.model_file import MODEL_FILE
from slm.model import model_costs
from slm.storage.disk_space import require_space
from slm.training.events import Callback

BYTES_A_NUMBER = 4
"""Weights and optimizer state are float32."""
SMALL_FILES_BYTES = 1 << 20
"""Upper bound for settings, tokenizer, state and manifest of a checkpoint."""


def optimizer_numbers(settings: RunConfig) -> int:
    """Number of optimizer state values: AdamW has two per weight, Muon one."""
    costs = model_costs(settings.model)
    of_muon = costs.non_embedding_parameters if settings.train.optimizer == "muon" else 0
    return 2 * (costs.parameters - of_muon) + of_muon


def require_space_for(settings: RunConfig, callbacks: Sequence[Callback]) -> None:
    """Reject a run whose checkpoints would not fit on the disk.

    The kept checkpoints still exist while a new one is written, and the old best model exists while
    the new one is written.

    Raises:
        NoSpaceError: the disk or the process's file size limit is too small; the message says for
            how many bytes.
    """
    out_dir = Path(settings.train.out_dir)
    weights = BYTES_A_NUMBER * model_costs(settings.model).parameters
    optimizer = BYTES_A_NUMBER * optimizer_numbers(settings)
    full, best = weights + optimizer + SMALL_FILES_BYTES, weights + SMALL_FILES_BYTES
    needed = (settings.train.keep_checkpoints + 1) * full + 2 * best
    if any(callback.writes_weights for callback in callbacks):
        needed += best
    present = sum(_size_of(out_dir / name) for name in (CHECKPOINTS, BEST, MODEL_FILE))
    require_space(out_dir, max(full, needed - present), largest_file=max(weights, optimizer))


def _size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; 0 if it does not exist."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
