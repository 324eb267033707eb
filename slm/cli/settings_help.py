"""Name, type, default and meaning of every setting, read from `slm.config`."""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass
from typing import Any

from slm.config import GROUPS
from slm.presets import as_toml


@dataclass(frozen=True)
class SettingHelp:
    """The description of one setting."""

    group: str
    key: str
    kind: str
    default: str
    meaning: str


def all_settings() -> list[SettingHelp]:
    """All settings, in the order of their definition."""
    return [
        SettingHelp(
            group=group,
            key=key,
            kind=_kind(kind.model_fields[key].annotation),
            default=as_toml(kind.model_fields[key].default),
            meaning=" ".join(str(kind.model_fields[key].description).split()),
        )
        for group, kind in GROUPS.items()
        for key in kind.setting_names()
    ]


def _kind(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _kind(arguments[0])
    if origin is typing.Literal:
        return " or ".join(str(choice) for choice in arguments)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_kind(part) for part in arguments)
    names = {int: "integer", float: "number", bool: "true or false", str: "text"}
    if annotation is type(None):
        return "none"
    return names.get(annotation, "list of texts")
