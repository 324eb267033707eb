"""Mistakes in a command line, said in our words and with a suggestion."""

from __future__ import annotations

from typing import Any

from slm.errors import UsageError, did_you_mean, shown

LONGEST = 300
"""Characters of a message, which may repeat what was typed."""


def as_usage_error(error: Exception) -> UsageError | None:
    """What the parser found wrong, as our error; None where it is no error of the parser.

    The parser's exceptions are known by their methods and not by their classes, which are private.
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
            hint=did_you_mean(word, option_names(context.command))
            or see_help + _what_may_begin_with_a_dash(context.command),
        )
    message = _sentence(error.format_message())
    commands: dict[str, Any] = getattr(context.command, "commands", {})
    if commands:
        _, quote, rest = message.partition("'")
        word = rest.rpartition("'")[0] if quote else ""
        if message.startswith("no such command"):
            message = f"{context.command_path} has no command {word!r}"
        see_help = did_you_mean(word, commands) or f"commands: {', '.join(commands)}"
    elif message.startswith("got unexpected extra argument"):
        see_help = f"put quotes around a text or path that has blanks in it; {see_help}"
    return UsageError(message, hint=see_help)


def _what_may_begin_with_a_dash(command: Any) -> str:
    """How to give a text such as "-5 foxes", which looks like an option; none without a text."""
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    if not arguments:
        return ""
    return f"; a {arguments[0].name.upper()} that begins with - comes after --"


def option_names(command: Any) -> list[str]:
    """All flags of a command, as `--top-k`."""
    flags = [
        flag
        for parameter in command.params
        if parameter.param_type_name == "option"
        for flag in (*parameter.opts, *parameter.secondary_opts)
    ]
    return [*flags, "--help"]


def _sentence(text: str) -> str:
    """A message of the parser in the style of ours: one line, small first letter, no full stop."""
    line = " ".join(text.split()).rstrip(".")
    line = line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
    return line[:1].lower() + line[1:]
