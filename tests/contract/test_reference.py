"""`docs/reference` says what `--help` says, and what the settings are."""

from __future__ import annotations

from pathlib import Path

import pytest

from slm.cli import main, reference
from slm.cli import original as original_cli

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
COMMANDS = dict(reference.all_commands())


@pytest.mark.parametrize("name", ["commands.md", "settings.md"])
def test_the_pages_are_up_to_date(name):
    assert (FOLDER / name).read_text("utf-8") == reference.pages()[name], (
        "run: python -m slm.cli.reference"
    )


def test_all_commands_are_there():
    expected = [
        *("prepare", "train", "generate", "serve", "eval", "export", "import", "push"),
        *("info", "inspect", "presets"),
        *("bench train", "bench generate"),
    ]
    assert list(COMMANDS) == [*(f"slm {name}" for name in expected), "python train.py"]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_every_option_of_the_page(name, capsys):
    words = [*name.split()[1:], "--help"] if name.startswith("slm ") else ["--help"]
    program = main if name.startswith("slm ") else original_cli.main

    assert program(words) == 0

    shown = capsys.readouterr().out
    page = reference.commands_page().split(f"## `{name}`")[1].split("\n## ")[0]
    flags = [flag for parameter in COMMANDS[name].params for flag in parameter.opts]
    for flag in (flag for flag in flags if flag.startswith("-")):
        assert flag in shown
        assert flag in page


def test_every_setting_has_a_meaning():
    for item in reference.all_settings():
        assert f"| `{item.key}` | {item.meaning[:20]}" in reference.settings_page()
        assert item.meaning.endswith((".", "*", '"'))
