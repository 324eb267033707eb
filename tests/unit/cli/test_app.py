from __future__ import annotations

import os
import sys

import pytest
import typer

from slm.cli.app import PLAIN, main, run
from slm.errors import ConfigError


def program(action):
    app = typer.Typer(**PLAIN)

    @app.command()
    def command(number: int = 0) -> None:
        action()

    return app


def fail(error):
    def action():
        raise error

    return program(action)


def test_version_and_help(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("slm 0.")
    assert main(["-h"]) == 0
    assert "prepare" in capsys.readouterr().out


def test_arguments_of_the_process(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["slm", "--version"])

    assert main() == 0


def test_interrupted(capsys):
    assert run(fail(KeyboardInterrupt()), [], name="x") == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_unexpected_error(capsys, monkeypatch):
    monkeypatch.delenv("SLM_DEBUG", raising=False)
    assert run(fail(ValueError("odd\nmore")), [], name="x") == 1
    error, hint = capsys.readouterr().err.splitlines()
    assert error == "error: unexpected ValueError: odd"
    assert "SLM_DEBUG=1" in hint

    monkeypatch.setenv("SLM_DEBUG", "1")
    assert run(fail(ValueError("odd")), [], name="x") == 1
    assert "Traceback" in capsys.readouterr().err


def test_errors_of_ours(capsys, monkeypatch):
    monkeypatch.delenv("SLM_DEBUG", raising=False)
    assert run(fail(ConfigError("bad", hint="do this")), [], name="x") == 2
    assert capsys.readouterr().err == "error: bad\nhint: do this\n"

    assert run(fail(ConfigError("bad")), [], name="x") == 2
    assert capsys.readouterr().err == "error: bad\nhint: see: x --help\n"


def test_one_process_of_several_says_what_all_know(capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")

    assert run(fail(ConfigError("bad")), [], name="x") == 2
    assert capsys.readouterr().err == ""


def test_the_reader_has_gone(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert run(program(lambda: print("x" * 10)), [], name="x") == 1
        print("what comes later goes nowhere", flush=True)


@pytest.mark.parametrize("words", [["--number", "x"], ["--number"], ["--numbr", "1"], ["word"]])
def test_usage_errors(capsys, words):
    assert run(program(lambda: None), words, name="x") == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
