"""The directory of a run: what is in it, and what happens to a run that is already there."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from slm.errors import UsageError
from slm.files import make_directory, write_errors

Existing = Literal["refuse", "resume", "set-aside"]
"""What to do with a run that is already in the directory."""

RUN_FILES = (
    "config.json",
    "metrics.jsonl",
    "losses.png",
    "checkpoints",
    "best",
    "best_model.pt",
    "tensorboard",
)
"""All that a run writes into its directory."""


def holds_run(directory: Path) -> bool:
    """Whether a run has saved anything here."""
    checkpoints = directory / "checkpoints"
    saved = (directory / "best").exists() or (directory / "best_model.pt").exists()
    return saved or (checkpoints.exists() and any(checkpoints.iterdir()))


def make_room(directory: Path, existing: Existing) -> Path | None:
    """Deal with a run that is already there; returns where it was moved, if it was.

    Raises:
        UsageError: it is to be refused.
        WriteError: it cannot be moved.
    """
    if existing == "refuse" and holds_run(directory):
        raise UsageError(
            f"{directory} already holds a run",
            hint="--resume goes on with it, --fresh sets it aside, --out names another folder",
        )
    return set_aside(directory) if existing == "set-aside" else None


def set_aside(directory: Path) -> Path | None:
    """Move the files of an earlier run into `previous-NNN`; returns that folder, or None."""
    found = [directory / name for name in RUN_FILES if (directory / name).exists()]
    if not found:
        return None
    number = 1
    while (directory / f"previous-{number:03d}").exists():
        number += 1
    previous = make_directory(directory / f"previous-{number:03d}")
    with write_errors(previous):
        for path in found:
            path.rename(previous / path.name)
    return previous
