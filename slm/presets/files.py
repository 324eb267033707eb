"""Presets, settings files in TOML, and the `config.json` of a run."""

from __future__ import annotations

import io
import json
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from slm.config import GROUPS
from slm.config.run import CONFIG_FORMAT, CONFIG_VERSION, is_readable_version
from slm.errors import ConfigError, UsageError, did_you_mean, shown
from slm.presets.names import is_none, named_setting, setting_names, takes_none
from slm.storage.encodings import conversion_hint, encoding_of
from slm.storage.safe_reading import strict_toml, unique_keys

LARGEST_FILE_BYTES = 1 << 20


def preset_names() -> list[str]:
    """Names of the presets that come with the package, in alphabetical order."""
    folder = resources.files("slm") / "presets"
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    )


def preset_table(name: str) -> dict[str, Any]:
    """The content of a preset: `description`, and the groups that it sets.

    Raises:
        ConfigError: there is no such preset.
    """
    if name not in preset_names():
        raise ConfigError(
            f"there is no preset {shown(name)}",
            hint=did_you_mean(name, preset_names()) or f"presets: {', '.join(preset_names())}",
        )
    return tomllib.loads((resources.files("slm") / "presets" / f"{name}.toml").read_text("utf-8"))


def settings_file(path: Path) -> dict[str, Any]:
    """The content of a TOML file, or of the `config.json` of a run.

    Raises:
        UsageError: the file does not exist or cannot be read.
        ConfigError: it is not valid TOML (or JSON), or has an unknown version.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_FILE_BYTES + 1)
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"the settings file {path} is not UTF-8: {error.reason} at byte {error.start:,}",
            hint=conversion_hint(encoding_of(io.BytesIO(content)), path),
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a null in the path
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"cannot read the settings file {shown(str(path), 300)}: {reason}"
        ) from None
    if len(content) > LARGEST_FILE_BYTES:
        raise ConfigError(f"{path} is larger than {LARGEST_FILE_BYTES:,} bytes")
    # TOML never begins with a brace, whatever the name of the file is.
    is_json = path.suffix.lower() == ".json" or text.lstrip().startswith("{")
    try:
        table = json.loads(text, object_pairs_hook=unique_keys) if is_json else strict_toml(text)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"{path} is not valid {'JSON' if is_json else 'TOML'}: {reason}",
            hint="a settings file whose name ends in .json has the form of a run's config.json"
            if is_json
            else 'write NAME = VALUE on each line; text is in quotes, and so is "none"',
        ) from None
    if not isinstance(table, dict):
        raise ConfigError(f"{path} contains no table of settings")
    if table.get("format", CONFIG_FORMAT) != CONFIG_FORMAT:
        raise ConfigError(f"{path} has the format {shown(table['format'])}, not {CONFIG_FORMAT}")
    if not is_readable_version(table.get("version", CONFIG_VERSION)):
        raise ConfigError(
            f"{path} has settings of version {shown(table['version'])}, "
            f"this program reads versions up to {CONFIG_VERSION}",
            hint="use the version of slm that wrote it",
        )
    return table


def preset_of(table: Mapping[str, Any]) -> str | None:
    """The preset that a settings file names, if any.

    Raises:
        ConfigError: the name is not a string.
    """
    name = table.get("preset")
    if name is None or isinstance(name, str):
        return name
    raise ConfigError(f"there is no preset {shown(name)}", hint="write its name in quotes")


_TABLE_EXTRAS = (
    "description",
    "preset",
    "format",
    "version",
    "origins",
    "started_in",
    "parent",
    "teacher_models",
)


def values_in(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    """`{"model": {"n_layer": 4}}` or `{"n_layer": 4}` as `{"model.n_layer": 4}`.

    Args:
        table: the content of a preset or a settings file.
        where: its name, for error messages.

    Raises:
        ConfigError: a name is unknown, or a setting is given under two names.
    """
    values: dict[str, Any] = {}
    written: dict[str, str] = {}
    for name, value in table.items():
        if name in _TABLE_EXTRAS:
            continue
        for short, item in _members(name, value, where):
            try:
                full, current = named_setting(short, item)
            except ConfigError as error:
                hint = error.hint if name in GROUPS else did_you_mean(name, _TABLE_EXTRAS)
                raise ConfigError(f"{where}: {error.message}", hint=hint or error.hint) from None
            if full in values:
                raise ConfigError(
                    f"{where}: {written[full]} and {short} are the same setting",
                    hint="leave out one of them",
                )
            # TOML has no null.
            values[full] = None if is_none(item) and takes_none(full) else current
            written[full] = short
    return values


def _members(name: str, value: Any, where: str) -> list[tuple[str, Any]]:
    """The settings in a table, or the one setting that an entry is.

    Raises:
        ConfigError: there is no such group.
    """
    if name in GROUPS:
        if isinstance(value, Mapping):
            return [(f"{name}.{key}", item) for key, item in value.items()]
        raise ConfigError(
            f"{where}: {name} is a group of settings, found {shown(value)}",
            hint=f"write [{name}], and its settings in the lines below",
        )
    if not isinstance(value, Mapping):
        return [(name, value)]
    if name in [known.partition(".")[2] for known in setting_names()]:
        raise ConfigError(
            f"{where}: {name} is a setting, not a group", hint=f"write {name} = VALUE"
        )
    raise ConfigError(
        f"{where}: there is no group [{shown(name)[1:-1]}]",
        hint=did_you_mean(name, GROUPS) or f"groups: {', '.join(GROUPS)}",
    )
