"""`slm prepare`: from text to token files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from slm.api.data import DEFAULT_TOKENIZER, prepare_data
from slm.cli.no_effect import flags_given
from slm.cli.options import ForceReload, Json, Source, StoryLimit, Tokenizer, only_given
from slm.cli.output import print_json, print_table
from slm.config import DEFAULT_SOURCE
from slm.errors import command_line
from slm.quantities import counted, megabytes
from slm.reporting.display import say


def prepare(
    context: typer.Context,
    source: Source = DEFAULT_SOURCE,
    tokenizer: Tokenizer = DEFAULT_TOKENIZER,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="The data directory.  [a folder in ./data, which `slm train` finds]",
        ),
    ] = None,
    limit: StoryLimit = None,
    validation_fraction: Annotated[
        float,
        typer.Option(
            "--validation-fraction",
            metavar="F",
            help="Fraction of stories to hold out if the source has no validation split.",
        ),
    ] = 0.05,
    seed: Annotated[
        int,
        typer.Option(
            "--seed", metavar="N", help="Seed of the held-out selection and the built-in stories."
        ),
    ] = 0,
    force_reload: ForceReload = False,
    as_json: Json = False,
) -> None:
    """Read text, make or load a tokenizer, and write token files with checksums.

    If nothing has changed since the last time, the existing files are used.
    """
    started_at = time.perf_counter()
    flags = only_given(
        {
            "data.source": (source, "--source"),
            "data.tokenizer": (tokenizer, "--tokenizer"),
            "data.data_dir": (None if out is None else str(out), "--out"),
            "data.limit": (limit, "--limit"),
        }
    )
    held_out = {
        "validation_fraction": ("data.validation_fraction", validation_fraction),
        "seed": ("data.corpus_seed", seed),
    }
    for flag in flags_given(context, held_out):
        name, value = held_out[flag.removeprefix("--").replace("-", "_")]
        flags[name] = (value, flag)
    directory = prepare_data(flags, force_reload=force_reload, log=say)
    splits: dict[str, Any] = {
        name: {"stories": part.stories, "bytes": part.bytes, "tokens": part.tokens}
        for name, part in directory.meta.splits
    }
    seconds = time.perf_counter() - started_at
    if as_json:
        print_json(
            {
                "data": str(directory.path),
                "tokenizer": directory.meta.tokenizer.model_dump(),
                "splits": splits,
                "fingerprint": directory.fingerprint,
                "seconds": seconds,
            }
        )
        return
    print(f"{directory.path}  (tokenizer {directory.meta.tokenizer.name})")
    print_table(
        (
            (
                name,
                counted(part["stories"], "story"),
                megabytes(part["bytes"]),
                counted(part["tokens"], "token"),
            )
            for name, part in splits.items()
        ),
        indent="  ",
    )
    command = command_line("slm", "train", "--data", directory.path)
    say(f"ready after {seconds:.1f} s; train on it with: {command}")
