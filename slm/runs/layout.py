"""The directory of a run: its layout, and the handling of an existing run."""

from __future__ import annotations

import contextlib
import json
import os
import re
from pathlib import Path
from typing import Literal

from slm.config import RunConfig
from slm.config.run import CONFIG_FORMAT
from slm.config.run_files import (
    BEST,
    CHECKPOINTS,
    CONFIG_FILE,
    MODEL_FILE,
    RUN_FILES,
    STEP_FOLDERS,
    TENSORBOARD,
)
from slm.config.run_paths import run_of
from slm.errors import UsageError, WriteError, shell_path
from slm.parallel.processes import Process
from slm.storage.files import (
    atomic_write,
    fsync_directory,
    make_directory,
    write_errors,
)
from slm.storage.locks import directory_lock
from slm.storage.safe_reading import read_bounded, strict_json

Existing = Literal["refuse", "resume", "set-aside"]
"""What to do with a run that is already in the directory."""

MOVING_FILE = ".setting-aside"
"""Exists while an earlier run is moved; contains the name of the target folder."""
STARTER_FILE = ".started-by"
"""Identifies the `torchrun` that started the run."""
_PREVIOUS = re.compile(r"previous-\d{3,9}")
_MAX_CONFIG_BYTES = 1 << 20


def holds_run(directory: Path) -> bool:
    """Whether a run has saved anything here."""
    saved = (directory / BEST).exists() or (directory / MODEL_FILE).exists()
    return saved or _has_checkpoints(directory)


def _has_checkpoints(directory: Path) -> bool:
    checkpoints = directory / CHECKPOINTS
    return checkpoints.exists() and any(checkpoints.iterdir())


def newest_run(*folders: Path) -> Path | None:
    """The run that was saved last, of folders that are runs or hold them; None if there is none."""
    found: list[tuple[float, Path]] = []
    for folder in folders:
        with contextlib.suppress(OSError):
            for run in (folder, *folder.iterdir()):
                if run.is_dir() and holds_run(run):
                    saved = (run / name for name in (BEST, CHECKPOINTS, MODEL_FILE))
                    times = [entry.stat().st_mtime for entry in saved if entry.exists()]
                    found.append((max(times), run))
    return max(found)[1] if found else None


def write_config(directory: Path, settings: RunConfig) -> None:
    """Write the settings of a run.

    Raises:
        WriteError: they cannot be written.
    """
    text = json.dumps(settings.to_json(), indent=2)  # escaped, as paths may be invalid Unicode
    atomic_write(directory / CONFIG_FILE, text + "\n")


def make_room(directory: Path, existing: Existing) -> Path | None:
    """Handle an existing run; returns the folder to which it was moved, if it was.

    The caller must hold the lock of the directory. A move that a dead process began is finished
    first. A run that is to be resumed and has nothing to resume from is moved as well: the new run
    would replace its best model.

    Raises:
        UsageError: it is to be refused, or other files are in the way.
        WriteError: it cannot be moved.
    """
    refuse_checkpoint(directory)
    finish_setting_aside(directory)
    _refuse_foreign(directory)
    if existing == "refuse" and holds_run(directory):
        raise UsageError(
            f"{directory} already holds a run",
            hint="--resume continues it, --fresh archives it, --out names another folder",
        )
    is_lost = existing == "resume" and holds_run(directory) and not _has_checkpoints(directory)
    return set_aside(directory) if existing == "set-aside" or is_lost else None


def refuse_checkpoint(directory: Path) -> None:
    """Reject a checkpoint directory of another run as a run directory: it would be damaged.

    Raises:
        UsageError: it is one, or the folder with the checkpoints of a run.
    """
    directory = directory.resolve()
    is_checkpoint = run_of(directory) != directory
    if is_checkpoint or (directory.name in STEP_FOLDERS and holds_run(directory.parent)):
        run = run_of(directory) if is_checkpoint else directory.parent
        raise UsageError(
            f"{directory} contains {'a checkpoint' if is_checkpoint else 'checkpoints'} of a run",
            hint=f"give the folder of the run, {shell_path(run)}, or one of a new run"
            if holds_run(run)
            else "give the folder of a run",
        )


def run_lock(settings: RunConfig, process: Process) -> contextlib.AbstractContextManager[object]:
    """The lock of the run directory, for the whole command.

    It is taken before PyTorch is imported, so that a second run is refused at once.

    Raises:
        UsageError: the directory belongs to a checkpoint.
        RunLockedError: another process has the lock.
    """
    out_dir = Path(settings.train.out_dir)
    refuse_checkpoint(out_dir)
    return directory_lock(out_dir) if process.is_main else contextlib.nullcontext()


def _refuse_foreign(directory: Path) -> None:
    """Reject a directory with files of another program that have the names of ours."""
    config, board = directory / CONFIG_FILE, directory / TENSORBOARD
    if config.exists() and not _is_of_a_run(config):
        foreign = config
    elif board.exists() and not config.exists() and not holds_run(directory):
        foreign = board
    else:
        return
    raise UsageError(
        f"{foreign} does not belong to an slm run, and a run here would need its name",
        hint="choose another folder with --out, or move it elsewhere",
    )


def _is_of_a_run(config: Path) -> bool:
    try:
        content = strict_json(read_bounded(config, _MAX_CONFIG_BYTES))
    except (OSError, ValueError):
        return holds_run(config.parent)  # ours, but damaged: no program depends on it
    return isinstance(content, dict) and content.get("format") == CONFIG_FORMAT


def set_aside(directory: Path) -> Path | None:
    """Move the files of an earlier run into `previous-NNN`; returns that folder, or None.

    If the process dies meanwhile, `finish_setting_aside` moves the rest, so that no later run uses
    half of the earlier one.

    Raises:
        WriteError: it cannot be moved.
    """
    if not any((directory / name).exists() for name in RUN_FILES):
        return None
    number = 1
    while (directory / f"previous-{number:03d}").exists():
        number += 1
    previous = directory / f"previous-{number:03d}"
    atomic_write(directory / MOVING_FILE, previous.name)
    _move_run(previous)
    return previous


def is_being_set_aside(directory: Path) -> bool:
    """Whether a move of an earlier run is unfinished."""
    return (directory / MOVING_FILE).exists()


def finish_setting_aside(directory: Path) -> None:
    """Finish what a dead process began in `set_aside`.

    Raises:
        WriteError: the rest cannot be moved.
    """
    marker = directory / MOVING_FILE
    if not marker.exists():
        return
    try:
        name = read_bounded(marker, 100).decode("ascii")
    except (OSError, ValueError):
        name = ""
    if not _PREVIOUS.fullmatch(name):
        raise WriteError(
            f"{marker} does not name the target folder of the earlier run",
            hint="move the earlier run's files elsewhere, then this file",
        )
    _move_run(directory / name)


def _move_run(previous: Path) -> None:
    """Move the files of a run to the folder, which may contain some of them; end the move."""
    directory = make_directory(previous).parent
    with write_errors(previous):
        for name in RUN_FILES:
            if (directory / name).exists():
                (directory / name).rename(previous / name)
        fsync_directory(previous)
        fsync_directory(directory)
        (directory / MOVING_FILE).unlink()
        fsync_directory(directory)


# -- torchrun --------------------------------------------------------------------------------------


def note_starter(directory: Path) -> None:
    """Record the `torchrun` that started this run, if any.

    Raises:
        WriteError: it cannot be written.
    """
    starter = _starter()
    if starter is not None:
        atomic_write(directory / STARTER_FILE, starter)
    else:
        with contextlib.suppress(OSError):
            (directory / STARTER_FILE).unlink(missing_ok=True)


def is_restart(directory: Path) -> bool:
    """Whether the same `torchrun` restarts this run because a process has died.

    The command is then the same, without `--resume`, but the run must be resumed.
    """
    count = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    if not count.isdecimal() or int(count) == 0:
        return False
    try:
        return read_bounded(directory / STARTER_FILE, 1000).decode("utf-8") == _starter()
    except (OSError, ValueError):
        return False  # it died before the run began


def _starter() -> str | None:
    """An identifier of a `torchrun`: its job name and process id."""
    name = os.environ.get("TORCHELASTIC_RUN_ID")
    return None if name is None else f"torchrun {name[:100]} {os.getppid()}\n"
