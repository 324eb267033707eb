"""Paths in the settings of a run, readable from any directory and after the run was moved.

A run may be started with paths relative to the working directory. Its settings keep these paths,
and with them the position of that directory relative to the run's folder. So the paths can be
resolved from any other directory, even if a folder above both was renamed or moved.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from slm.config import RunConfig
from slm.config.origins import OriginKind
from slm.config.run_files import MANIFEST_NAME, STEP_FOLDERS

_NAMES = {
    "data.source": re.compile("builtin(:easy)?"),
    "data.tokenizer": re.compile(r"gpt2|gpt2[-:]\S+|bpe:\S+|bytes|chars"),
    "data.data_dir": None,
    "train.init_from": re.compile(r"builtin|hf:.*"),
    "train.teachers": re.compile(r"builtin|hf:.*"),
}
"""Settings that may be paths, or lists of them, and the values that are names even if such a file
exists."""


def run_of(folder: Path) -> Path:
    """The run's folder of a checkpoint's folder; any other folder is returned unchanged."""
    real = folder.resolve()
    if not _exists(real / MANIFEST_NAME):
        return folder
    return real.parent.parent if real.parent.name in STEP_FOLDERS else real.parent


def start_directory(run: Path, *, started_in: str | None, out_dir: str) -> Path | None:
    """The directory that the relative paths of a run refer to; None: unknown.

    Args:
        run: the run's folder, wherever it is now.
        started_in: from its settings; None: an earlier program wrote them, without it.
        out_dir: the run's folder in its settings, which earlier programs wrote as it was given,
            relative to the same directory.
    """
    run = run.resolve()
    if started_in is not None:
        return None if "\0" in started_in else Path(os.path.normpath(run / started_in))
    parts = Path(os.path.normpath(out_dir)).parts
    if Path(out_dir).is_absolute() or ".." in parts or len(parts) > len(run.parents):
        return None
    return run.parents[len(parts) - 1] if parts else run


def located(values: Mapping[str, Any], start: Path | None) -> dict[str, Any]:
    """Relative paths in settings, relative to the working directory.

    Args:
        values: settings by their names, `group.key`.
        start: the directory that they refer to; None: the working directory.

    Returns:
        The settings that change. A path that exists here but not there is left out.
    """
    if start is None or start == Path.cwd().resolve():
        return {}
    here = Path.cwd()

    def seen_from_here(name: str, path: str) -> str:
        is_data = name == "data.data_dir"
        if _exists(start / path) or (is_data and not _exists(Path(path))):
            return _relative(start / path, here)
        return path

    return _changed(values, seen_from_here, _is_relative_path)


def located_settings(settings: RunConfig, run: Path) -> RunConfig:
    """The saved settings of a run, with paths relative to the working directory."""
    start = start_directory(run, started_in=settings.started_in, out_dir=settings.train.out_dir)
    changed = located(_path_values(settings), start)
    return _with_paths(settings, changed, None if start is None else _seen_from(run, start))


def settings_to_save(settings: RunConfig, run: Path) -> RunConfig:
    """The settings of a run with paths relative to the directory in which it was started.

    That is the working directory, or for a resumed run the one of its first start. So saved paths
    do not change from start to start, and do not depend on folders above both.
    """
    here = Path.cwd().resolve()
    start = start_directory(
        run, started_in=settings.started_in or _seen_from(run, here), out_dir=""
    )
    changed = {}
    if start is not None and start != here:
        changed = _changed(
            _path_values(settings),
            lambda name, path: _relative(here / path, start) if _exists(Path(path)) else path,
            _is_relative_path,
        )
        out_dir = settings.train.out_dir
        if not Path(out_dir).is_absolute():
            train = settings.train.changed(out_dir=_relative(here / out_dir, start))
            settings = replace(settings, train=train)
    return _with_paths(settings, changed, _seen_from(run, start or here))


def without_folders(settings: RunConfig) -> RunConfig:
    """Settings to share with others: only the last part of each path, here or in an origin.

    A `source` such as `owner/name` is the name of a dataset if there is no such path here.
    """

    def bare_name(name: str, path: str) -> str:
        is_data_set = name == "data.source" and re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", path)
        return path if is_data_set and not _exists(Path(path)) else _last_part(path)

    paths = {**_path_values(settings), "train.out_dir": settings.train.out_dir}
    changed = _changed(paths, bare_name, _is_path)
    origins = {
        name: replace(origin, detail=_last_part(origin.detail))
        if origin.kind is OriginKind.FILE
        else origin
        for name, origin in settings.origins.items()
    }
    bare = settings.with_values(changed, settings.origins)
    return replace(bare, started_in=None, origins=origins)


def _changed(
    values: Mapping[str, Any],
    change: Callable[[str, str], str],
    concerns: Callable[[str, Any], bool],
) -> dict[str, Any]:
    """The settings that change, a path at a time, where a setting has a list of them.

    Args:
        values: settings by their names, `group.key`.
        change: a setting's name and a path to another path.
        concerns: whether a value of a setting is a path to change.
    """
    changed = {}
    for name, value in values.items():
        paths = value if isinstance(value, list | tuple) else (value,)
        others = tuple(change(name, path) if concerns(name, path) else path for path in paths)
        if others != tuple(paths):
            changed[name] = others if isinstance(value, list | tuple) else others[0]
    return changed


def _last_part(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).name or "."


def _path_values(settings: RunConfig) -> dict[str, Any]:
    return {name: settings.value_of(name) for name in _NAMES}


def _with_paths(
    settings: RunConfig, changed: Mapping[str, Any], started_in: str | None
) -> RunConfig:
    changed_settings = settings.with_values(changed, settings.origins)
    return replace(changed_settings, started_in=started_in)


def _seen_from(run: Path, start: Path) -> str:
    """A folder, relative to a run's."""
    return _relative(start, run.resolve())


def _relative(path: Path, start: Path) -> str:
    try:
        return Path(os.path.relpath(path, start)).as_posix()
    except ValueError:  # another drive
        return path.as_posix()


def _is_relative_path(name: str, value: Any) -> bool:
    """Whether the value of a setting may be a relative path."""
    return (
        name in _NAMES
        and _is_path(name, value)
        and not (value.startswith("~") or Path(value).is_absolute())
    )


def _is_path(name: str, value: Any) -> bool:
    """Whether the value of a setting is no name, if it may be a path."""
    names = _NAMES.get(name)
    return isinstance(value, str) and not (names is not None and names.fullmatch(value))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long or has a null
        return False
