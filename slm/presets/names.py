"""Names of settings: `group.key`, or `key` where only one group has it, or an earlier name."""

from __future__ import annotations

import json
from typing import Any, get_args

from slm.config import GROUPS
from slm.config.run import SAME_SETTING, old_names
from slm.errors import ConfigError, did_you_mean, shown
from slm.storage.safe_reading import strict_toml


def setting_names() -> list[str]:
    """All settings as `group.key`, in the order of their definition."""
    return [f"{group}.{key}" for group, kind in GROUPS.items() for key in kind.setting_names()]


def current_name(name: str) -> str | None:
    """The `group.key` name of a setting that is given by an earlier name; None: it is not."""
    for old, now in old_names().items():
        if name in (old, old.partition(".")[2]):
            return now
    return None


def full_name(name: str) -> str:
    """The `group.key` name of a setting.

    Raises:
        ConfigError: no setting has that name, or several groups have it.
    """
    names = setting_names()
    name = SAME_SETTING.get(name, name)
    name = current_name(name) or name
    if name in names:
        return name
    if name in GROUPS:
        example = next(known for known in names if known.startswith(f"{name}."))
        raise ConfigError(
            f"{name} is a group of settings, not a setting",
            hint=f"name one of its settings, for example {example}",
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
    raise ConfigError(
        f"there is no setting {shown(name)}",
        hint=_suggestion(name, group, key) or "`slm presets --settings` lists all settings",
    )


def _suggestion(name: str, group: str, key: str) -> str | None:
    names = setting_names()
    elsewhere = [known for known in names if group in GROUPS and known.endswith(f".{key}")]
    if elsewhere:
        return f"did you mean {' or '.join(elsewhere)}?"
    if group in GROUPS:
        near = (
            did_you_mean(key, GROUPS[known].setting_names(), prefix=f"{known}.")
            for known in (group, *GROUPS)
        )
        return next(filter(None, near), None)
    return did_you_mean(name, names if group else [known.partition(".")[2] for known in names])


def named_setting(name: str, value: Any) -> tuple[str, Any]:
    """The `group.key` name of a setting and its value, both in the current spelling.

    Raises:
        ConfigError: see `full_name`.
    """
    full = full_name(name)
    _, current = GROUPS[full.partition(".")[0]].current(name.rpartition(".")[2], value)
    return full, current


def parse_assignment(text: str) -> tuple[str, Any]:
    """Split `key=value` into the setting's full name and its value, written as in TOML.

    Strings may be given without quotes; `none` is None.

    Raises:
        ConfigError: there is no `=`, or no such setting.
    """
    name, equals, value_text = text.partition("=")
    if not equals:
        raise ConfigError(
            f"--set takes key=value, found {shown(text)}", hint="for example n_layer=4"
        )
    name, value_text = name.strip(), value_text.strip()
    if is_none(value_text):
        return full_name(name), None
    try:
        table = strict_toml(f"value = {value_text}")
    except (ValueError, RecursionError):  # ValueError: also for a number with thousands of digits
        table = {}
    # More than one entry: a string of several lines that is also valid TOML.
    value: Any = table["value"] if table.keys() == {"value"} else value_text
    return named_setting(name, value)


def as_toml(value: Any) -> str:
    """A value as it is written after `key=` on a command line."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)  # TOML has the escapes of JSON
    if isinstance(value, list | tuple):
        return f"[{', '.join(as_toml(item) for item in value)}]"
    return str(value)


def is_none(value: Any) -> bool:
    """Whether a value is the word for None."""
    return isinstance(value, str) and value.lower() in {"none", "null"}


def takes_none(name: str) -> bool:
    """Whether None is a valid value of a setting, named `group.key`."""
    group, _, key = name.partition(".")
    return type(None) in get_args(GROUPS[group].model_fields[key].annotation)
