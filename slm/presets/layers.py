"""The layers of settings: defaults, a preset, a settings file, the command line.

A later layer replaces values of earlier ones. On the command line, no word may contradict another.
Each value remembers its layer.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from slm.config import GROUPS, DataConfig, GPTConfig, RunConfig, TrainingConfig
from slm.config.origins import DEFAULT, SET, Origin, OriginKind
from slm.config.run import BAD_ORIGINS, read_origins
from slm.config.run_paths import located, run_of, start_directory
from slm.errors import ConfigError, shown
from slm.presets.files import preset_of, preset_table, settings_file, values_in
from slm.presets.names import parse_assignment

Flags = dict[str, tuple[Any, str | Origin]]
"""Settings that flags give: `group.key` to (value, name of the flag, or another origin)."""

Layer = tuple[Origin, Mapping[str, Any]]


def resolve(
    preset: str | None = None,
    *,
    config_file: Path | None = None,
    flags: Flags | None = None,
    assignments: Sequence[str] = (),
    base: RunConfig | None = None,
) -> RunConfig:
    """Build all settings in layers: defaults, preset, settings file, command line.

    Args:
        preset: the name of a preset; None: the one that the settings file names, if any.
        config_file: a TOML file, or a run's `config.json`.
        flags: see `Flags`.
        assignments: strings `key=value`.
        base: what the layers are put on, such as the settings of a run that is resumed; a preset
            that the settings file names then has no effect. None: built-in defaults.

    Raises:
        ConfigError: a name is unknown, a value is invalid, or the command line gives two values for
            one setting; the message says where.
        UsageError: the settings file cannot be read.
    """
    file_table = settings_file(config_file) if config_file is not None else {}
    chosen = preset_of(file_table) if preset is None and base is None else preset
    layers: list[Layer] = []
    if chosen is not None:
        origin = Origin(OriginKind.PRESET, chosen)
        layers.append((origin, values_in(preset_table(chosen), str(origin))))
    if config_file is not None:
        values = values_in(file_table, str(config_file))
        layers.extend(_of_settings_file(values, file_table, config_file))
    command_line_words(flags or {}, assignments)  # refuses contradictions
    layers.extend((_of_flag(flag), {name: value}) for name, (value, flag) in (flags or {}).items())
    layers.extend((SET, dict([parse_assignment(text)])) for text in assignments)
    return _stack(
        layers, base or RunConfig(GPTConfig(), TrainingConfig(), DataConfig(), origins={})
    )


def command_line_words(flags: Flags, assignments: Sequence[str]) -> dict[str, str]:
    """The settings that a command line gives, and the words that give each of them.

    Raises:
        ConfigError: a setting is unknown, or is given twice with different values.
    """
    named = {name: (value, str(flag)) for name, (value, flag) in flags.items()}
    for text in assignments:
        name, value = parse_assignment(text)
        words = f"--set {shown(text)[1:-1]}"
        before, earlier = named.setdefault(name, (value, words))
        if before != value:
            raise ConfigError(
                f"{earlier} and {words} contradict each other: both decide {name}",
                hint="leave out one of them",
            )
    return {name: words for name, (_, words) in named.items()}


def _of_flag(flag: str | Origin) -> Origin:
    return flag if isinstance(flag, Origin) else Origin(OriginKind.FLAG, flag)


def _of_settings_file(
    values: dict[str, Any], table: Mapping[str, Any], path: Path
) -> Iterable[Layer]:
    """The layers of a settings file. From a run's `config.json`, only what was chosen for that run.

    Its directory and its derived values are left out: another run finds its own. Prepared data
    remain prepared data, and paths mean the same files as for that run.
    """
    origins = read_origins(table.get("origins", {}))
    if origins is None:
        raise ConfigError(f"{path}: {BAD_ORIGINS}")
    of_file = Origin(OriginKind.FILE, str(path))
    if not origins:
        return [(of_file, values)]
    out_dir, started_in = values.pop("train.out_dir", None), table.get("started_in")
    kinds = {name: origins.get(name, DEFAULT).kind for name in values}
    values = {name: v for name, v in values.items() if kinds[name] is not OriginKind.DERIVED}
    if isinstance(out_dir, str) and isinstance(started_in, str | None):
        start = start_directory(run_of(path.parent), started_in=started_in, out_dir=out_dir)
        values |= {
            name: value
            for name, value in located(values, start).items()
            # Path.exists raises where a name is too long.
            if not isinstance(value, str) or os.path.exists(value)  # noqa: PTH110
        }
    prepared = {name: v for name, v in values.items() if kinds[name] is OriginKind.PREPARED}
    others = {name: v for name, v in values.items() if name not in prepared}
    return [(of_file, others), *((origins[name], {name: v}) for name, v in prepared.items())]


def _stack(layers: Iterable[Layer], base: RunConfig) -> RunConfig:
    """Put layers on `base` and validate once, because settings may depend on each other."""
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for origin, layer in layers:
        values.update(layer)
        origins.update(dict.fromkeys(layer, origin))
    try:
        return base.with_values(values, origins)
    except ConfigError as error:
        raise _located_error(error, {**base.origins, **origins}) from None


def _located_error(error: ConfigError, origins: Mapping[str, Origin]) -> ConfigError:
    """An error about a value, with the origin of the value."""
    group, _, key = (error.setting or "").partition(".")
    for name, kind in GROUPS.items():
        if kind.__name__ == group:
            setting = f"{name}.{key.partition('.')[0]}"
            origin = origins.get(setting, DEFAULT)
            if origin == SET:
                where = f"--set {key}"
            else:
                where = str(origin) if origin.is_on_command_line else f"{setting} ({origin})"
            problem = error.message.removeprefix(f"{error.setting}: ")
            return ConfigError(f"{where}: {problem}", hint=error.hint, setting=error.setting)
    return error
