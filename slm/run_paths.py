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
    "train.init_from": re.compile(r"hf:.*"),
}
"""Settings that may be paths, and what is a name and no path even where such a file exists."""


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
        return None if "\0" in started_in else Path(os.path.normpath(run / started_in))
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
    here = Path.cwd()
    found = {}
    for name, value in values.items():
        if not _is_relative_path(name, value):
            continue
        is_data = name == "data.data_dir"
        if _exists(start / value) or (is_data and not _exists(Path(value))):
            found[name] = _relative(start / value, here)
    return found


def located_settings(settings: RunConfig, run: Path) -> RunConfig:
    """The settings that a run has saved, with paths as they are called from here."""
    start = started_at(run, started_in=settings.started_in, out_dir=settings.train.out_dir)
    changed = located(_path_values(settings), start)
    return _with_paths(settings, changed, None if start is None else _told_from(run, start))


def settings_to_save(settings: RunConfig, run: Path) -> RunConfig:
    """The settings of a run with paths as they are called from where the run was started.

    That is the working directory, or of a run that goes on, the one in which it was begun: so what
    it says stays true from start to start, and names no folder above both that may be renamed.
    """
    here = Path.cwd().resolve()
    start = started_at(run, started_in=settings.started_in or _told_from(run, here), out_dir="")
    changed = {}
    if start is not None and start != here:
        for name, value in _path_values(settings).items():
            if _is_relative_path(name, value) and _exists(Path(value)):
                changed[name] = _relative(here / value, start)
        out_dir = settings.train.out_dir
        if not Path(out_dir).is_absolute():
            train = settings.train.changed(out_dir=_relative(here / out_dir, start))
            settings = replace(settings, train=train)
    return _with_paths(settings, changed, _told_from(run, start or here))


def _path_values(settings: RunConfig) -> dict[str, Any]:
    return {name: settings.value_of(name) for name in _NAMES}


def _with_paths(
    settings: RunConfig, changed: Mapping[str, str], started_in: str | None
) -> RunConfig:
    changed_settings = settings.with_values(changed, settings.origins)
    return replace(changed_settings, started_in=started_in)


def _told_from(run: Path, start: Path) -> str:
    """A folder as seen from a run's."""
    return _relative(start, run.resolve())


def _relative(path: Path, start: Path) -> str:
    try:
        return Path(os.path.relpath(path, start)).as_posix()
    except ValueError:  # another drive
        return path.as_posix()


def _is_relative_path(name: str, value: Any) -> bool:
    """Whether a setting may be a path that begins in some directory."""
    if name not in _NAMES or not isinstance(value, str) or value.startswith("~"):
        return False
    names = _NAMES[name]
    return not Path(value).is_absolute() and (names is None or not names.fullmatch(value))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long a name, or one with a null
        return False
