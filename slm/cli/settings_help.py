"""Name, kind, default and meaning of every setting, as `slm.config` has them."""

from __future__ import annotations

import ast
import inspect
import types
import typing
from dataclasses import dataclass
from typing import Any

from slm import config


@dataclass(frozen=True)
class SettingHelp:
    """What there is to know about one setting."""

    group: str
    key: str
    kind: str
    default: str
    meaning: str


def all_settings() -> list[SettingHelp]:
    """Every setting, in the order of definition."""
    meanings = _meanings()
    return [
        SettingHelp(
            group=group,
            key=key,
            kind=_kind(kind.model_fields[key].annotation),
            default=as_toml(kind.model_fields[key].default),
            meaning=meanings[kind.__name__, key],
        )
        for group, kind in config.GROUPS.items()
        for key in kind.setting_names()
    ]


def as_toml(value: Any) -> str:
    """A value as it is written after `key=`."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list | tuple):
        return f"[{', '.join(as_toml(item) for item in value)}]"
    return str(value)


def _kind(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _kind(arguments[0])
    if origin is typing.Literal:
        return " or ".join(str(choice) for choice in arguments)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_kind(part) for part in arguments)
    names = {int: "whole number", float: "number", bool: "true or false", str: "text"}
    if annotation is type(None):
        return "none"
    return names.get(annotation, "list of texts")


def _meanings() -> dict[tuple[str, str], str]:
    """(class, setting) to the sentence that stands below it in the source."""
    meanings = {}
    for item in ast.parse(inspect.getsource(config)).body:
        if not isinstance(item, ast.ClassDef):
            continue
        for setting, below in zip(item.body, item.body[1:], strict=False):
            if (
                isinstance(setting, ast.AnnAssign)
                and isinstance(setting.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
            ):
                text = inspect.cleandoc(str(below.value.value))
                meanings[item.name, setting.target.id] = " ".join(text.split())
    return meanings
