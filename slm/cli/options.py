"""Options that several commands have, and their conversion to settings."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slm.cli.no_effect import note_old_names
from slm.errors import ConfigError, UsageError
from slm.presets import Flags

if TYPE_CHECKING:
    from slm.generation.options import GenerationOptions

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]

CHECKPOINT_HELP = "A run directory, a checkpoint in it, hf:owner/name, or builtin."

Checkpoint = Annotated[
    Path | None,
    typer.Option("--checkpoint", metavar="PATH", help=f"{CHECKPOINT_HELP}  [builtin]"),
]

Device = Annotated[
    str | None,
    typer.Option("--device", metavar="D", help="auto, cpu, cuda, cuda:N or mps.  [auto]"),
]


WeightDtype = Annotated[
    str,
    typer.Option(
        "--dtype",
        metavar="DTYPE",
        help="Dtype of the weights: float32, bfloat16, float16, int8, or auto.",
    ),
]

Preset = Annotated[
    str | None, typer.Option("--preset", metavar="NAME", help="One of `slm presets`.")
]

Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="SRC",
        help="builtin, builtin:easy, a Hugging Face dataset, a .txt, .md, .jsonl, .json, .csv, "
        ".tsv, .parquet or .arrow file (text also as .gz, .bz2, .xz, .zst or .zip), "
        "or a folder of such files",
    ),
]

Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="A directory made by `slm prepare`."),
]

StoryLimit = Annotated[
    int | None,
    typer.Option(
        "--limit", metavar="STORIES", help="Use only this many stories of the training text."
    ),
]

ForceReload = Annotated[bool, typer.Option("--force-reload", help="Download and tokenize again.")]

Tokenizer = Annotated[
    str | None,
    typer.Option(
        "--tokenizer",
        metavar="TOK",
        help="gpt2-8k, gpt2, bpe:4096, bytes, chars, or a saved tokenizer's path.",
    ),
]

Steps = Annotated[
    int | None,
    typer.Option(
        "--steps", metavar="N", help="Length of the run in optimizer steps.  [the preset's]"
    ),
]

Minutes = Annotated[
    float | None,
    typer.Option(
        "--minutes", metavar="M", help="Time budget of the run in minutes.  [the preset's]"
    ),
]

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any setting of `slm presets --settings`; more KEY=VALUE may follow.",
    ),
]

MoreSettings = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", hidden=True)]


def typed_text(word: str) -> str:
    """A text argument, decoded as UTF-8 even if the locale is ASCII.

    There, Python represents other characters as escaped bytes: right for a path, not for a prompt.

    Raises:
        UsageError: its bytes are not valid UTF-8.
    """
    if not any("\udc80" <= character <= "\udcff" for character in word):
        return word
    try:
        return os.fsencode(word).decode("utf-8")
    except UnicodeError:
        raise UsageError(
            f"the text {os.fsencode(word)!r} is not valid UTF-8", hint="give the text in UTF-8"
        ) from None


def generation_options(**values: Any) -> GenerationOptions:
    """Options of sampling from those of a command with the same names.

    Raises:
        ConfigError: a value is out of range; the message begins with the option.
    """
    from slm.generation.options import GenerationOptions

    try:
        return GenerationOptions(**values)
    except ConfigError as error:  # which begins with the name
        name, _, problem = error.message.partition(" ")
        raise ConfigError(f"--{name.replace('_', '-')} {problem}", hint=error.hint) from None


_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}


def unescaped(text: str) -> str:
    """A text with its escapes replaced, which few shells do; other backslashes are kept."""
    return re.sub(r"\\([nrt\\])", lambda found: _ESCAPES[found[1]], text)


def only_given(flags: Flags) -> Flags:
    """The flags that have a value; settings to (value, name of the flag)."""
    return {name: (value, flag) for name, (value, flag) in flags.items() if value is not None}


def assignments(settings: list[str] | None, more: list[str] | None) -> list[str]:
    """All `key=value` of `--set a=1 b=2 --set c=3`.

    Raises:
        UsageError: a word does not belong to a `--set`.
    """
    for word in more or []:
        if not settings or "=" not in word:
            raise UsageError(
                f"unexpected word {word!r}",
                hint="settings are given as --set KEY=VALUE, without spaces around the =",
            )
    words = [_typed(word) for word in (*(settings or []), *(more or []))]
    note_old_names(words)
    return words


def _typed(assignment: str) -> str:
    """An assignment whose text is decoded as UTF-8; a path is kept in Python's form."""
    name = assignment.partition("=")[0].strip().rpartition(".")[2]
    return typed_text(assignment) if name == "sample_prompts" else assignment
