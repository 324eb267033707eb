"""Reports flags and settings without effect; none is ignored silently.

A flag that belongs to another mode of its command is rejected. A flag that has no effect because of
another one is reported in a note.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import typer

from slm.config import RunConfig
from slm.errors import UsageError
from slm.parallel.processes import Process
from slm.presets import as_toml, current_name, parse_assignment
from slm.reporting.display import say
from slm.runs.idle_settings import idle_settings, no_effect


def flags_given(context: typer.Context, names: Iterable[str]) -> list[str]:
    """The flags of these parameters on the command line."""
    flags = {parameter.name: parameter.opts[-1] for parameter in context.command.params}
    found = []
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            found.append(str(flags[name]))
    return found


def refuse_idle(context: typer.Context, names: Iterable[str], reason: str) -> None:
    """Reject flags that have no effect.

    Args:
        context: the command's context.
        names: parameters of the command.
        reason: why they have no effect.

    Raises:
        UsageError: one of them is on the command line.
    """
    for flag in flags_given(context, names):
        raise UsageError(f"{flag} has no effect: {reason}", hint=f"leave out {flag}")


def note_idle(context: typer.Context, names: Iterable[str], reason: str) -> None:
    """Report flags on the command line that have no effect; see `refuse_idle`."""
    say_idle(flags_given(context, names), reason)


def say_idle(words: Iterable[str], reason: str) -> None:
    """Report arguments on the command line that have no effect."""
    words = list(words)
    if words:
        note(no_effect(words, reason))


def note(sentence: str) -> None:
    """Print a note for the user, in the main process only."""
    if Process.from_environment_or_alone().is_main:
        say(f"note: {sentence}")


def note_old_names(assignments: Iterable[str]) -> None:
    """Print the current names of settings that are given as `key=value` by an old name."""
    for text in assignments:
        name = text.partition("=")[0].strip()
        now = current_name(name)
        if now is not None:
            key, value = now.rpartition(".")[2], parse_assignment(text)[1]
            note(f"{name} is now called {key}: use --set {key}={as_toml(value)}")


def note_idle_settings(settings: RunConfig, words: Mapping[str, str]) -> None:
    """Report arguments on the command line that have no effect because of other settings."""
    for word, reason in idle_settings(settings, words):
        say_idle([word], reason)
