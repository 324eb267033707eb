"""`slm report`: a run as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from slm.api.reports import report as write
from slm.cli.options import CHECKPOINT_HELP, Device, Json
from slm.cli.output import print_json
from slm.cli.suites import Suites, suite_names


def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help=CHECKPOINT_HELP)],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The HTML file.  [RUN/report.html]"),
    ] = None,
    suites: Suites = "",
    seed: Annotated[
        int, typer.Option("--seed", metavar="S", help="Seed of the stories and the suites.")
    ] = 0,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Write a report of a run: one HTML file that needs no network, to read, print or send.

    It shows the model and its text, plan and result, the curves, test suites, ten complete stories,
    the cost, and the commands to repeat the run. For a model without a run, such as an imported
    one, it shows only what is known.
    """
    path, contents = write(run, out, suites=suite_names(suites), seed=seed, device=device or "auto")
    if as_json:
        print_json({"report": str(path), **contents.to_json()})
    else:
        print(path)
