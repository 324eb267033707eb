"""`slm presets`: lists presets, one preset, or all settings."""

from __future__ import annotations

from dataclasses import asdict
from importlib import resources
from typing import Annotated, Any

import typer

from slm.cli.options import Json
from slm.cli.output import print_json, print_table
from slm.errors import UsageError
from slm.quantities import parameters
from slm.reporting.display import say


def presets(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Preset to print as TOML.")
    ] = None,
    settings: Annotated[
        bool, typer.Option("--settings", help="Print all settings, their defaults and meanings.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the presets, print one as TOML, or list all settings."""
    if settings:
        if name is not None:
            raise UsageError("a preset and --settings are both given", hint="give one of the two")
        _print_settings(as_json=as_json)
    elif name is not None:
        _print_preset(name, as_json=as_json)
    else:
        _print_list(as_json=as_json)


def _print_list(*, as_json: bool) -> None:
    from slm.model import model_costs
    from slm.presets import DEFAULT_PRESET, preset_names, preset_table, resolve

    listed: dict[str, dict[str, Any]] = {
        name: {
            "parameters": model_costs(resolve(name).model).parameters,
            "description": preset_table(name)["description"],
            "default": name == DEFAULT_PRESET,
        }
        for name in preset_names()
    }
    if as_json:
        print_json({"presets": listed})
        return
    print_table(
        (name, parameters(item["parameters"]), str(item["description"]))
        for name, item in listed.items()
    )
    say(f"`slm train` uses {DEFAULT_PRESET} unless --preset is given")


def _print_preset(name: str, *, as_json: bool) -> None:
    from slm.presets import preset_table

    table = preset_table(name)  # raises for unknown names
    if as_json:
        print_json({"name": name, **table})
    else:
        file = resources.files("slm") / "presets" / f"{name}.toml"
        print(file.read_text("utf-8"), end="")


def _print_settings(*, as_json: bool) -> None:
    from slm.cli.settings_help import all_settings

    if as_json:
        print_json({f"{item.group}.{item.key}": asdict(item) for item in all_settings()})
        return
    group = ""
    for item in all_settings():
        if item.group != group:
            print(f"{chr(10) if group else ''}[{item.group}]")
            group = item.group
        print(f"{item.key} = {item.default}    ({item.kind})")
        print(f"    {item.meaning}")
