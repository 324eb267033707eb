"""The program `slm`: its commands, and the way from any error to two lines and an exit code.

Nothing here imports PyTorch; each command imports what it needs when it runs.
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

from slm.cli import bench
from slm.cli.evaluate import evaluate
from slm.cli.export import export
from slm.cli.generate import generate
from slm.cli.import_ import import_
from slm.cli.info import info
from slm.cli.inspect import inspect
from slm.cli.no_effect import Command
from slm.cli.output import one_line, prepare_streams, say
from slm.cli.prepare import prepare
from slm.cli.presets import presets
from slm.cli.push import push
from slm.cli.serve import serve
from slm.cli.train import train
from slm.cli.usage import as_usage_error
from slm.errors import Interrupted, SlmError, TrainingError, UsageError
from slm.hardware.resources import limit_libraries
from slm.parallel.processes import Process
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
"""How every program here looks and behaves."""

app = typer.Typer(name="slm", **PLAIN)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"slm {__version__}")
        raise typer.Exit


@app.callback(epilog="More about a command: slm COMMAND --help")
def _slm(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """A small language model from scratch: from raw text to told stories."""


_COMMANDS: tuple[tuple[str, Callable[..., None], str], ...] = (
    ("prepare", prepare, "From text to token files."),
    ("train", train, "Train a model, or go on with one."),
    ("generate", generate, "Continue prompts with a trained model."),
    ("serve", serve, "Serve a model over HTTP, in the form of OpenAI's API."),
    ("eval", evaluate, "Loss, perplexity and bits per byte on any text."),
    ("export", export, "A trained model for another program."),
    ("import", import_, "A model of another project as a checkpoint."),
    ("push", push, "A trained model to the Hugging Face hub."),
    ("info", info, "All about a run, a checkpoint, data, or this machine."),
    ("inspect", inspect, "What a model does inside while it reads a text."),
    ("presets", presets, "Presets, and all settings."),
)
for _name, _function, _short_help in _COMMANDS:
    app.command(_name, cls=Command, short_help=_short_help)(_function)
app.add_typer(bench.app, name="bench")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `slm` with arguments (None: those of the process) and return its exit code."""
    return run(app, arguments, name="slm")


def run(program: typer.Typer, arguments: Sequence[str] | None, *, name: str) -> int:
    """Run a program and return its exit code; errors become `error:` and `hint:` on stderr.

    Args:
        program: its commands.
        arguments: what follows its name; None: those of the process, which ends here if a signal
            says so while other threads are at work.
        name: what it is called in help texts.

    Commands find in their context's `obj` when they began, by `time.monotonic`.
    """
    prepare_streams()
    if arguments is None:  # the process is this program's own
        limit_libraries()
    command = typer.main.get_command(program)
    words = list(sys.argv[1:] if arguments is None else arguments)
    signals = EndOnSignal()
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
        code = _report(error if error.exit_code != 1 else find_no_space(error) or error, name)
    except Exception as error:
        known: SlmError | None = as_usage_error(error) or find_no_space(error)
        known = known or _as_place_error(error) or _as_memory_error(error)
        code = _report_unexpected(error) if known is None else _report(known, name)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of a library in Rust
            raise
        code = _report_unexpected(error)
    if code:
        _drop_output()
    # The interpreter would wait until compilers and encoders have done what nobody needs; and while
    # it shuts down, the threads of several processes' group may abort it.
    is_held_up = code > 128 and threading.active_count() > 1
    is_held_up = is_held_up or Process.from_environment_or_alone().world_size > 1
    if arguments is None and is_held_up:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    return code


def _drop_output() -> None:
    """Let go what stdout cannot take, or the interpreter would try to write it once more."""
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
    # What all processes of torchrun know alike, one of them says.
    known_to_all = isinstance(error, UsageError | Interrupted | TrainingError)
    if not known_to_all or Process.from_environment_or_alone().is_main:
        say(f"error: {one_line(error.message)}")
        # Where it happened in the program is no help with a fault in the user's own file.
        say(f"hint: {one_line(error.hint or error.default_hint or f'see: {name} --help')}")
    return error.exit_code


def _as_place_error(error: Exception) -> UsageError | None:
    """What is wrong with a file or folder of the user's, wherever it was met; None: nothing is."""
    if isinstance(error, PermissionError) and error.filename is not None:
        return UsageError(
            f"cannot use {error.filename}: {error.strerror}",
            hint="check who may read and write it, and the folders that it is in",
        )
    if isinstance(error, FileNotFoundError):
        try:
            Path.cwd()
        except FileNotFoundError:
            return UsageError(
                "the folder in which this was started is not there any more",
                hint="change to a folder that is there",
            )
    return None


def _as_memory_error(error: Exception) -> SlmError | None:
    """The error that there is too little memory, in which PyTorch says so in its own ways."""
    is_cpu = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    if not (isinstance(error, MemoryError) or is_cpu or type(error).__name__ == "OutOfMemoryError"):
        return None
    reason = (str(error).strip() or "no more can be had").splitlines()[0]
    return SlmError(
        f"the memory is used up: {reason}",
        hint="end other programs, or choose a smaller batch_size, block_size or model; a limit of "
        "the shell or container may be lower than the machine's memory",
    )


def _report_unexpected(error: BaseException) -> int:
    if os.environ.get(DEBUG_VARIABLE):
        say(traceback.format_exc().rstrip())
        return 1
    first_line = (str(error).strip() or "no message").splitlines()[0]
    say(f"error: unexpected {type(error).__name__}: {one_line(first_line)}")
    say(f"hint: this is a fault of the program; {DEBUG_VARIABLE}=1 shows where it happened")
    return 1
