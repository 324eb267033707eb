"""Generates pages of `docs/reference` from the commands and the settings.

python -m slm.cli.reference [FOLDER]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from slm.cli import original
from slm.cli.app import app
from slm.cli.examples import EXAMPLES
from slm.cli.settings_help import all_settings
from slm.config import GROUPS
from slm.presets import as_toml
from slm.storage.files import atomic_write, make_directory

FOLDER = Path("docs/reference")
GENERATED = "<!-- Made by `python -m slm.cli.reference`; do not edit. -->"

EXIT_CODES = """\
| code | meaning |
|---|---|
| 0 | done |
| 1 | runtime error: invalid text, checkpoint or file |
| 2 | usage error: invalid command line or setting, or an unsupported device |
| 3 | another process writes to the same directory |
| 4 | no space is left on the disk |
| 130, 143, 129 | ended by Ctrl-C, SIGTERM, or a closed terminal; training is saved first |
"""

OUTPUT = """\
Results go to stdout, progress and comments to stderr. With `--json` the result is one JSON object.
Errors are two lines on stderr, `error:` and `hint:`; `SLM_DEBUG=1` adds the traceback.
"""

EARLIER_NAMES = """\
Files and command lines with these names are read like those with the current ones. They are no
longer written: an older version of `slm` cannot read the settings of a new run.
"""


def pages() -> dict[str, str]:
    """File name to content of every page."""
    return {"commands.md": commands_page(), "settings.md": settings_page()}


def commands_page() -> str:
    """All commands with their arguments and options."""
    parts = ["# Commands", GENERATED, OUTPUT.strip()]
    for name, command in all_commands():
        parts += [f"## `{name}`", _usage(name, command), _paragraphs(command.help or "")]
        rows = [row for parameter in command.params if (row := _row(parameter)) is not None]
        parts.append("\n".join(["| option | meaning | default |", "|---|---|---|", *rows]))
        parts.append("\n".join(["```sh", *EXAMPLES[name], "```"]))
    parts += ["## Exit codes", EXIT_CODES.strip()]
    return "\n\n".join(parts) + "\n"


def settings_page() -> str:
    """All settings with their defaults and meanings."""
    titles = {"model": "shape of the model", "train": "training", "data": "data"}
    assert titles.keys() == GROUPS.keys()
    parts = [
        "# Settings",
        GENERATED,
        "Any of them can be given as `--set key=value`, or in a TOML file for `--config`, under\n"
        "its group. Presets are such files: see `slm presets`. Values are written as in TOML;\n"
        "words do not need quotes, and `none` means no value.",
    ]
    for group, title in titles.items():
        rows = [
            f"| `{item.key}` | {_cell(item.meaning)} | `{item.default}` | {_cell(item.kind)} |"
            for item in all_settings()
            if item.group == group
        ]
        header = ["| setting | meaning | default | kind |", "|---|---|---|---|"]
        parts += [f"## `[{group}]`: {title}", "\n".join([*header, *rows])]
    parts += ["## Earlier names", EARLIER_NAMES.strip(), "\n".join(_earlier_names())]
    return "\n\n".join(parts) + "\n"


def _earlier_names() -> Iterator[str]:
    yield "| earlier | now |"
    yield "|---|---|"
    for group in GROUPS.values():
        for old, now in group.old_names.items():
            values = "; ".join(
                f"`{old}={as_toml(before)}` is `{now.name}={as_toml(value)}`"
                for before, value in now.values.items()
            )
            yield f"| `{old}` | {values or f'`{now.name}`'} |"


def all_commands() -> Iterator[tuple[str, Any]]:
    """(`slm train`, its command), and so on, `train.py` last."""
    yield from _commands_in("slm", typer.main.get_command(app))
    yield "python train.py", typer.main.get_command(original.app)


def _commands_in(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    for word, inner in getattr(command, "commands", {}).items():
        if getattr(inner, "commands", None):
            yield from _commands_in(f"{name} {word}", inner)
        else:
            yield f"{name} {word}", inner


def _usage(name: str, command: Any) -> str:
    words = [
        parameter.metavar if parameter.required else f"[{parameter.metavar}]"
        for parameter in command.params
        if parameter.param_type_name == "argument" and not parameter.hidden
    ]
    return f"```\n{' '.join([name, '[OPTIONS]', *words])}\n```"


def _row(parameter: Any) -> str | None:
    if getattr(parameter, "hidden", False) or not getattr(parameter, "help", None):
        return None
    is_argument = parameter.param_type_name == "argument"
    if is_argument:
        shown = f"`{parameter.metavar}`"
    else:
        value = "" if parameter.is_flag else f" {parameter.metavar}"
        shown = ", ".join(f"`{flag}{value}`" for flag in parameter.opts)
    meaning, _, implied = parameter.help.partition("  [")
    default = implied.rstrip("]")
    if parameter.required:
        default = "required"
    elif (
        not default and not is_argument and not parameter.is_flag and parameter.default is not None
    ):
        default = str(parameter.default)
    return f"| {shown} | {_cell(meaning)} | {_cell(default)} |"


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(folder: Path = FOLDER) -> None:
    """Write every page into a folder."""
    make_directory(folder)
    for name, content in pages().items():
        atomic_write(folder / name, content)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
