"""Words of a command line that cannot take effect: none of them is passed over in silence.

A flag that belongs to another mode of its command is refused. One that is merely left without work,
as a command line is easily kept while one flag is added to it, is named in a note.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import typer

from slm.cli.settings_help import as_toml
from slm.config import RunConfig
from slm.errors import UsageError
from slm.parallel.processes import Process
from slm.presets import current_name, parse_assignment
from slm.reporting.display import say
from slm.runs.settings import idle_settings, no_effect


def given(context: typer.Context, names: Iterable[str]) -> list[str]:
    """Those flags of a command, named by their parameters, that are on the command line."""
    flags = {parameter.name: parameter.opts[-1] for parameter in context.command.params}
    found = []
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            found.append(str(flags[name]))
    return found


def refuse_idle(context: typer.Context, names: Iterable[str], reason: str) -> None:
    """Refuse flags that can have no effect, where they are given.

    Args:
        context: of the command.
        names: parameters of the command.
        reason: why they have none.

    Raises:
        UsageError: one is given.
    """
    for flag in given(context, names):
        raise UsageError(f"{flag} has no effect: {reason}", hint=f"leave out {flag}")


def note_idle(context: typer.Context, names: Iterable[str], reason: str) -> None:
    """Say of flags that they have no effect, where they are given; see `refuse_idle`."""
    say_idle(given(context, names), reason)


def say_idle(words: Iterable[str], reason: str) -> None:
    """Say of words on the command line that they have no effect."""
    words = list(words)
    if words:
        note(no_effect(words, reason))


def note(sentence: str) -> None:
    """Say something that a user should know, in the main process only."""
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
    """Say which words on the command line have no effect because of other settings."""
    for word, reason in idle_settings(settings, words):
        say_idle([word], reason)
