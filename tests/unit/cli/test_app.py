from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path

import pytest
import typer

from slm.cli.app import PLAIN, main, run
from slm.errors import CheckpointError, ConfigError, DataError, HubError, TokenizerError


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


def test_a_text_that_looks_like_an_option_comes_after_two_dashes(capsys):
    assert main(["generate", "--checkpoint", "RUN", "-5 foxes"]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error == "error: slm generate has no option -5"
    expected = "see: slm generate --help; a PROMPT that begins with - comes after --"
    assert hint == f"hint: {expected}"
    assert main(["serve", "-x"]) == 2
    assert capsys.readouterr().err.endswith("hint: see: slm serve --help\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["train", "--minutes", "5m"], "--minutes: must be a number, found '5m'"),
        (["train", "--steps", "1.5"], "--steps: must be an integer, found '1.5'"),
        (["generate", "--seed", ""], "--seed: must be an integer, found ''"),
    ],
)
def test_a_value_that_is_not_a_number_is_named(capsys, words, expected):
    assert main(words) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error == f"error: {expected}"
    assert hint == f"hint: see: slm {words[0]} --help"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["info", "--checkpoint", "runs/x"], "give it without --checkpoint: slm info PATH"),
        (["compare", "--checkpoint", "a"], "give it without --checkpoint: slm compare RUNS"),
        (["data", "check", "--source", "x"], "give it without --source: slm data check SOURCE"),
        (["train", "--checkpoint", "x"], "see: slm train --help"),
    ],
)
def test_an_argument_is_no_option(capsys, words, expected):
    assert main(words) == 2
    assert capsys.readouterr().err.splitlines()[1].startswith(f"hint: {expected}")


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


def test_without_a_hint_the_help_of_the_command_is_named(capsys, tmp_path):
    card = tmp_path / "card.toml"
    card.write_text("summary = 5")
    words = ["export", "builtin", "slm", str(tmp_path / "m"), "--card", str(card)]
    assert main(words) == 2
    assert capsys.readouterr().err.endswith("hint: see: slm export --help\n")


@pytest.mark.parametrize("kind", [DataError, HubError, TokenizerError, CheckpointError])
def test_a_fault_in_a_file_is_no_matter_for_who_debugs_the_program(capsys, monkeypatch, kind):
    monkeypatch.delenv("SLM_DEBUG", raising=False)
    assert run(fail(kind("bad")), [], name="x") == 1
    assert capsys.readouterr().err == f"error: bad\nhint: {kind.default_hint}\n"
    assert kind.default_hint is not None


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


needs_posix_signals = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows cannot send these signals to a process"
)


@needs_posix_signals
@pytest.mark.usefixtures("heeds_hangup")
@pytest.mark.parametrize(
    ("number", "line"),
    [
        (signal.SIGINT, "interrupted"),
        (signal.SIGTERM, "interrupted by SIGTERM"),
        (getattr(signal, "SIGHUP", 1), "interrupted by SIGHUP"),
    ],
)
def test_a_signal_is_one_line(capsys, number, line):
    before = signal.getsignal(number)

    assert run(program(lambda: os.kill(os.getpid(), number)), [], name="x") == 128 + number
    assert capsys.readouterr().err == f"{line}\n"
    assert signal.getsignal(number) == before


@needs_posix_signals
def test_an_error_that_a_signal_has_caused_is_not_told(capsys):
    def action():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except BaseException:
            raise RuntimeError("a child has died") from None

    assert run(program(action), [], name="x") == 143
    assert capsys.readouterr().err == "interrupted by SIGTERM\n"


FULL = Path("/dev/full")


def full_disk():
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "there/file")


@pytest.mark.parametrize("wrapped", [None, HubError("x"), DataError("y"), RuntimeError("z")])
def test_a_full_disk_anywhere(capsys, monkeypatch, wrapped):
    monkeypatch.delenv("SLM_DEBUG", raising=False)

    def action():
        if wrapped is None:
            raise full_disk()
        raise wrapped from full_disk()

    assert run(program(action), [], name="x") == 4
    assert capsys.readouterr().err.startswith("error: no space left to write there/file")


def test_a_mistake_is_not_the_disk_s(capsys):
    def action():
        raise ConfigError("bad") from full_disk()

    assert run(program(action), [], name="x") == 2


@pytest.mark.skipif(not FULL.exists(), reason="this system has no full device")
def test_a_full_output(monkeypatch, capsys):
    with FULL.open("w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert run(program(lambda: print("story")), [], name="x") == 4
        assert "the output" in capsys.readouterr().err
        print("what comes later goes nowhere", flush=True)


def test_a_panic_of_a_library_in_rust(capsys, monkeypatch):
    monkeypatch.delenv("SLM_DEBUG", raising=False)
    panic = type("PanicException", (BaseException,), {})

    assert run(fail(panic("index out of bounds")), [], name="x") == 1
    assert "unexpected PanicException: index out of bounds" in capsys.readouterr().err


def test_other_ways_to_leave_are_left_alone():
    with pytest.raises(SystemExit):
        run(fail(SystemExit(7)), [], name="x")


@pytest.mark.parametrize("debug", ["", "1"])
@pytest.mark.parametrize(
    ("error", "code"), [(ConfigError("bad"), 2), (ValueError("odd"), 1), (KeyboardInterrupt(), 130)]
)
def test_nobody_reads_stderr(monkeypatch, debug, error, code):
    monkeypatch.setenv("SLM_DEBUG", debug)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        assert run(fail(error), [], name="x") == code
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)  # or closing it would fail


def test_what_may_not_be_read_is_no_fault_of_the_program(capsys):
    error = PermissionError(errno.EACCES, "Permission denied", "run/best/MANIFEST.json")
    assert run(fail(error), [], name="it") == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: cannot use run/best/MANIFEST.json: Permission denied",
        "hint: check the permissions of it and of the folders that contain it",
    ]
    assert run(fail(PermissionError("mine")), [], name="it") == 1
    assert "unexpected PermissionError: mine" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use stays there")
def test_a_folder_that_was_removed_under_the_program(capsys, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main(["train", "--preset", "tiny", "--source", "builtin", "--steps", "1"]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error == "error: the current folder no longer exists"
    assert hint == "hint: change to a folder that exists"
    monkeypatch.chdir(tmp_path)
    missing = FileNotFoundError(errno.ENOENT, "No such file or directory", "x")
    assert run(fail(missing), [], name="it") == 1
    assert "unexpected FileNotFoundError" in capsys.readouterr().err


class OutOfMemoryError(RuntimeError):
    """As PyTorch calls the one of a GPU."""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "an allocation failed"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 8 bytes"),
            "8 byt",
        ),
        (OutOfMemoryError("CUDA out of memory. Tried\nmore"), "CUDA out of memory. Tried"),
    ],
)
def test_too_little_memory_is_no_fault_of_the_program(capsys, error, reason):
    assert run(fail(error), [], name="it") == 1
    said, hint = capsys.readouterr().err.splitlines()
    assert said.startswith("error: out of memory: ")
    assert reason in said
    assert "batch_size" in hint
    assert run(fail(RuntimeError("shapes")), [], name="it") == 1
    assert "unexpected RuntimeError: shapes" in capsys.readouterr().err
