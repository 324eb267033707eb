"""Turns the parser's errors into usage errors with suggestions."""

from __future__ import annotations

from typing import Any

from slm.errors import UsageError, did_you_mean, shown

LONGEST = 300
"""Maximum characters of a message, which may contain the user's input."""


def as_usage_error(error: Exception) -> UsageError | None:
    """A parser's exception as a usage error; None for other exceptions.

    The parser's exceptions are recognized by their methods, because their classes are private.
    """
    if not hasattr(error, "format_message"):
        return None
    context: Any = getattr(error, "ctx", None)
    if context is None:
        return UsageError(_sentence(error.format_message()), hint="see: slm --help")
    see_help = f"see: {context.command_path} --help"
    if hasattr(error, "possibilities"):
        word = str(getattr(error, "option_name", ""))
        return UsageError(
            f"{context.command_path} has no option {word if len(word) < LONGEST else shown(word)}",
            hint=_without_option(word, context)
            or did_you_mean(word, option_names(context.command))
            or see_help + _what_may_begin_with_a_dash(context.command),
        )
    message = _of_value(error) or _sentence(error.format_message())
    commands: dict[str, Any] = getattr(context.command, "commands", {})
    if commands:
        _, quote, rest = message.partition("'")
        word = rest.rpartition("'")[0] if quote else ""
        if message.startswith("no such command"):
            message = f"{context.command_path} has no command {word!r}"
        see_help = did_you_mean(word, commands) or f"commands: {', '.join(commands)}"
    elif message.startswith("got unexpected extra argument"):
        see_help = f"put quotes around a text or path that contains spaces; {see_help}"
    return UsageError(message, hint=see_help)


def _of_value(error: Exception) -> str | None:
    """A value that is not a number, which the parser's message does not name; None: all else."""
    parameter: Any = getattr(error, "param", None)
    problems: Any = getattr(error.__cause__, "errors", None)
    if parameter is None or problems is None:
        return None
    found = problems()[0]
    kind = {"float": "a number", "int": "an integer"}.get(found["type"].partition("_")[0])
    return kind and f"{parameter.opts[0]}: must be {kind}, found {shown(found['input'])}"


def _without_option(word: str, context: Any) -> str | None:
    """How to give what is an option of other commands and an argument of this one."""
    arguments = [each for each in context.command.params if each.param_type_name == "argument"]
    names = {f"--{each.name}" for each in arguments}
    takes_models = bool(names & {"--path", "--run", "--runs", "--checkpoint"})
    if word not in names and not (word == "--checkpoint" and takes_models):
        return None
    shown_as = " ".join(str(each.name).upper() for each in arguments if not each.hidden)
    return f"give it without {word}: {context.command_path} {shown_as}"


def _what_may_begin_with_a_dash(command: Any) -> str:
    """How to give an argument such as "-5 foxes", which looks like an option; may be empty."""
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    if not arguments:
        return ""
    return f"; a {arguments[0].name.upper()} that begins with - comes after --"


def option_names(command: Any) -> list[str]:
    """All flags of a command, such as `--top-k`."""
    flags = [
        flag
        for parameter in command.params
        if parameter.param_type_name == "option"
        for flag in (*parameter.opts, *parameter.secondary_opts)
    ]
    return [*flags, "--help"]


def _sentence(text: str) -> str:
    """A parser's message in our style: one line, lower-case first letter, no period."""
    line = " ".join(text.split()).rstrip(".")
    line = line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
    return line[:1].lower() + line[1:]
