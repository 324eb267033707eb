"""`slm compare`: models side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from slm.api.comparison import DEFAULT_STORIES
from slm.cli.options import CHECKPOINT_HELP, Data, Device, Json, Source
from slm.cli.output import print_json, print_table
from slm.cli.suites import Suites, suite_names
from slm.quantities import duration
from slm.reporting.display import say

if TYPE_CHECKING:
    from slm.api.comparison import ComparedScore, Comparison, Difference
    from slm.evals.story_losses import Estimate

SIGNS = {"better": " better", "worse": " worse", "noise": " noise", "unknown": ""}


def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN RUN ...", help=CHECKPOINT_HELP)],
    source: Source = None,
    data: Data = None,
    stories: Annotated[
        int,
        typer.Option("--stories", metavar="N", help="Number of stories to score, drawn at random."),
    ] = DEFAULT_STORIES,
    suites: Suites = "",
    seed: Annotated[
        int, typer.Option("--seed", metavar="S", help="Seed of the stories, intervals and suites.")
    ] = 0,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Compare models side by side: settings that differ, losses with intervals, test suites.

    All models score the same stories: those that the runs were validated on, or the text of
    --source or --data. Each is compared with the first, and the result shows which differences may
    be noise. Models with different tokenizers are compared in bits per byte.
    """
    from slm.api.comparison import compare as compared

    found = compared(
        runs,
        source=source,
        data=data,
        stories=stories,
        suites=suite_names(suites),
        seed=seed,
        device=device or "auto",
    )
    if as_json:
        print_json(found.to_json())
        return
    _print(found)


def _print(found: Comparison) -> None:
    from slm.presets import as_toml

    models = found.models
    rows: list[tuple[str, ...]] = [("", *(model.name for model in models))]
    rows.append(("tokenizer", *(model.tokenizer for model in models)))
    rows.append(("parameters", *(f"{model.parameters:,}" for model in models)))
    if any(model.steps for model in models):
        rows.append(("steps", *(f"{model.steps:,}" if model.steps else "" for model in models)))
        rows.append(("tokens", *(f"{model.tokens:,}" if model.steps else "" for model in models)))
        rows.append(("time", *(duration(model.seconds) if model.steps else "" for model in models)))
    for name, values in found.settings:
        rows.append((name, *(as_toml(value) for value in values)))
    rows.append(("bits per byte", *(f"{model.bits_per_byte.value:.4f}" for model in models)))
    rows.append(("  95% interval", *(_interval(model.bits_per_byte) for model in models)))
    losses = [model.loss for model in models if model.loss is not None]
    if losses:
        rows.append(("loss per token", *(f"{loss.value:.4f}" for loss in losses)))
    previous = ""
    for score in found.suites:
        if score.suite != previous:
            rows.append((f"suite {score.suite}", *("" for _ in models)))
            previous = score.suite
        rows.append((f"  {score.name}", *_cells(score)))
    print_table(rows)
    print()
    for difference in found.differences:
        print(_sentence(difference))
    say(f"scored on {found.text}")
    say(
        "the intervals are for the choice of the stories; another seed of the training changes a "
        "result, too"
    )


def _interval(estimate: Estimate) -> str:
    return f"{estimate.low:.4f} to {estimate.high:.4f}"


def _cells(score: ComparedScore) -> list[str]:
    cells = []
    for each, verdict in zip(score.scores, ("unknown", *score.verdicts), strict=True):
        half = None if each is None else (each.high - each.low) / 2
        shown = "" if each is None else f"{each.value:.1f} ±{half:.1f}"
        cells.append(f"{shown}{SIGNS[verdict]}")
    return cells


def _sentence(found: Difference) -> str:
    figures = f"{found.value:+.4f} bits per byte ({found.low:+.4f} to {found.high:+.4f})"
    if found.verdict == "noise":
        both = f"{found.name} and {found.reference}"
        return f"{both}: the noise is larger than the difference, {figures}"
    if found.verdict == "unknown":
        return (
            f"{found.name} and {found.reference}: {found.value:+.4f} bits per byte; there are too "
            "few stories to know the noise"
        )
    return f"{found.name} is {found.verdict} than {found.reference}: {figures}"
