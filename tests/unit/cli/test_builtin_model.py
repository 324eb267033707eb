"""The commands that use the built-in model where no checkpoint is given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slm.cli import main

NOTE = "note: no checkpoint is given: using the built-in model\n"


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[Any, str]:
    """What a command prints to stdout, as JSON, and to stderr."""
    assert main([*words, "--json"]) == 0
    out, err = capsys.readouterr()
    return json.loads(out), err


@pytest.mark.parametrize(
    "words",
    [
        ["generate", "One day", "--max-new-tokens", "3"],
        ["inspect", "One day"],
        ["eval", "--source", "text.txt"],
    ],
)
def test_commands_without_a_checkpoint(
    builtin: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    Path("text.txt").write_text("One day.", encoding="utf-8")
    found, notes = printed(capsys, *words)
    assert found["checkpoint"] == str(builtin)
    assert notes.startswith(NOTE)
    _, notes = printed(capsys, *words, "--checkpoint", "builtin")
    assert "built-in" not in notes


def test_its_figures_are_those_of_the_stored_weights(
    builtin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("text.txt").write_text("One day.", encoding="utf-8")
    words = ["eval", "--source", "text.txt", "--checkpoint"]
    assert (
        printed(capsys, *words, "builtin")[0]["loss"]
        == (printed(capsys, *words, str(builtin))[0]["loss"])
    )


def test_export_and_info_take_its_name(builtin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "export", "builtin", "slm", "copy")[0]["out"] == "copy"
    described, _ = printed(capsys, "info", "builtin")
    assert (described["kind"], described["card"]["data"]) == ("checkpoint", "a book")
    assert described["path"] == str(builtin)
    machine, _ = printed(capsys, "info")
    assert machine["built_in_model"] == described["card"]


def test_info_of_an_installation_without_it(
    builtin: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("slm.checkpoint.builtin._DIRECTORY", builtin / "absent")
    assert printed(capsys, "info")[0]["built_in_model"] is None
    assert main(["info", "builtin"]) == 2
    assert "no built-in model" in capsys.readouterr().err


@pytest.mark.usefixtures("builtin")
def test_serve_serves_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import slm.server.serve as serving

    def once(server: Any, listener: Any, on_ready: Any) -> None:
        assert server.config.app is not None
        on_ready("http://here")

    monkeypatch.setattr(serving, "run", once)
    assert main(["serve", "--port", "0"]) == 0
    out, err = capsys.readouterr()
    assert out == "http://here\n"
    assert err.startswith(NOTE)
    assert "serving builtin with 16 slots" in err


@pytest.mark.usefixtures("builtin")
def test_serve_compares_it_with_a_model_of_ones_own(
    builtin: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import slm.server.serve as serving

    monkeypatch.setattr(serving, "run", lambda *words, **more: None)
    assert main(["serve", "--port", "0", "--beside", str(builtin)]) == 0
    assert f"serving builtin and {builtin.name} with" in capsys.readouterr().err
