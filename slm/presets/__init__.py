"""From presets, a settings file and single settings to the whole configuration of a run.

The layers, the later over the earlier: built-in defaults, a preset (a TOML file in this folder), a
settings file, and the command line, on which no word may undo another. A setting is named
`group.key`, or just `key` where only one group has it. Each value remembers its layer.
"""

from __future__ import annotations

import io
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from slm.config import (
    CONFIG_FORMAT,
    CONFIG_VERSION,
    DERIVED_ORIGINS,
    GROUPS,
    ORIGIN_PREPARED,
    SAME_SETTING,
    DataConfig,
    GPTConfig,
    RunConfig,
    TrainingConfig,
    are_origins,
    is_readable_version,
)
from slm.errors import ConfigError, UsageError, did_you_mean, shown
from slm.run_paths import located, run_of, started_at
from slm.storage.encodings import conversion_hint, encoding_of
from slm.storage.safe_reading import strict_toml, unique_keys

DEFAULT_PRESET = "modern-12m"
LARGEST_FILE_BYTES = 1 << 20


def setting_names() -> list[str]:
    """All settings as `group.key`, in the order of their definition."""
    return [f"{group}.{key}" for group, kind in GROUPS.items() for key in kind.setting_names()]


def full_name(name: str) -> str:
    """The `group.key` name of a setting that may be given as `key`, or by a name it had before.

    Raises:
        ConfigError: no setting has that name, or several groups have it.
    """
    names = setting_names()
    name = SAME_SETTING.get(name, name)
    name = old_names().get(name, name)
    if name in names:
        return name
    if name in GROUPS:
        raise ConfigError(
            f"{name} is a group of settings, not a setting",
            hint=f"name one of its settings, for example {_named_after(name, names)[0]}",
        )
    matches = [known for known in names if known.partition(".")[2] == name]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise ConfigError(
            f"the setting {name!r} is ambiguous", hint=f"write {' or '.join(matches)}"
        )
    group, _, key = name.rpartition(".")
    if key == "preset":
        raise ConfigError(
            "preset is not a setting",
            hint='name it by --preset NAME, or in a settings file by preset = "NAME" above the '
            "first group",
        )
    elsewhere = [known for known in names if group in GROUPS and known.endswith(f".{key}")]
    if elsewhere:
        suggestion: str | None = f"did you mean {' or '.join(elsewhere)}?"
    elif group in GROUPS:
        near = (
            did_you_mean(key, GROUPS[known].setting_names(), prefix=f"{known}.")
            for known in (group, *GROUPS)
        )
        suggestion = next(filter(None, near), None)
    else:
        suggestion = did_you_mean(name, names if group else [k.partition(".")[2] for k in names])
    raise ConfigError(
        f"there is no setting {shown(name)}",
        hint=suggestion or "`slm presets --settings` lists all settings",
    )


def old_names() -> dict[str, str]:
    """Names that settings had before, as `group.key` and as `key`, and their names now."""
    found = {}
    for group, kind in GROUPS.items():
        for old, renamed in kind.old_names.items():
            found[old] = found[f"{group}.{old}"] = f"{group}.{renamed.name}"
    return found


def named_setting(name: str, value: Any) -> tuple[str, Any]:
    """The `group.key` name of a setting and its value, both in the current spelling.

    Raises:
        ConfigError: see `full_name`.
    """
    full = full_name(name)
    _, current = GROUPS[full.partition(".")[0]].current(name.rpartition(".")[2], value)
    return full, current


def _named_after(group: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(f"{group}.")]


def parse_assignment(text: str) -> tuple[str, Any]:
    """Split `key=value` into the setting's full name and its value, written as in TOML.

    Words need no quotes, and `none` is no value.

    Raises:
        ConfigError: there is no `=`, or no such setting.
    """
    name, equals, value_text = text.partition("=")
    if not equals:
        raise ConfigError(
            f"--set takes key=value, found {shown(text)}", hint="for example n_layer=4"
        )
    value_text = value_text.strip()
    name = name.strip()
    if _is_none(value_text):
        return full_name(name), None
    try:
        table = strict_toml(f"value = {value_text}")
    except (ValueError, RecursionError):  # ValueError: also of a number with thousands of digits
        table = {}
    # More than one entry: a text of several lines that happens to look like TOML.
    value: Any = table["value"] if table.keys() == {"value"} else value_text
    return named_setting(name, value)


def preset_names() -> list[str]:
    """Names of the presets that come with the package, in alphabetical order."""
    folder = resources.files("slm") / "presets"
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    )


def preset_table(name: str) -> dict[str, Any]:
    """The raw content of a preset: `description` and the groups it sets.

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
    """The settings in a TOML file, or in the `config.json` of a run.

    Raises:
        UsageError: the file is missing or cannot be read.
        ConfigError: it is not TOML (or JSON).
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
    # No TOML begins with a brace, whatever the file is called.
    is_json = path.suffix.lower() == ".json" or text.lstrip().startswith("{")
    try:
        table = json.loads(text, object_pairs_hook=unique_keys) if is_json else strict_toml(text)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"{path} is not valid {'JSON' if is_json else 'TOML'}: {reason}",
            hint="a settings file whose name ends in .json holds what a run's config.json holds"
            if is_json
            else 'write NAME = VALUE on each line; text is in quotes, and so is "none"',
        ) from None
    if not isinstance(table, dict):
        raise ConfigError(f"{path} holds no table of settings")
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
        ConfigError: what it names is no text.
    """
    name = table.get("preset")
    if name is None or isinstance(name, str):
        return name
    raise ConfigError(f"there is no preset {shown(name)}", hint="write its name in quotes")


_TABLE_EXTRAS = ("description", "preset", "format", "version", "origins", "started_in")


def _flatten(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    """`{"model": {"n_layer": 4}}` or `{"n_layer": 4}` as `{"model.n_layer": 4}`.

    Raises:
        ConfigError: a name is unknown, or a setting is there under two names.
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
            is_none = _is_none(item) and _takes_none(full)  # TOML has no word for it
            values[full], written[full] = None if is_none else current, short
    return values


def _is_none(value: Any) -> bool:
    return isinstance(value, str) and value.lower() in {"none", "null"}


def _takes_none(name: str) -> bool:
    """Whether a setting, named `group.key`, may have no value."""
    group, _, key = name.partition(".")
    return type(None) in get_args(GROUPS[group].model_fields[key].annotation)


def _members(name: str, value: Any, where: str) -> list[tuple[str, Any]]:
    """The settings of a table, or one setting by itself.

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
    bare = [known.partition(".")[2] for known in setting_names()]
    if name in bare:
        raise ConfigError(
            f"{where}: {name} is a setting, not a group", hint=f"write {name} = VALUE"
        )
    raise ConfigError(
        f"{where}: there is no group [{shown(name)[1:-1]}]",
        hint=did_you_mean(name, GROUPS) or f"groups: {', '.join(GROUPS)}",
    )


def resolve(
    preset: str | None = None,
    *,
    config_file: Path | None = None,
    flags: Mapping[str, tuple[Any, str]] | None = None,
    assignments: Sequence[str] = (),
    base: RunConfig | None = None,
) -> RunConfig:
    """Build all settings in layers: defaults, preset, settings file, command line.

    Args:
        preset: a preset's name. None: the one that the settings file names as `preset`, if any,
            and built-in defaults else.
        config_file: a TOML file, or a run's config.json.
        flags: `group.key` to (value, name of the flag).
        assignments: texts `key=value`.
        base: what the layers are put over, as the settings of a run that goes on, whatever preset
            the settings file names. None: built-in defaults.

    Raises:
        ConfigError: an unknown name, an impossible value, or two values of one setting on the
            command line, naming where it was found.
        UsageError: the settings file cannot be read.
    """
    file_table = settings_file(config_file) if config_file is not None else {}
    chosen = preset_of(file_table) if preset is None and base is None else preset
    layers: list[tuple[str, dict[str, Any]]] = []
    if chosen is not None:
        origin = f"preset {chosen}"
        layers.append((origin, _flatten(preset_table(chosen), origin)))
    if config_file is not None:
        values = _flatten(file_table, str(config_file))
        layers.extend(_of_settings_file(values, file_table, config_file))
    command_line_words(flags or {}, assignments)  # none may undo another
    layers.extend((flag, {name: value}) for name, (value, flag) in (flags or {}).items())
    layers.extend(("--set", dict([parse_assignment(text)])) for text in assignments)
    return _stack(
        layers, base or RunConfig(GPTConfig(), TrainingConfig(), DataConfig(), origins={})
    )


def command_line_words(
    flags: Mapping[str, tuple[Any, str]], assignments: Sequence[str]
) -> dict[str, str]:
    """The settings that a command line names, and the words by which it names each.

    Raises:
        ConfigError: a setting is unknown, or is given twice with different values.
    """
    named = {name: (value, flag) for name, (value, flag) in flags.items()}
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


def _of_settings_file(
    values: dict[str, Any], table: Mapping[str, Any], path: Path
) -> list[tuple[str, dict[str, Any]]]:
    """The layers of a settings file; of a run's config.json, only what was chosen for that run.

    Its place, and what was found for it on its machine, are another run's to find. Prepared data
    that it was given stay what they are, and paths are those that the run had.
    """
    origins = table.get("origins", {})
    if not are_origins(origins):
        raise ConfigError(f"{path}: origins are no mapping from names to texts")
    values = {name: v for name, v in values.items() if origins.get(name) not in DERIVED_ORIGINS}
    if not origins:
        return [(f"file {path}", values)]
    out_dir, started_in = values.pop("train.out_dir", None), table.get("started_in")
    if isinstance(out_dir, str) and isinstance(started_in, str | None):
        start = started_at(run_of(path.parent), started_in=started_in, out_dir=out_dir)
        values |= {k: path for k, path in located(values, start).items() if Path(path).exists()}
    prepared = {k: values.pop(k) for k in list(values) if origins.get(k) == ORIGIN_PREPARED}
    return [(f"file {path}", values), (ORIGIN_PREPARED, prepared)]


def _stack(layers: Iterable[tuple[str, Mapping[str, Any]]], base: RunConfig) -> RunConfig:
    """Put layers over `base` and validate once, so that settings may depend on each other."""
    values: dict[str, Any] = {}
    origins = dict(base.origins)
    for origin, layer in layers:
        values.update(layer)
        origins.update(dict.fromkeys(layer, origin))
    try:
        return replace(base.with_values(values, origin=""), origins=origins)
    except ConfigError as error:
        raise _signed(error, origins) from None


def _signed(error: ConfigError, origins: Mapping[str, str]) -> ConfigError:
    """An error about a value, saying where that value comes from."""
    group, _, key = (error.setting or "").partition(".")
    for name, kind in GROUPS.items():
        if kind.__name__ == group:
            setting = f"{name}.{key.partition('.')[0]}"
            origin = origins.get(setting, "default")
            if not origin.startswith("--"):
                origin = f"{setting} ({origin})"
            elif origin == "--set":
                origin = f"--set {key}"
            problem = error.message.removeprefix(f"{error.setting}: ")
            return ConfigError(f"{origin}: {problem}", hint=error.hint, setting=error.setting)
    return error
