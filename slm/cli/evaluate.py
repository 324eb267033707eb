"""`slm eval`: loss, perplexity and bits per byte of a text."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from slm.api.data import Scored, refuse_contradictions, score
from slm.api.language_model import LanguageModel
from slm.api.loading import load
from slm.cli.options import Checkpoint, Device, Json, Source
from slm.cli.output import print_json, print_table
from slm.reporting.display import say, scoring_progress


def evaluate(
    checkpoint: Checkpoint = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="A directory made by `slm prepare`."),
    ] = None,
    source: Source = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="SPLIT",
            help="train, validation or all.  [validation; for a single file: all]",
        ),
    ] = None,
    device: Device = None,
    dtype: Annotated[
        str,
        typer.Option(
            "--dtype",
            metavar="DTYPE",
            help="float32, bfloat16, float16, int8 (that of `slm generate`), or auto.",
        ),
    ] = "float32",
    as_json: Json = False,
) -> None:
    """Measure loss, perplexity and bits per byte on prepared data or on any text.

    Every token of every story is scored once, including the end-of-text token, with the start of
    the story as context. A single file is scored as a whole.
    """
    refuse_contradictions(data, source, split, dashes="--")
    lm = load(checkpoint, device=device or "auto", dtype=dtype)
    started_at = time.perf_counter()
    with scoring_progress() as report:
        scored = score(lm, data, source, split, dtype=dtype, report=report, log=say)
    seconds = time.perf_counter() - started_at
    _print_result(scored, lm, str(data or source), seconds, as_json=as_json)


def _print_result(
    scored: Scored, lm: LanguageModel, text: str, seconds: float, *, as_json: bool
) -> None:
    result = scored.result
    if as_json:
        print_json(
            {
                **result.to_json(),
                "checkpoint": str(lm.path),
                "text": text,
                "split": scored.split,
                "step": lm.state.step,
                "dtype": scored.dtype,
                "seconds": seconds,
            }
        )
        return
    print_table(
        [
            ("loss", f"{result.loss:.4f} nats per token"),
            ("perplexity", f"{result.perplexity:.3f}"),
            ("bits per byte", f"{result.bits_per_byte:.4f}"),
            ("tokens", f"{result.tokens:,}"),
            ("bytes", f"{result.bytes:,}"),
            ("stories", f"{result.stories:,}"),
        ]
    )
    say(f"{lm.path}, step {lm.state.step:,}, in {seconds:.1f} s")
