"""From the flags of a command to the settings of a run, new or going on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from slm.cli.options import Flags
from slm.config import DEFAULT_SOURCE, RunConfig
from slm.errors import CheckpointError, UsageError
from slm.presets import DEFAULT_PRESET, preset_of, preset_table, resolve, settings_file
from slm.reading import read_bounded, strict_json

RUNS = Path("runs")
SETTINGS_FILE = "config.json"
MAX_SETTINGS_BYTES = 1 << 20


def from_preset(
    preset: str, config_file: Path | None, flags: Flags, assignments: Sequence[str]
) -> RunConfig:
    """A preset's settings with others over them.

    The number of stories that a preset takes is meant for its own source. Of another one that the
    user names, all stories are taken.

    Raises:
        UsageError, ConfigError: something is unknown or impossible.
    """
    settings = resolve(preset, config_file=config_file, flags=flags, assignments=assignments)
    of_preset = f"preset {preset}"
    own_source = preset_table(preset).get("data", {}).get("source", DEFAULT_SOURCE)
    if settings.data.source != own_source and settings.origins.get("data.limit") == of_preset:
        settings = settings.with_values({"data.limit": None}, "another source than the preset's")
    return settings


def new_run(
    preset: str | None,
    config_file: Path | None,
    flags: Flags,
    assignments: Sequence[str],
    *,
    name: str | None = None,
) -> RunConfig:
    """The settings of a new run; without any preset, over those of the default one.

    Args:
        preset, config_file, flags, assignments: what the user gave.
        name: of its folder, where the user gives none; None: the preset's or the file's.

    Raises:
        UsageError, ConfigError: something is unknown or impossible.
    """
    if preset is None:
        named = preset_of(settings_file(config_file)) if config_file is not None else None
        preset = DEFAULT_PRESET if named is None else named
    settings = from_preset(preset, config_file, flags, assignments)
    if "train.out_dir" not in settings.origins:
        out_dir = RUNS / (name or (preset if config_file is None else config_file.stem))
        settings = settings.with_values({"train.out_dir": str(out_dir)}, "where runs go")
    return settings


def resumed_run(
    out_dir: Path,
    preset: str | None,
    config_file: Path | None,
    flags: Flags,
    assignments: Sequence[str],
) -> RunConfig | None:
    """The settings that a run was started with, the given ones over them; None: no run is there.

    Naming the run's own preset again changes nothing, so that a command can simply be repeated.

    Raises:
        CheckpointError: its settings cannot be read.
        UsageError, ConfigError: something is unknown or impossible, or another preset is named.
    """
    saved = _saved_settings(out_dir)
    if saved is None:
        return None
    # The folder may have been moved or renamed since.
    saved = saved.with_values({"train.out_dir": str(out_dir)}, "--out")
    if preset is not None and f"preset {preset}" not in saved.origins.values():
        raise UsageError(
            f"the run in {out_dir} was not started with the preset {preset}",
            hint="leave out --preset, or start anew with --fresh",
        )
    return resolve(None, config_file=config_file, flags=flags, assignments=assignments, base=saved)


def _saved_settings(out_dir: Path) -> RunConfig | None:
    """The settings in a run's newest valid checkpoint, where they are verified, else in its file.

    Raises:
        CheckpointError: they cannot be read, or no checkpoint is valid.
    """
    from slm.checkpoint import newest_checkpoint
    from slm.runs.layout import is_being_set_aside

    if is_being_set_aside(out_dir):  # what is left of that run does not count
        return None
    checkpoint = newest_checkpoint(out_dir)
    if checkpoint is not None:
        return checkpoint.config
    file = out_dir / SETTINGS_FILE
    if not file.is_file():
        return None
    try:
        data = strict_json(read_bounded(file, MAX_SETTINGS_BYTES))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read the settings {file}: {error}") from None
    return RunConfig.from_json(data, where=str(file))
