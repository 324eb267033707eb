"""Paths among the settings of a run, read from any folder and after the run was moved.

A run may be started with paths that are relative to the working directory. Its settings keep them
as they are, and say next to them where that directory is as seen from the run's folder. So a run is
found again from any other directory, also where a folder above both was renamed or moved.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from slm.config import RunConfig

_MANIFEST = "MANIFEST.json"
"""In the folder of a checkpoint, and of nothing else."""
_NAMES = {
    "data.source": re.compile("builtin"),
    "data.tokenizer": re.compile(r"gpt2|gpt2[-:]\S+|bpe:\S+|bytes|chars"),
    "data.data_dir": None,
}
"""Settings that may be paths, and what is a name and no path even where such a file exists."""


def from_run(run: Path) -> str:
    """The working directory as seen from a run's folder; its whole path if they share no drive."""
    here, folder = Path.cwd().resolve(), run.resolve()
    try:
        return Path(os.path.relpath(here, folder)).as_posix()
    except ValueError:
        return here.as_posix()


def run_of(folder: Path) -> Path:
    """The folder of the run that a checkpoint's folder is in; other folders are runs themselves."""
    folder = folder.resolve()
    if not _exists(folder / _MANIFEST):
        return folder
    return folder.parent.parent if folder.parent.name == "checkpoints" else folder.parent


def started_at(run: Path, *, started_in: str | None, out_dir: str) -> Path | None:
    """The directory in which the relative paths of a run begin; None where that is not known.

    Args:
        run: the run's folder, wherever it is now.
        started_in: what its settings say; None: they are of a program that did not write it.
        out_dir: what they say about the run's own folder, which such a program wrote as it was
            given, relative to the same directory.
    """
    run = run.resolve()
    if started_in is not None:
        return Path(os.path.normpath(run / started_in))
    parts = Path(os.path.normpath(out_dir)).parts
    if Path(out_dir).is_absolute() or ".." in parts or len(parts) > len(run.parents):
        return None
    return run.parents[len(parts) - 1] if parts else run


def located(values: Mapping[str, Any], start: Path | None) -> dict[str, str]:
    """Relative paths among settings, as they are called from the working directory.

    Args:
        values: settings by their names, `group.key`.
        start: where their paths begin; None: in the working directory, as they are.

    Returns:
        Those settings that are called otherwise from here. What is not at its place there, but
        here, stays as it is.
    """
    if start is None or start == Path.cwd().resolve():
        return {}
    found = {}
    for name, names in _NAMES.items():
        value = values.get(name)
        if not isinstance(value, str) or (names is not None and names.fullmatch(value)):
            continue
        if value.startswith("~") or Path(value).is_absolute():
            continue
        is_data = name == "data.data_dir"
        if _exists(start / value) or (is_data and not _exists(Path(value))):
            found[name] = _from_here(start / value)
    return found


def located_settings(settings: RunConfig, run: Path) -> RunConfig:
    """The settings that a run has saved, with paths as they are called from here."""
    start = started_at(run, started_in=settings.started_in, out_dir=settings.train.out_dir)
    data = {f"data.{key}": value for key, value in settings.data.__dict__.items()}
    changed = {name.partition(".")[2]: path for name, path in located(data, start).items()}
    return replace(settings, data=settings.data.changed(**changed), started_in=None)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long a name, or one with a null
        return False


def _from_here(path: Path) -> str:
    try:
        return os.path.relpath(path)
    except ValueError:  # another drive
        return str(path)
