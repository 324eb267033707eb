"""The checkpoints of a run directory: which there are, which one counts, which may go.

    RUN/checkpoints/step-000500/    full checkpoints, the newest valid one counts
    RUN/best/                       the best by validation loss, without optimizer state

Only the holder of the run's lock (`files.directory_lock`) writes here; anyone may read meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from slm.checkpoint.manifest import MANIFEST_NAME, Manifest
from slm.checkpoint.store import (
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
    verify_checkpoint,
)
from slm.config import RunConfig
from slm.errors import CheckpointError, UsageError, command_line, did_you_mean
from slm.storage.files import (
    remove_directory,
    remove_partials,
    settle_directory,
    standing_directory,
    without_aside,
)
from slm.storage.safe_reading import kind_by_magic, open_regular, status_of
from slm.tokenizer.base import Tokenizer
from slm.train_state import TrainState

if TYPE_CHECKING:
    from torch import Tensor

CHECKPOINTS = "checkpoints"
BEST = "best"
_STEP_NAME = re.compile(r"step-(\d{6,18})")


def step_directory(run: Path, step: int) -> Path:
    """Where a run's checkpoint of a step is."""
    return run / CHECKPOINTS / f"step-{step:06d}"


def step_directories(run: Path) -> list[Path]:
    """Where a run's checkpoints are, valid or not, the newest first; see `standing_directory`."""
    try:
        entries = {without_aside(entry) for entry in (run / CHECKPOINTS).iterdir()}
    except OSError:
        return []
    steps = [entry for entry in entries if _STEP_NAME.fullmatch(entry.name)]
    return sorted(steps, key=_step_of, reverse=True)


def _step_of(directory: Path) -> int:
    return int(directory.name.removeprefix("step-"))


def clean_run(run: Path) -> None:
    """Remove what a dead writer left in a run directory, and finish what it could not.

    Call it once, when the run's lock is held and nothing is written yet.

    Raises:
        WriteError: a checkpoint that was being replaced cannot be put back.
    """
    for directory in (run, run / CHECKPOINTS):
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
    """Write the checkpoint of a step, then remove all but the newest `keep`; returns its place.

    Raises:
        CheckpointError: the weights do not fit the config or are not finite; nothing is written.
        WriteError, NoSpaceError: nothing is left behind, and the older checkpoints stay.
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
    """Write or replace the best model of a run, without optimizer state; returns its place.

    Raises:
        CheckpointError: the weights do not fit the config or are not finite; nothing is written.
        WriteError, NoSpaceError: nothing is left behind, and the older best model stays.
    """
    path = run / BEST
    save_checkpoint(path, model_state=model_state, config=config, tokenizer=tokenizer, state=state)
    return path


def prune(run: Path, keep: int, *, newest: int | None = None) -> None:
    """Remove a run's oldest checkpoints, except the newest `keep` that look whole.

    Before anything goes, one of those that stay is read and verified: a valid one always remains.

    Args:
        run: the run directory.
        keep: how many stay.
        newest: the step just saved. Those above it were passed over as damaged when the run went
            on from an earlier one, so they go too.

    Raises:
        WriteError: a checkpoint cannot be removed.
    """
    assert keep >= 1
    kept: list[Path] = []
    doomed: list[Path] = []
    for directory in step_directories(run):
        is_of_the_past = newest is not None and _step_of(directory) > newest
        if is_of_the_past or len(kept) == keep:
            doomed.append(directory)
        elif _looks_whole(directory):
            kept.append(directory)
    if doomed and any(_is_valid(directory) for directory in kept):
        for directory in doomed:
            remove_directory(directory)


def _looks_whole(directory: Path) -> bool:
    try:
        Manifest.read(standing_directory(directory))
    except CheckpointError:
        return False
    return True


def _is_valid(directory: Path) -> bool:
    try:
        verify_checkpoint(directory)
    except CheckpointError:
        return False
    return True


def newest_checkpoint(run: Path, *, warn: Callable[[str], None] | None = None) -> Checkpoint | None:
    """The newest valid full checkpoint of a run, verified to the last byte; None if none is there.

    Args:
        run: the run directory.
        warn: is told of every newer checkpoint that is damaged.

    Raises:
        CheckpointError: there are checkpoints, but every one of them is damaged.
    """
    damage: CheckpointError | None = None
    for directory in step_directories(run):
        try:
            checkpoint = load_checkpoint(directory)
            if checkpoint.state.step != _step_of(directory):
                raise CheckpointError(
                    f"{directory} holds the checkpoint of step {checkpoint.state.step}"
                )
            _ = checkpoint.optimizer_state
        except CheckpointError as error:
            damage = damage or error
            if warn is not None:
                warn(f"passing over a damaged checkpoint: {error.message}")
        else:
            return checkpoint
    if damage is not None:
        raise CheckpointError(
            f"{run} has no valid checkpoint: {damage.message}",
            hint="start the run anew in another folder",
        )
    return None


def open_checkpoint(path: Path | str, *, warn: Callable[[str], None] | None = None) -> Checkpoint:
    """Read and verify the checkpoint that a user means by a path; see `resolve_checkpoint`.

    Raises:
        UsageError: nothing is there.
        CheckpointError: it is damaged or of another version; of a run's damaged `best` the hint
            names the run's other checkpoints.
    """
    directory = resolve_checkpoint(path, warn=warn)
    try:
        return load_checkpoint(directory)
    except CheckpointError as error:
        run = directory.parent
        if directory.name != BEST or not step_directories(run):
            raise
        raise CheckpointError(
            error.message,
            hint="the newest checkpoint of the run may be whole: give "
            + command_line(run / CHECKPOINTS),
        ) from error


def resolve_checkpoint(path: Path | str, *, warn: Callable[[str], None] | None = None) -> Path:
    """The checkpoint directory that a user means by a path.

    A run directory means its `best`, else its newest valid step; `RUN/checkpoints` means the newest
    valid step; a checkpoint, or a file in one, means that checkpoint.

    Args:
        path: what the user gave.
        warn: is told of everything better that is damaged.

    Raises:
        UsageError: nothing is there; the message says what was looked for.
        CheckpointError: something else is there, or no checkpoint in it is valid.
    """
    path = Path(path)
    if path.name in ("", ".."):  # `.` and the like: whatever its name is, it may be `checkpoints`
        path = path.resolve()
    standing = standing_directory(path)
    if status_of(standing) is None:
        raise UsageError(
            f"there is no checkpoint at {path}",
            hint=did_you_mean(path.name, _names_beside(path))
            or "give a run directory, as `models`",
        )
    if not standing.is_dir():
        if (path.parent / MANIFEST_NAME).is_file():
            return path.parent
        raise CheckpointError(
            f"{path} is {_kind_of_file(path)}, not a checkpoint of slm",
            hint="give a run directory or a checkpoint directory in it",
        )
    if (standing / MANIFEST_NAME).is_file():
        return path
    best = standing_directory(path / BEST)
    if (best / MANIFEST_NAME).is_file():
        return path / BEST
    if best.is_dir() and warn is not None:
        warn(f"passing over {path / BEST}: its {MANIFEST_NAME} is missing")
    run = path.parent if path.name == CHECKPOINTS else path
    newest = newest_checkpoint(run, warn=warn)
    if newest is None:
        raise UsageError(
            f"there is no checkpoint in {path}: looked for {MANIFEST_NAME}, "
            f"{BEST}/{MANIFEST_NAME} and {CHECKPOINTS}/step-*/{MANIFEST_NAME}",
            hint="give a run's folder, which --out named when it was trained",
        )
    return newest.path


def _names_beside(path: Path) -> list[str]:
    try:
        return [entry.name for entry in path.parent.iterdir() if _holds_checkpoint(entry)]
    except (OSError, ValueError):
        return []


def _holds_checkpoint(path: Path) -> bool:
    """Whether a folder looks like a checkpoint or a run that has one."""
    is_one = (path / MANIFEST_NAME).is_file() or (path / BEST / MANIFEST_NAME).is_file()
    return is_one or bool(step_directories(path))


def _kind_of_file(path: Path) -> str:
    """What a file is by its first bytes, whatever its name says."""
    try:
        with open_regular(path) as stream:
            return kind_by_magic(stream.read(16)) or "a file"
    except OSError:
        return "an unreadable file"
