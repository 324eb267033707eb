"""Every error that `slm` raises on purpose, as one tree.

    SlmError                     exit code 1
    ├── UsageError               2   a command, flag or path that cannot be right
    │   └── ConfigError          2   a setting with an unknown name or a bad value
    ├── DataError                1   text or token files that cannot be used
    │   └── HubError             1   a data set that could not be fetched
    ├── TokenizerError           1
    ├── CheckpointError          1
    ├── TrainingError            1   training cannot go on (a loss that is not finite, ...)
    ├── DeviceError              2   a device or number format that this machine does not have
    ├── MissingExtraError        1   an optional dependency is not installed
    ├── WriteError               1   a file or folder that cannot be written
    │   └── NoSpaceError         4   the disk is full
    ├── RunLockedError           3   another process writes to the same directory
    └── Interrupted              130, 143 or 129, after the work was saved

The message names the thing, what was found and what was expected; the hint says what to do next.
The command line prints both as `error:` and `hint:` lines and exits with `exit_code`.
"""

from __future__ import annotations

import difflib
import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

LONGEST_MESSAGE = 1500
"""Characters of a message; of what is longer the middle is left out."""


class SlmError(Exception):
    """The root of all errors that a user can cause or mend.

    Args:
        message: what was found and what was expected, in one sentence.
        hint: what the user can do about it.
    """

    exit_code: int = 1
    default_hint: str | None = None
    """What the command line prints for an error that brings no hint of its own."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        # Names and values in it may come from any file.
        if len(message) > LONGEST_MESSAGE:
            half = LONGEST_MESSAGE // 2
            message = f"{message[:half]}...{message[-half:]}"
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} (hint: {self.hint})" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Worker processes send their errors by pickle, which would call __init__ with the message
        # alone.
        return _restored, (type(self), self.__dict__)


def _restored(kind: type[SlmError], attributes: dict[str, Any]) -> SlmError:
    error = kind.__new__(kind, attributes["message"])
    error.__dict__.update(attributes)
    return error


class UsageError(SlmError):
    """A command, flag or path that cannot be right."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting with an unknown name or an impossible value.

    Args:
        setting: the name of the one setting whose value is impossible, where it is one; the
            message then begins with it and a colon.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, setting: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.setting = setting


class DataError(SlmError):
    """Text or token files that cannot be used."""

    default_hint = "is the file whole, and of the kind that its name says? Fetch or make it again"


class HubError(DataError):
    """A data set that could not be fetched from the hub."""


class TokenizerError(SlmError):
    """A tokenizer that cannot be made, loaded, or used with what it was given."""

    default_hint = "give the path of a tokenizer that is whole, or one to make, such as bpe:4096"


class CheckpointError(SlmError):
    """A checkpoint that is missing, damaged, or of another format."""

    default_hint = (
        "give a checkpoint that is whole: a run keeps several, in its folder checkpoints/"
    )


class TrainingError(SlmError):
    """Training cannot go on."""


class DeviceError(SlmError):
    """A device or number format that this machine does not have."""

    exit_code = 2


class MissingExtraError(SlmError):
    """An optional dependency is not installed.

    Args:
        package: the distribution that is missing.
        extra: the extra of `slm` that brings it.
        purpose: what it is needed for.
    """

    def __init__(self, package: str, *, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package}, which is not installed",
            hint=f"install it with: {install_command(extra, package)}",
        )


class RunLockedError(SlmError):
    """Another process writes to the same directory."""

    exit_code = 3


class WriteError(SlmError):
    """A file or folder that cannot be written; what was there before is untouched."""


class NoSpaceError(WriteError):
    """The disk is full; what was there before is untouched."""

    exit_code = 4


class Interrupted(SlmError):  # noqa: N818 - not an error of anybody's
    """The user or the system asked us to stop; the work up to here is saved.

    Args:
        signal_number: 2 (SIGINT), 15 (SIGTERM) or 1 (SIGHUP).
    """

    def __init__(self, message: str, *, signal_number: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = 128 + signal_number


def command_line(*words: object) -> str:
    """A command that can be pasted into a shell as it is: words with blanks or signs are quoted."""
    return " ".join(
        shell_path(word) if isinstance(word, Path) else _shell_word(str(word)) for word in words
    )


def shell_path(path: Path) -> str:
    """A path as a shell takes it; a leading dash would be taken for an option."""
    text = str(path)
    return _shell_word(f"./{text}" if text.startswith("-") else text)


def _shell_word(text: str) -> str:
    return subprocess.list2cmdline([text]) if sys.platform == "win32" else shlex.quote(text)


def install_command(extra: str, *packages: str) -> str:
    """The command that installs an extra of `slm` into this environment.

    Only the project's own folder surely holds this project: an index may have another one of its
    name. Without that folder the command names the packages themselves.
    """
    pip = (sys.executable or "python", "-m", "pip", "install")
    project = Path(__file__).resolve().parents[1]
    if (project / "pyproject.toml").is_file():
        return command_line(*pip, "-e", f"{project}[{extra}]")
    return command_line(*pip, *packages)


def did_you_mean(word: str, known: Iterable[str], *, prefix: str = "") -> str | None:
    """A sentence naming the known words nearest to a mistyped one, or None.

    Args:
        word: as it was typed.
        known: what it can be.
        prefix: what comes before each of them in the sentence.
    """
    forms = {_plain(name): prefix + name for name in known}
    plain = _plain(word[:100])
    near = [form for form in forms if len(plain) > 2 and form.startswith(plain)][:3]
    near = near or difflib.get_close_matches(plain, forms, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(forms[form] for form in near)}?" if near else None


def _plain(word: str) -> str:
    return word.lower().replace("-", "_")


def shown(value: object, longest: int = 80) -> str:
    """A value as a message shows it: on one line, quoted if it is text, and cut where it is long.

    It may be anything that a file or a command line can hold, as a number of a million digits.
    """
    if isinstance(value, str) and len(value) > longest:
        value = value[:longest]  # its escapes may be long; what is cut is seen below
        text = repr(value) + "..."
    else:
        try:
            text = repr(value)
        except (ValueError, RecursionError):  # more digits, or more nesting, than Python shows
            text = f"a {type(value).__name__} too long to show"
    return text if len(text) <= longest else text[: longest - 3] + "..."
