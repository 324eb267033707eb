"""The option `--suites` of the commands that show results of test suites."""

from __future__ import annotations

from typing import Annotated

import typer

from slm.api.suites import SUITES

Suites = Annotated[
    str,
    typer.Option(
        "--suites",
        metavar="NAMES",
        help=f"Test suites to run if their results are not saved: {', '.join(SUITES)}.",
    ),
]


def suite_names(text: str) -> list[str]:
    """The names in the value of `--suites`, which commas separate."""
    return [name.strip() for name in text.split(",") if name.strip()]
