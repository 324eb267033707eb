"""The checkpoints of a run directory: listing, choosing, writing and pruning them.

    RUN/checkpoints/step-000500/    full checkpoints; the newest valid one is used
    RUN/best/                       the best by validation loss, without optimizer state
    RUN/ladder/step-000100/         see `slm.checkpoint.ladder`

Only the holder of the run's lock (`locks.directory_lock`) may write; others may read meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from slm.checkpoint.manifest import Manifest
from slm.checkpoint.store import (
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
    verify_checkpoint,
)
from slm.config import RunConfig
from slm.config.run_files import BEST, CHECKPOINTS, LADDER, MANIFEST_NAME, STEP_FOLDERS
from slm.errors import CheckpointError, UsageError, command_line, did_you_mean
from slm.log import Log
from slm.storage.files import (
    readable_directory,
    remove_directory,
    remove_partials,
    settle_directory,
    without_aside,
)
from slm.storage.safe_reading import kind_by_magic, open_regular, status_of
from slm.tokenizer.base import Tokenizer
from slm.train_state import TrainState

if TYPE_CHECKING:
    from torch import Tensor

_STEP_NAME = re.compile(r"step-(\d{6,18})")


def step_directory(run: Path, step: int, folder: str = CHECKPOINTS) -> Path:
    """The path of a run's checkpoint of a step."""
    return run / folder / f"step-{step:06d}"


def step_directories(run: Path, folder: str = CHECKPOINTS) -> list[Path]:
    """The paths of a run's checkpoints, valid or not, newest first; see `readable_directory`."""
    try:
        entries = {without_aside(entry) for entry in (run / folder).iterdir()}
    except OSError:
        return []
    steps = [entry for entry in entries if _STEP_NAME.fullmatch(entry.name)]
    return sorted(steps, key=step_of, reverse=True)


def step_of(directory: Path) -> int:
    """The step of a checkpoint of `step_directories`."""
    return int(directory.name.removeprefix("step-"))


def clean_run(run: Path) -> None:
    """Remove what an interrupted process left in a run directory, and finish its replacements.

    Call it once, with the run's lock held, before anything is written.

    Raises:
        WriteError: a checkpoint that was being replaced cannot be put back.
    """
    for directory in (run, run / CHECKPOINTS, run / LADDER):
        remove_partials(directory)
    settle_directory(run / BEST)


def write_run_checkpoint(
    run: Path,
    *,
    model_state: Mapping[str, Tensor],
    config: RunConfig,
    tokenizer: Tokenizer | None,
    state: TrainState,
    optimizer_state: Mapping[str, Tensor],
    keep: int = 2,
) -> Path:
    """Write the checkpoint of a step, remove all but the newest `keep`, and return its path.

    Raises:
        CheckpointError: the weights do not fit the config or are non-finite; nothing is written.
        WriteError, NoSpaceError: nothing is left behind, and the older checkpoints are kept.
    """
    path = step_directory(run, state.step)
    save_checkpoint(
        path,
        model_state=model_state,
        config=config,
        tokenizer=tokenizer,
        state=state,
        optimizer_state=optimizer_state,
    )
    prune(run, keep, newest=state.step)
    return path


def write_best(
    run: Path,
    *,
    model_state: Mapping[str, Tensor],
    config: RunConfig,
    tokenizer: Tokenizer | None,
    state: TrainState,
) -> Path:
    """Write or replace the best model of a run, without optimizer state, and return its path.

    Raises:
        CheckpointError: the weights do not fit the config or are non-finite; nothing is written.
        WriteError, NoSpaceError: nothing is left behind, and the older best model is kept.
    """
    path = run / BEST
    save_checkpoint(path, model_state=model_state, config=config, tokenizer=tokenizer, state=state)
    return path


def prune(run: Path, keep: int, *, newest: int | None = None) -> None:
    """Remove a run's oldest checkpoints, except the newest `keep` with a readable manifest.

    Before anything is removed, one that is kept is read and verified: a valid one always remains.

    Args:
        run: the run directory.
        keep: the number of checkpoints to keep.
        newest: the step just saved. Checkpoints of later steps were skipped as damaged when the
            run was resumed, so they are removed too.

    Raises:
        WriteError: a checkpoint cannot be removed.
    """
    assert keep >= 1
    kept: list[Path] = []
    doomed: list[Path] = []
    for directory in step_directories(run):
        is_of_the_past = newest is not None and step_of(directory) > newest
        if is_of_the_past or len(kept) == keep:
            doomed.append(directory)
        elif _looks_whole(directory):
            kept.append(directory)
    if doomed and any(_is_valid(directory) for directory in kept):
        for directory in doomed:
            remove_directory(directory)


def _looks_whole(directory: Path) -> bool:
    try:
        Manifest.read(readable_directory(directory))
    except CheckpointError:
        return False
    return True


def _is_valid(directory: Path) -> bool:
    try:
        verify_checkpoint(directory)
    except CheckpointError:
        return False
    return True


def newest_checkpoint(run: Path, *, log: Log | None = None) -> Checkpoint | None:
    """The newest valid full checkpoint of a run, fully verified; None if there is none.

    Args:
        run: the run directory.
        log: is called with a sentence about each newer checkpoint that is damaged.

    Raises:
        CheckpointError: there are checkpoints, but all of them are damaged.
    """
    while directories := step_directories(run):
        damage: CheckpointError | None = None
        for directory in directories:
            try:
                checkpoint = load_checkpoint(directory)
                if checkpoint.state.step != step_of(directory):
                    raise CheckpointError(
                        f"{directory} contains the checkpoint of step {checkpoint.state.step}"
                    )
                _ = checkpoint.optimizer_state
            except CheckpointError as error:
                if directory not in step_directories(run):
                    continue  # a run has removed it after it saved a newer one
                damage = damage or error
                if log is not None:
                    log(f"skipping a damaged checkpoint: {error.message}")
            else:
                return checkpoint
        if damage is not None:
            raise CheckpointError(
                f"{run} has no valid checkpoint: {damage.message}",
                hint="start a new run in another folder",
            )
    return None


def open_checkpoint(path: Path | str, *, log: Log | None = None) -> Checkpoint:
    """Read and verify the checkpoint at a user's path; see `resolve_checkpoint`.

    Raises:
        UsageError: there is none.
        CheckpointError: it is damaged or has another version. If a run's `best` is damaged, the
            hint names the run's other checkpoints.
    """
    directory = resolve_checkpoint(path, log=log)
    try:
        return load_checkpoint(directory)
    except CheckpointError as error:
        run = directory.parent
        if directory.name != BEST or not step_directories(run):
            raise
        raise CheckpointError(
            error.message,
            hint="the newest checkpoint of the run may be undamaged: give "
            + command_line(run / CHECKPOINTS),
        ) from error


def resolve_checkpoint(path: Path | str, *, log: Log | None = None) -> Path:
    """The checkpoint directory that a user's path refers to.

    A run directory refers to its `best`, or else to its newest valid step; `RUN/checkpoints` to the
    newest valid step; a checkpoint, or a file in one, to that checkpoint.

    Args:
        path: a user's path.
        log: is called with a sentence about each preferred checkpoint that is damaged.

    Raises:
        UsageError: there is no checkpoint; the message names the files that were looked for.
        CheckpointError: the path is something else, or contains no valid checkpoint.
    """
    path = Path(path)
    if path.name in ("", ".."):  # `.` and similar: the real name may be `checkpoints`
        path = path.resolve()
    directory = readable_directory(path)
    if status_of(directory) is None:
        raise UsageError(
            f"there is no checkpoint at {path}",
            hint=did_you_mean(path.name, _names_beside(path))
            or "give a run directory: the --out of a training",
        )
    if not directory.is_dir():
        if (path.parent / MANIFEST_NAME).is_file():
            return path.parent
        raise CheckpointError(
            f"{path} is {_kind_of_file(path)}, not an slm checkpoint",
            hint="give a run directory or a checkpoint directory in it; `slm import` makes one of "
            "a model of another program",
        )
    if (directory / MANIFEST_NAME).is_file():
        return path
    best = readable_directory(path / BEST)
    if (best / MANIFEST_NAME).is_file():
        return path / BEST
    if best.is_dir() and log is not None:
        log(f"skipping {path / BEST}: its {MANIFEST_NAME} is missing")
    run = path.parent if path.name == CHECKPOINTS else path
    newest = newest_checkpoint(run, log=log)
    if newest is None:
        raise UsageError(
            f"there is no checkpoint in {path}: looked for {MANIFEST_NAME}, "
            f"{BEST}/{MANIFEST_NAME} and {CHECKPOINTS}/step-*/{MANIFEST_NAME}",
            hint="`slm import` makes a checkpoint of a model of another program"
            if any(path.glob("*.safetensors"))
            else "give a run directory: the --out of a training",
        )
    return newest.path


def _names_beside(path: Path) -> list[str]:
    try:
        return [entry.name for entry in path.parent.iterdir() if holds_checkpoint(entry)]
    except (OSError, ValueError):
        return []


def is_step(path: Path) -> bool:
    """Whether a folder is where a run keeps the checkpoint of a step."""
    return path.parent.name in STEP_FOLDERS and _STEP_NAME.fullmatch(path.name) is not None


def holds_checkpoint(path: Path) -> bool:
    """Whether a folder looks like a checkpoint, or like a run with checkpoints."""
    is_one = (path / MANIFEST_NAME).is_file() or (path / BEST / MANIFEST_NAME).is_file()
    return is_one or bool(step_directories(path))


def _kind_of_file(path: Path) -> str:
    """The type of a file by its first bytes, in words."""
    try:
        with open_regular(path) as stream:
            return kind_by_magic(stream.read(16)) or "a file"
    except OSError:
        return "an unreadable file"
