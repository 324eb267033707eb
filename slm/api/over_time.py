"""A run over time: test suites on every checkpoint that it has kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from slm.api.data import text_to_score
from slm.api.loading import load
from slm.api.suites import SUITES, ModelSubject, names_of, suite_named
from slm.api.texts import documents_of, sample_of
from slm.checkpoint.ladder import kept_checkpoints
from slm.checkpoint.manifest import Manifest
from slm.checkpoint.store import MODEL_NAME
from slm.config.run_files import OVER_TIME_FILE, OVER_TIME_PLOT
from slm.config.run_paths import run_of
from slm.data.documents import whole_stories
from slm.data.file_source import existing_path, size_and_digest
from slm.data.sources import is_builtin
from slm.errors import CheckpointError, ConfigError, SlmError, UsageError, did_you_mean
from slm.log import Log, without_repeats
from slm.quantities import counted
from slm.reporting.display import Stages, say, stage_progress
from slm.reporting.over_time import (
    LOSS,
    OverTime,
    ScoredCheckpoint,
    read_over_time,
    write_over_time,
)

if TYPE_CHECKING:
    from slm.api.language_model import LanguageModel
    from slm.evals.suite import Suite, SuiteResult

TESTS = (LOSS, *SUITES)
DEFAULT_TESTS = (LOSS, "stories", "facts")
LIMITS = {LOSS: 200, "stories": 2, "facts": 50, "blimp": 50}
"""Stories of the validation text; of the suites, see `suite_named`. There are many checkpoints."""
MOST_STORIES = 1_000_000


class _Kept(NamedTuple):
    path: Path
    weights_sha256: str


def over_time(
    run: str | Path,
    suites: str | Sequence[str] | None = None,
    *,
    source: str | Path | None = None,
    limit: int | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
    log: Log | None = None,
) -> OverTime:
    """Test every checkpoint that a run has kept; see `slm.api.run.Run.over_time`.

    Args:
        run: the folder of the run, or a checkpoint in it.
        suites, source, limit, seed, device, progress: see `Run.over_time`.
        log: called with each note; None: it is printed.

    Raises:
        SlmError: see `Run.over_time`.
    """
    from slm.reporting.over_time_plot import write_plot

    log = log or say
    given = Path(run)
    folder = run_of(given)
    is_default, suites = suites is None, DEFAULT_TESTS if suites is None else names_of(suites)
    if not suites:
        raise UsageError("no suite is named", hint=f"use {', '.join(TESTS)}")
    if source is not None and len(suites) != 1:
        raise UsageError(
            f"a source is given for {counted(len(suites), 'suite')}",
            hint="name the one suite that reads it: results of several calls are kept together",
        )
    tests = {name: _Test(name, source, limit, seed, log) for name in suites}
    kept = _readable(folder, given, log)
    conditions = {name: test.conditions for name, test in tests.items()}
    weights = {step: each.weights_sha256 for step, each in kept.items()}

    def saved() -> OverTime:
        """What is saved by now, also by another command."""
        return read_over_time(folder).under(conditions).of_weights(weights)

    found = saved()
    with stage_progress(shown=progress) as report:
        for number, (step, (path, sha256)) in enumerate(kept.items(), start=1):
            missing = [name for name in tests if not found.has_result(step, name)]
            if not missing:
                continue
            try:
                lm = load(path, device=device, log=log)
            except CheckpointError as error:  # a run in progress may have removed it
                log(f"note: step {step:,} is left out: {error.message}")
                continue
            named = _named(report, f"step {step:,} ({number} of {len(kept)})")
            results = {}
            for name in missing:
                try:
                    results[name] = tests[name].run(lm, named)
                except SlmError as error:
                    if not is_default or len(tests) == 1:
                        raise
                    log(f"note: {name} is left out: {error.message}")
                    del tests[name]  # the next checkpoints cannot take it, either
            seconds = lm.state.time.elapsed_seconds
            found = saved().with_results(
                ScoredCheckpoint(step, lm.state.tokens_seen, seconds, sha256, results)
            )
            write_over_time(folder, found)
    write_plot(folder, found)
    return found


def _named(report: Stages, where: str) -> Stages:
    """A progress whose stages name the checkpoint."""
    return lambda stage, *figures: report(f"{where}, {stage}", *figures)


def _readable(folder: Path, given: Path, log: Log) -> dict[int, _Kept]:
    """The checkpoints of a run by step, without those whose manifest is damaged.

    Raises:
        UsageError: there are fewer than two, or there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no run at {folder}", hint="give the --out of a training")
    found = {}
    for step, path in kept_checkpoints(folder).items():
        try:
            found[step] = _Kept(path, Manifest.read(path).require(MODEL_NAME).sha256)
        except CheckpointError as error:
            log(f"note: step {step:,} is left out: {error.message}")
    if len(found) < 2:
        raise UsageError(
            f"{given} has {counted(len(found), 'checkpoint')} of a run, and curves over time "
            "need at least two",
            hint="a run of more than 10 steps keeps checkpoints from start to end with: --set "
            "keep=ladder",
        )
    return found


def _state_of(path: Path) -> str:
    """A hash that changes if a file, or any of a folder but these results, may have changed."""
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    results = (OVER_TIME_FILE, OVER_TIME_PLOT)
    read = (file for file in files if file.is_file() and file.name not in results)
    return size_and_digest(read, path)[1]


class _Test:
    """A suite for one model of a run after the other; what they share is read once.

    Raises:
        UsageError: there is no such suite.
        ConfigError: the limit or the seed is out of range.
    """

    def __init__(
        self, name: str, source: str | Path | None, limit: int | None, seed: int, log: Log
    ) -> None:
        from slm.evals.suite import check_seed

        if name not in TESTS:
            raise UsageError(
                f"unknown suite {name!r}",
                hint=did_you_mean(name, TESTS) or f"use {', '.join(TESTS)}",
            )
        self.name, self._source, self._seed = name, source, check_seed(seed)
        self._limit = LIMITS[name] if limit is None else limit
        self._log = without_repeats(log)  # the checkpoints of a run have the same notes
        self._suite: Suite | None = None
        self._texts: tuple[str, ...] = ()
        if name != LOSS:
            self._suite = suite_named(
                name, source=source, limit=self._limit, log=self._log, one_run=True
            )
        elif not 1 <= self._limit <= MOST_STORIES:
            raise ConfigError(
                f"limit must be from 1 to {MOST_STORIES:,} stories, found {limit}",
                hint=f"leave it out for {LIMITS[LOSS]}",
            )

    @property
    def conditions(self) -> dict[str, Any]:
        """What the results depend on besides the model."""
        found: dict[str, Any] = {"limit": self._limit, "seed": self._seed, "source": None}
        if self._source is not None:
            name = str(self._source)
            path = None if is_builtin(name) else existing_path(name)
            found["source"] = name if path is None else path.resolve().as_posix()
            if path is not None:
                found["source_state"] = _state_of(path)
        return found

    def run(self, lm: LanguageModel, report: Stages) -> SuiteResult:
        """Test a model; the result has no details."""
        from slm.evals.suite import Score

        if self._suite is None:
            return self._loss(lm, report)
        result = self._suite.run(ModelSubject(lm), seed=self._seed, progress=report)
        if self.name == "stories":
            from slm.evals.stories.suite import PARTS_OF_LANGUAGE

            parts = (Score(**result.details[name]) for name in PARTS_OF_LANGUAGE)
            result = replace(result, parts=(*parts, *result.parts))
        return replace(result, details={})

    def _loss(self, lm: LanguageModel, report: Stages) -> SuiteResult:
        """Bits per byte of the validation text."""
        from slm.evals.story_losses import bits_per_byte, story_losses
        from slm.evals.suite import Score, SuiteResult

        if not self._texts:
            self._texts = sample_of(self._documents(lm), self._limit, self._seed).stories
        losses = story_losses(
            lm.model,
            lm.tokenizer,
            self._texts,
            on_progress=lambda share, tokens: report("scoring", share, tokens / 1e3, "K tokens"),
        )
        bits = bits_per_byte(losses, seed=self._seed)
        score = Score("bits per byte", bits.value, bits.low, bits.high, len(self._texts))
        return SuiteResult(LOSS, score, (), self._seed)

    def _documents(self, lm: LanguageModel) -> Iterator[str]:
        if self._source is not None:
            parts, _ = text_to_score(str(self._source), None, lm.settings.data, self._log)
            return whole_stories(parts)
        documents = documents_of(lm, "validation")
        if documents is None:
            raise UsageError(
                "the validation text of the run is not known, or no longer there",
                hint="score a text of your choice with --suite loss --source, or leave out loss",
            )
        return documents
