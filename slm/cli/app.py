"""The program `slm`: its commands, its error messages and its exit codes.

This module does not import PyTorch; each command imports what it needs when it runs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from slm.cli import bench, data
from slm.cli.command import Command
from slm.cli.compare import compare
from slm.cli.evaluate import evaluate
from slm.cli.examples import epilog
from slm.cli.export import export
from slm.cli.generate import generate
from slm.cli.import_ import import_
from slm.cli.info import info
from slm.cli.inspect import inspect
from slm.cli.output import prepare_streams
from slm.cli.prepare import prepare
from slm.cli.presets import presets
from slm.cli.push import push
from slm.cli.report import report
from slm.cli.serve import serve
from slm.cli.train import train
from slm.cli.usage import as_usage_error
from slm.errors import Interrupted, SlmError, TrainingError, UsageError, escape_control_characters
from slm.hardware.resources import limit_libraries
from slm.parallel.processes import Process
from slm.reporting.display import say
from slm.storage.disk_space import find_no_space
from slm.terminal.signals import Ended, EndOnSignal
from slm.version import __version__

DEBUG_VARIABLE = "SLM_DEBUG"

PLAIN: dict[str, Any] = {
    "rich_markup_mode": None,
    "add_completion": False,
    "suggest_commands": False,  # slm.cli.usage does
    "context_settings": {"help_option_names": ["-h", "--help"], "max_content_width": 100},
}
"""Typer's options for both programs."""

app = typer.Typer(name="slm", **PLAIN)


def _print_version(requested: bool) -> None:
    if requested:
        print(f"slm {__version__}")
        raise typer.Exit


@app.callback(epilog=f"Options of a command: slm COMMAND --help\n\n{epilog('slm')}")
def _slm(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Train a small language model from scratch, and generate text with it."""


_COMMANDS: tuple[tuple[str, Callable[..., None], str], ...] = (
    ("prepare", prepare, "Tokenize text into token files."),
    ("train", train, "Train a model, or resume a run."),
    ("generate", generate, "Continue prompts with a trained model."),
    ("serve", serve, "Serve a model: a web page and OpenAI's API."),
    ("eval", evaluate, "Measure bits per byte on any text, or run test suites."),
    ("report", report, "Write a report of a run as one HTML file."),
    ("compare", compare, "Compare models side by side, with confidence intervals."),
    ("export", export, "Write a trained model for another program."),
    ("import", import_, "Convert a model of another program to a checkpoint."),
    ("push", push, "Upload a trained model to the Hugging Face Hub."),
    ("info", info, "Show a run, a checkpoint, data, or this machine."),
    ("inspect", inspect, "Show surprisal, attention and predictions for a text."),
    ("presets", presets, "List presets and settings."),
)
for _name, _function, _short_help in _COMMANDS:
    app.command(_name, cls=Command, short_help=_short_help, epilog=epilog(f"slm {_name}"))(
        _function
    )
app.add_typer(bench.app, name="bench")
app.add_typer(data.app, name="data")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `slm` with arguments (None: those of the process) and return its exit code."""
    return run(app, arguments, name="slm")


def run(program: typer.Typer, arguments: Sequence[str] | None, *, name: str) -> int:
    """Run a program and return its exit code; errors become `error:` and `hint:` on stderr.

    Args:
        program: its commands.
        arguments: the arguments after its name; None: those of the process, which then ends here
            after a signal if other threads are running.
        name: its name in help texts.

    The context's `obj` is the start time, from `time.monotonic`.
    """
    prepare_streams()
    if arguments is None:  # the process is this program's own
        limit_libraries()
    command = typer.main.get_command(program)
    words = list(sys.argv[1:] if arguments is None else arguments)
    signals = EndOnSignal()
    is_command = bool(words) and words[0] in getattr(command, "commands", {})
    of_command = f"{name} {words[0]}" if is_command else name
    code = 0
    began_at = time.monotonic()
    try:
        with signals, command.make_context(name, words, obj=began_at) as context:
            command.invoke(context)
            sys.stdout.flush()
    except typer.Exit as leave:
        code = leave.exit_code
    except (Ended, KeyboardInterrupt):
        code = _report_ended(signals.signal_number or signal.SIGINT)
    except BrokenPipeError:
        code = 1
    except SlmError as error:
        code = _report(error if error.exit_code != 1 else find_no_space(error) or error, of_command)
    except Exception as error:
        known: SlmError | None = as_usage_error(error) or find_no_space(error)
        known = known or _as_path_error(error) or _as_memory_error(error)
        code = _report_unexpected(error) if known is None else _report(known, of_command)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of a library in Rust
            raise
        code = _report_unexpected(error)
    if code:
        _drop_output()
    # The interpreter would wait for threads that compile or encode; and during its shutdown, the
    # threads of a process group may abort it.
    is_held_up = code > 128 and threading.active_count() > 1
    is_held_up = is_held_up or Process.from_environment_or_alone().world_size > 1
    if arguments is None and is_held_up:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    return code


def _drop_output() -> None:
    """Discard output that stdout cannot take, or the interpreter would try to write it again."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report_ended(number: int) -> int:
    if Process.from_environment_or_alone().is_main:
        by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
        say(f"interrupted{by}")
    return 128 + number


def _report(error: SlmError, name: str) -> int:
    if os.environ.get(DEBUG_VARIABLE):
        say(traceback.format_exc().rstrip())
    # Errors that occur in all processes of torchrun are reported by one of them.
    known_to_all = isinstance(error, UsageError | Interrupted | TrainingError)
    if not known_to_all or Process.from_environment_or_alone().is_main:
        say(f"error: {escape_control_characters(error.message)}")
        hint = error.hint or error.default_hint or f"see: {name} --help"
        say(f"hint: {escape_control_characters(hint)}")
    return error.exit_code


def _as_path_error(error: Exception) -> UsageError | None:
    """The error for a file or folder of the user that cannot be used; None: another error."""
    if isinstance(error, PermissionError) and error.filename is not None:
        return UsageError(
            f"cannot use {error.filename}: {error.strerror}",
            hint="check the permissions of it and of the folders that contain it",
        )
    if isinstance(error, FileNotFoundError):
        try:
            Path.cwd()
        except FileNotFoundError:
            return UsageError(
                "the current folder no longer exists",
                hint="change to a folder that exists",
            )
    return None


def _as_memory_error(error: Exception) -> SlmError | None:
    """The error for too little memory, which PyTorch reports in several ways; None: another one."""
    is_cpu = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    if not (isinstance(error, MemoryError) or is_cpu or type(error).__name__ == "OutOfMemoryError"):
        return None
    reason = (str(error).strip() or "an allocation failed").splitlines()[0]
    return SlmError(
        f"out of memory: {reason}",
        hint="close other programs, or choose a smaller batch_size, block_size or model; a limit "
        "of the shell or container may be lower than the machine's memory",
    )


def _report_unexpected(error: BaseException) -> int:
    if os.environ.get(DEBUG_VARIABLE):
        say(traceback.format_exc().rstrip())
        return 1
    first_line = (str(error).strip() or "no message").splitlines()[0]
    say(f"error: unexpected {type(error).__name__}: {escape_control_characters(first_line)}")
    say(f"hint: this is a bug in slm; please report it, with the output of {DEBUG_VARIABLE}=1")
    return 1
