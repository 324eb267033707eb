"""`docs/reference` says what `--help` says, and what the settings are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from slm import errors
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
        *("prepare", "train", "generate", "serve", "eval", "report", "compare"),
        *("export", "import", "push"),
        *("info", "inspect", "presets"),
        *("bench train", "bench generate", "data check"),
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


def test_every_variable_of_ours_has_a_row():
    root = FOLDER.parents[1]
    files = [
        file for part in ("slm", "course", "tests", "docs") for file in (root / part).rglob("*.py")
    ]
    used = {
        name for file in files for name in re.findall(r"\bSLM_[A-Z0-9_]+", file.read_text("utf-8"))
    }
    page = (FOLDER / "environment-variables.md").read_text("utf-8")
    made_up = {"SLM_ANYTHING"}  # by a test of the tests' own variables
    assert used - made_up == set(re.findall(r"^\| `(SLM_[A-Z0-9_]+)` \|", page, re.MULTILINE))


def test_every_error_has_a_row_with_its_exit_code():
    page = (FOLDER / "errors.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)(?:\(\w+\))?` \| ([^|]+) \|", page, re.MULTILINE))
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    ours = {kind.__name__: kind for kind in kinds if issubclass(kind, errors.SlmError)}
    assert set(rows) == set(ours)
    interrupted = ours.pop("Interrupted")
    assert interrupted("", signal_number=2).exit_code == 130
    assert {name: rows[name] for name in ours} == {
        name: str(kind.exit_code) for name, kind in ours.items()
    }
