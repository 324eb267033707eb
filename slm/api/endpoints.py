"""Measuring the model of a server, and asking one as a judge: `slm eval --endpoint, --judge`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slm.api.data import text_to_score
from slm.config import DataConfig
from slm.log import Log
from slm.reporting.display import stage_progress

if TYPE_CHECKING:
    from slm.evals import EvalResult
    from slm.evals.endpoint import Endpoint
    from slm.evals.judge import JudgeResult
    from slm.evals.suite import SuiteResult


@dataclass(frozen=True)
class EndpointScore:
    """An evaluation of the model of a server."""

    result: EvalResult
    endpoint: str
    """Its address."""
    model: str
    split: str


@contextlib.contextmanager
def opened(address: str, *, model: str | None) -> Iterator[Endpoint]:
    """A server, with the key of the environment, which may come from a file with a line break.

    Raises:
        UsageError: it is not an address, or HTTP cannot send the key.
    """
    from slm.evals.endpoint import KEY_VARIABLE, Endpoint

    key = os.environ.get(KEY_VARIABLE, "").strip() or None
    with Endpoint(address, model=model, key=key) as endpoint:
        yield endpoint


def score_endpoint(
    address: str,
    source: str | Path,
    split: str | None,
    *,
    model: str | None,
    end_of_text: str | None,
    report: Callable[[float | None, int], None],
    log: Log,
) -> EndpointScore:
    """Score a text with the model of a server.

    Args:
        address: of the server, such as `http://127.0.0.1:8000`.
        source, split: see `slm.evaluate`.
        model: its name; None: the only one there.
        end_of_text: the end-of-text token as text; None: the server says which one it is.
        report: called with None and the tokens scored.
        log: called with each note.

    Raises:
        UsageError: it is not an address.
        EndpointError: the server does not answer as expected.
        DataError: the text cannot be read.
    """
    from slm.evals.endpoint_loss import evaluate_endpoint

    with opened(address, model=model) as endpoint:
        name = endpoint.model  # before the text is read
        parts, scored = text_to_score(str(source), split, DataConfig(), log)
        result = evaluate_endpoint(
            endpoint,
            parts,
            end_of_text=end_of_text,
            on_progress=lambda tokens: report(None, tokens),
            log=log,
        )
    return EndpointScore(result, endpoint.address, name, scored)


def judge_stories(endpoint: Endpoint, result: SuiteResult) -> JudgeResult:
    """Let the model of a server grade the stories of a result, with progress.

    Args:
        endpoint: the judge.
        result: of the suite `stories`.

    Raises:
        EndpointError: the server does not answer as expected.
    """
    from slm.evals import judge

    stories = [judge.Judged(each["prompt"], each["text"]) for each in result.details["stories"]]
    with stage_progress() as report:
        return judge.judge_stories(
            endpoint,
            stories,
            seed=result.seed,
            on_progress=lambda share, done: report("judging", share, done, "stories"),
        )
