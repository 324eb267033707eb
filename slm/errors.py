"""The exceptions of `slm`.

    SlmError                     exit code 1
    ├── UsageError               2   an invalid command, flag or path
    │   └── ConfigError          2   an unknown setting or an invalid value
    ├── DataError                1   text or token files cannot be used
    │   └── HubError             1   a dataset could not be downloaded
    ├── TokenizerError           1   a tokenizer cannot be made, loaded or used
    ├── CheckpointError          1   a checkpoint is missing, damaged or of another format
    ├── TrainingError            1   training cannot continue, for example with a non-finite loss
    ├── EndpointError            1   a program elsewhere did not answer, or not as expected
    ├── DeviceError              2   this machine does not have the device or dtype
    ├── MissingExtraError        1   an optional dependency is not installed
    ├── WriteError               1   a file or folder cannot be written
    │   └── NoSpaceError         4   the disk is full
    ├── RunLockedError           3   another process writes to the same directory
    └── Interrupted              130, 143 or 129, after the work was saved

The message says what was found and what was expected; the hint says what to do next.
The command line prints both as `error:` and `hint:` lines and exits with `exit_code`.
"""

from __future__ import annotations

import difflib
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

LONGEST_MESSAGE = 1500
"""Maximum characters of a message; the middle of a longer one is left out."""


class SlmError(Exception):
    """Base class of all errors that a user can cause or fix.

    Args:
        message: what was found and what was expected, in one sentence.
        hint: what the user can do about it.
    """

    exit_code: int = 1
    default_hint: str | None = None
    """The hint of the command line for errors without one."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        # A message may contain names and values from files.
        if len(message) > LONGEST_MESSAGE:
            half = LONGEST_MESSAGE // 2
            message = f"{message[:half]}...{message[-half:]}"
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} (hint: {self.hint})" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Worker processes send errors by pickle, which would call __init__ with the message only.
        return _restored, (type(self), self.__dict__)


def _restored(kind: type[SlmError], attributes: dict[str, Any]) -> SlmError:
    error = kind.__new__(kind, attributes["message"])
    error.__dict__.update(attributes)
    return error


class UsageError(SlmError):
    """A command, flag or path is invalid."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting has an unknown name or an invalid value.

    Args:
        setting: the name of the setting, if the error is about a single one; the message then
            begins with the name and a colon.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, setting: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.setting = setting


class DataError(SlmError):
    """Text or token files cannot be used."""

    default_hint = "the file may be damaged, or of another type than its name says: replace it"


class HubError(DataError):
    """The Hugging Face Hub cannot be reached, or refuses or lacks what was asked for."""

    default_hint = "try again later, or use a file or a model on this machine"


class TokenizerError(SlmError):
    """A tokenizer cannot be made, loaded, or used with the given text or ids."""

    default_hint = "give the path of a saved tokenizer, or one to make, such as bpe:4096"


class CheckpointError(SlmError):
    """A checkpoint is missing, damaged or of another format."""

    default_hint = "use another checkpoint: a run keeps several in its folder checkpoints/"


class TrainingError(SlmError):
    """Training cannot continue."""


class EndpointError(SlmError):
    """A program elsewhere, which is asked over HTTP, did not answer, or not as expected.

    Args:
        status: the status of its answer; None: there was none, or its content is wrong.
    """

    def __init__(self, message: str, *, hint: str | None = None, status: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class DeviceError(SlmError):
    """This machine does not have the device or dtype."""

    exit_code = 2


class MissingExtraError(SlmError):
    """An optional dependency is not installed.

    Args:
        package: the missing distribution.
        extra: the extra of `slm` that contains it.
        purpose: the feature that needs it.
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
    """A file or folder cannot be written; its previous content is unchanged."""


class NoSpaceError(WriteError):
    """The disk is full; the previous content of the file is unchanged."""

    exit_code = 4


class Interrupted(SlmError):  # noqa: N818 - not an error
    """A signal stopped the program; the work so far is saved.

    Args:
        signal_number: 2 (SIGINT), 15 (SIGTERM) or 1 (SIGHUP).
    """

    def __init__(self, message: str, *, signal_number: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = 128 + signal_number


def causes(error: BaseException) -> Iterator[BaseException]:
    """An exception, the one that caused it, the cause of that one, and so on; each of them once."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def command_line(*words: object) -> str:
    """A command that can be pasted into a shell: special characters are quoted."""
    return " ".join(
        shell_path(word) if isinstance(word, Path) else _shell_word(str(word)) for word in words
    )


def shell_path(path: Path) -> str:
    """A path quoted for a shell; a leading dash is kept from looking like an option."""
    text = str(path)
    return _shell_word(f"./{text}" if text.startswith("-") else text)


def _shell_word(text: str) -> str:
    return subprocess.list2cmdline([text]) if sys.platform == "win32" else shlex.quote(text)


def install_command(extra: str, *packages: str) -> str:
    """The command that installs an extra of `slm` into this environment.

    In a checkout it installs the checkout's extra: an index may have another project of this name.
    Otherwise it names the packages themselves.
    """
    pip = (sys.executable or "python", "-m", "pip", "install")
    project = Path(__file__).resolve().parents[1]
    if (project / "pyproject.toml").is_file():
        return command_line(*pip, "-e", f"{project}[{extra}]")
    return command_line(*pip, *packages)


def did_you_mean(word: str, known: Iterable[str], *, prefix: str = "") -> str | None:
    """A sentence that names the known words nearest to a misspelled one, or None.

    Args:
        word: the misspelled word.
        known: all valid words.
        prefix: is put before each word in the sentence.
    """
    forms = {_plain(name): prefix + name for name in known}
    plain = _plain(word[:100])
    near = [form for form in forms if len(plain) > 2 and form.startswith(plain)][:3]
    near = near or difflib.get_close_matches(plain, forms, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(forms[form] for form in near)}?" if near else None


def _plain(word: str) -> str:
    return word.lower().replace("-", "_")


def shown(value: object, longest: int = 80) -> str:
    """A value formatted for a message: on one line, quoted if it is text, cut if it is long.

    The value may come from any file or command line, for example a number of a million digits.
    """
    if isinstance(value, str) and len(value) > longest:
        value = value[:longest]  # before escaping, which makes it longer
        text = repr(value) + "..."
    else:
        try:
            text = repr(value)
        except (ValueError, RecursionError):  # more digits, or more nesting, than Python shows
            text = f"a very long {type(value).__name__}"
    return text if len(text) <= longest else text[: longest - 3] + "..."


def escape_control_characters(text: str) -> str:
    """A text on one line, with control characters escaped, which file names may contain."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
