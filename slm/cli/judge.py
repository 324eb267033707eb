"""The option `--judge` of `slm eval`: what it costs, whether to begin, and the grades."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from slm.errors import UsageError
from slm.reporting.display import say

if TYPE_CHECKING:
    from slm.evals.endpoint import Endpoint
    from slm.evals.judge import JudgeResult
    from slm.evals.suite import SuiteResult


@contextlib.contextmanager
def judge_to_ask(
    judge: tuple[str, str | None, bool] | None, limit: int | None
) -> Iterator[Endpoint | None]:
    """The judge, after the user has seen the cost and agreed; None: there is none.

    Args:
        judge: its address, the name of its model, and whether the user has agreed already.
        limit: samples of each prompt; None: the suite's default.

    Raises:
        UsageError: it is not an address, or nobody can be asked.
        EndpointError: the server does not answer.
        Exit: the user does not agree.
    """
    if judge is None:
        yield None
        return
    from slm.api.endpoints import opened
    from slm.evals.stories.suite import StoriesSuite

    address, model, agreed = judge
    cost = StoriesSuite(limit=limit).judging_cost()
    with opened(address, model=model) as endpoint:
        say(f"judge: {endpoint.model} at {endpoint.address}: {cost}")
        if not agreed:
            _ask()
        yield endpoint


def _ask() -> None:
    if not sys.stdin.isatty():
        raise UsageError(
            "the judge needs a confirmation, and there is no terminal to ask on", hint="add --yes"
        )
    say("begin? [y/N]")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        say("nothing was done")
        raise typer.Exit(1)


def grades(endpoint: Endpoint, result: SuiteResult) -> JudgeResult:
    """The grades of the stories in a result of the suite `stories`."""
    from slm.api.endpoints import judge_stories

    return judge_stories(endpoint, result)
