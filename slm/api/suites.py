"""Test suites on a model: `lm.evaluate(suite=...)` and `slm eval --suite`."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from slm.api.texts import documents_of
from slm.config.run_files import BEST, STEP_FOLDERS
from slm.errors import (
    UsageError,
    WriteError,
    did_you_mean,
)
from slm.log import Log, silent

if TYPE_CHECKING:
    from slm.api.language_model import LanguageModel
    from slm.evals.suite import Request, Suite, SuiteResult
    from slm.generation import Completion, GenerationOptions

SUITES = ("stories", "facts", "blimp")
"""The names of `--suite`."""


class ModelSubject:
    """A model of ours as a suite sees it; see `slm.evals.suite.Subject`."""

    def __init__(self, lm: LanguageModel) -> None:
        self._lm = lm

    @property
    def name(self) -> str:
        return str(self._lm.path)

    def log_likelihoods(
        self, requests: Sequence[Request], *, on_progress: Callable[[float, int], None]
    ) -> list[float]:
        from slm.evals.likelihood import log_likelihoods

        return log_likelihoods(
            self._lm.model, self._lm.tokenizer, requests, on_progress=on_progress
        )

    def tokens_cut(self, requests: Sequence[Request]) -> list[int]:
        texts = [request.context + request.continuation for request in requests]
        room = self._lm.config.block_size  # the last token is only predicted, another begins it
        return [max(0, len(ids) - room) for ids in self._lm.tokenizer.encode_batch(texts)]

    def complete(self, prompts: Sequence[str], options: GenerationOptions) -> list[Completion]:
        return self._lm.generator.complete(prompts, options)

    def training_text(self) -> Iterator[str] | None:
        """The documents of the run's training split."""
        return documents_of(self._lm, "train")


def _documents_of(source: str, log: Log) -> Iterator[str]:
    from slm.data.documents import whole_stories
    from slm.data.sources import open_source

    text = open_source(source, log=log)
    return whole_stories(itertools.chain(text.parts("train"), text.parts("validation")))


def kept_results(lm: LanguageModel) -> dict[str, SuiteResult]:
    """The saved results of suites on these weights, by name."""
    from slm.reporting.suite_file import read_suites

    place = _place_of_results(lm)
    return {} if place is None else read_suites(*place)


def keep_result(lm: LanguageModel, result: SuiteResult, *, log: Log) -> None:
    """Save the result of a suite in the run of a best model, or in the folder of a model.

    Other checkpoints of a run have no place for results, and neither has the built-in model: its
    folder belongs to the installation.
    """
    from slm.reporting.suite_file import keep_suite

    place = _place_of_results(lm)
    if place is None:
        return
    try:
        keep_suite(*place, result)
    except WriteError as error:
        log(f"note: the result of {result.suite} is not kept: {error.message}")


def _place_of_results(lm: LanguageModel) -> tuple[Path, str] | None:
    """The folder for results and the SHA-256 of the weights."""
    from slm.checkpoint.builtin import is_builtin

    path, weights = lm.path.resolve(), lm.weights_sha256
    if weights is None or is_builtin(path):  # None: a model file
        return None
    if path.name == BEST:
        return path.parent, weights
    return None if path.parent.name in STEP_FOLDERS else (path, weights)


def names_of(suites: str | Sequence[str]) -> Sequence[str]:
    """The names of suites; a text is a single one."""
    return [suites] if isinstance(suites, str) else suites


def refuse_unknown(suites: str | Sequence[str]) -> Sequence[str]:
    """The names of suites, before any of them runs.

    Raises:
        UsageError: there is no such suite, or it needs a source.
    """
    names = names_of(suites)
    for name in names:
        suite_named(name, source=None, limit=None, log=silent)
    return names


def suite_named(
    name: str,
    *,
    source: str | Path | None,
    limit: int | None,
    log: Log,
    one_run: bool = False,
) -> Suite:
    """The suite of a name.

    Args:
        name: one of `SUITES`.
        source: what it reads, instead of what it reads by default.
        limit: how much of it: see the suite.
        log: called with sentences for the user.
        one_run: all models that it tests come from one run, so they have the same training text.

    Raises:
        UsageError: there is no such suite, or it reads nothing.
        ConfigError: the limit is out of range.
    """
    if name == "stories":
        from slm.evals.stories.suite import StoriesSuite

        text = None if source is None else functools.partial(_documents_of, str(source), log)
        return StoriesSuite(text, limit=limit, reads_once=one_run, log=log)
    if name == "blimp":
        from slm.evals.blimp import BlimpSuite

        return BlimpSuite(source, limit=limit, log=log)
    if name == "facts":
        if source is not None:
            raise UsageError(
                "the suite facts reads no source",
                hint="its stories are those of the built-in world",
            )
        from slm.evals.facts import FactsSuite

        return FactsSuite(limit=limit, log=log)
    raise UsageError(
        f"unknown suite {name!r}", hint=did_you_mean(name, SUITES) or f"use {', '.join(SUITES)}"
    )
