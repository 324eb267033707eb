"""Compares models side by side: settings, losses on the same stories, and test suites."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slm.api.data import refuse_contradictions, text_to_score
from slm.api.reports import Subject, open_subject, suite_results
from slm.api.suites import refuse_unknown
from slm.api.texts import StorySample, documents_of, sample_of
from slm.data.documents import whole_stories
from slm.errors import ConfigError, UsageError
from slm.log import Log
from slm.quantities import counted, megabytes
from slm.reporting.display import Stages, say, stage_progress

if TYPE_CHECKING:
    from slm.api.language_model import LanguageModel
    from slm.data.shards import DataDirectory
    from slm.evals.story_losses import Estimate, StoryLosses
    from slm.evals.suite import Score, SuiteResult

DEFAULT_STORIES = 2_000
FEWEST_STORIES = 20
"""With fewer, the intervals are too narrow: with 10, equal models differ in 9% of all cases."""
PLACES = ("train.out_dir", "data.data_dir")
"""Settings that differ in every pair of runs, and change no result."""


@dataclass(frozen=True)
class ComparedModel:
    """One column of a comparison."""

    name: str
    path: str
    tokenizer: str
    parameters: int
    steps: int
    """0: it was not trained here."""
    tokens: int
    seconds: float
    """Of training."""
    bits_per_byte: Estimate
    loss: Estimate | None
    """Nats per token; None where the tokenizers differ, so that the losses cannot be compared."""


@dataclass(frozen=True)
class Difference:
    """A model's result minus the one of the first model, on the same stories or items."""

    name: str
    reference: str
    value: float
    low: float
    high: float
    verdict: str
    """better, worse, noise (it is larger than the difference), or unknown (too few stories)."""


@dataclass(frozen=True)
class ComparedScore:
    """A score of a suite, for each model; None where a model has no result."""

    suite: str
    name: str
    scores: tuple[Score | None, ...]
    verdicts: tuple[str, ...]
    """Of each model against the first: better, worse, noise or unknown."""


@dataclass(frozen=True)
class Comparison:
    """Models side by side."""

    text: str
    """What they were scored on, in words."""
    stories: int
    bytes: int
    models: tuple[ComparedModel, ...]
    differences: tuple[Difference, ...]
    """Of every model but the first, in bits per byte."""
    settings: tuple[tuple[str, tuple[Any, ...]], ...]
    """The settings that differ, and the value of each model."""
    suites: tuple[ComparedScore, ...]
    seed: int

    def to_json(self) -> dict[str, Any]:
        """All of it by name."""
        return asdict(self)


def compare(
    models: str | Path | Sequence[str | Path],
    *,
    source: str | Path | None = None,
    data: DataDirectory | str | Path | None = None,
    stories: int = DEFAULT_STORIES,
    suites: str | Sequence[str] = (),
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
    log: Log | None = None,
) -> Comparison:
    """Compare models with each other: the first one is the reference.

        found = slm.compare(["runs/a", "runs/b"])
        print(found.differences[0].verdict)

    All models score the same stories, each with its own tokenizer, and are compared in bits per
    byte. Without a source the stories are those that the runs were validated on.

    Args:
        models: two or more runs, checkpoints, model files, or names hf:owner/name.
        source: score this text instead, as `slm.evaluate` does.
        data: score the validation split of these prepared data instead.
        stories: number of stories, drawn from all of the text.
        suites: test suites to run where the result is not saved; saved results are shown anyway.
        seed: of the stories that are drawn, of the intervals and of the suites.
        device: of the models: auto, cpu, cuda, cuda:N or mps.
        progress: show the progress.
        log: called with each note; None: it is printed.

    Raises:
        UsageError: fewer than two models, one of them twice, or they were validated on different
            text.
        CheckpointError: a model is damaged.
        ConfigError: a number is out of its range.
        DataError: the text cannot be read.
    """
    log = log or say
    models = [models] if isinstance(models, str | Path) else models
    if len(models) < 2:
        raise UsageError(
            f"a comparison needs at least two models, found {len(models)}",
            hint="name two runs, for example: runs/a runs/b",
        )
    if isinstance(stories, bool) or not 1 <= stories <= 1_000_000:
        raise ConfigError(
            f"stories must be from 1 to 1,000,000, found {stories}", hint="leave it out for 2,000"
        )
    if source is not None or data is not None:
        refuse_contradictions(data, source, None)
    refuse_unknown(suites)
    subjects = [open_subject(path, device=device, log=log) for path in models]
    names = _names(subjects, models)
    lms = [_model_of(subject) for subject in subjects]
    from slm.evals.suite import check_seed

    check_seed(seed)
    if source is None and data is None:
        text, where = _common_validation(lms, names, stories, seed, log)
    else:
        text, where = _given_text(lms[0], source, data, stories, seed, log)
    with stage_progress(shown=progress) as report:
        losses = [
            _losses(lm, name, text.stories, report) for lm, name in zip(lms, names, strict=True)
        ]
    results = [
        suite_results(subject, suites, seed=seed, progress=progress, log=log)
        for subject in subjects
    ]
    same_tokens = len({lm.tokenizer.fingerprint for lm in lms}) == 1
    of_all = "" if len(text.stories) == text.n_all else f"the {text.n_all:,} in "
    n_bytes = int(losses[0].bytes.sum())
    return Comparison(
        text=f"{counted(len(text.stories), 'story')} ({megabytes(n_bytes)}) of {of_all}{where}",
        stories=len(text.stories),
        bytes=n_bytes,
        models=tuple(
            _column(lm, name, path, loss, seed, with_loss=same_tokens)
            for lm, name, path, loss in zip(lms, names, models, losses, strict=True)
        ),
        differences=tuple(
            _difference(name, names[0], losses[0], loss, seed)
            for name, loss in zip(names[1:], losses[1:], strict=True)
        ),
        settings=tuple(_differing(subjects)),
        suites=tuple(_suite_rows(results, names, log)),
        seed=seed,
    )


def _names(subjects: Sequence[Subject], paths: Sequence[str | Path]) -> list[str]:
    """Short names, or the paths where two are equal.

    Raises:
        UsageError: a model is given twice.
    """
    places = [
        str(path) if subject.lm is None else subject.lm.path.resolve()
        for subject, path in zip(subjects, paths, strict=True)
    ]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise UsageError(f"{paths[number]} is given twice", hint="name two different models")
    names = [subject.name for subject in subjects]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _model_of(subject: Subject) -> LanguageModel:
    if subject.lm is None:
        raise UsageError(
            f"{subject.name} has no saved model yet", hint="wait for its first evaluation"
        )
    return subject.lm


# -- the text --------------------------------------------------------------------------------------


def _common_validation(
    lms: Sequence[LanguageModel], names: Sequence[str], stories: int, seed: int, log: Log
) -> tuple[StorySample, str]:
    """The stories that all runs were validated on.

    Raises:
        UsageError: they were validated on different text, or on none that is still there.
    """
    found: dict[str, StorySample] = {}
    known: tuple[str, StorySample] | None = None
    unknown: list[str] = []
    for lm, name in zip(lms, names, strict=True):
        fingerprint = lm.state.data_fingerprint
        if fingerprint not in found:
            documents = documents_of(lm, "validation")
            if documents is None:
                unknown.append(name)
                continue
            found[fingerprint] = sample_of(documents, stories, seed)
        text = found[fingerprint]
        if known is not None and known[1].digest != text.digest:
            raise UsageError(
                f"{known[0]} and {name} were validated on different text: "
                f"{counted(known[1].n_all, 'story')} and {counted(text.n_all, 'story')}, "
                "not the same ones",
                hint="score all of them on one text with --source or --data",
            )
        known = known or (name, text)
    if known is None:
        raise UsageError(
            f"the validation text of {' and '.join(unknown)} is not known, or no longer there",
            hint="score them on a text of your choice with --source or --data",
        )
    if unknown:
        log(
            f"note: the validation text of {' and '.join(unknown)} is not known: scoring the one "
            f"of {known[0]}; it may be part of what {unknown[0]} was trained on"
        )
    return known[1], f"the validation text of {known[0]}"


def _given_text(
    lm: LanguageModel,
    source: str | Path | None,
    data: DataDirectory | str | Path | None,
    stories: int,
    seed: int,
    log: Log,
) -> tuple[StorySample, str]:
    if data is None:
        parts, split = text_to_score(str(source), None, lm.settings.data, log)
        return sample_of(whole_stories(parts), stories, seed), f"{source} ({split})"
    from slm.data.shards import DataDirectory

    directory = data if isinstance(data, DataDirectory) else DataDirectory.open(data)
    text = sample_of(directory.documents("validation"), stories, seed)
    return text, f"{directory.path} (validation)"


# -- results ---------------------------------------------------------------------------------------


def _losses(
    lm: LanguageModel,
    name: str,
    stories: Sequence[str],
    report: Stages,
) -> StoryLosses:
    from slm.evals.story_losses import story_losses

    def on_progress(fraction: float, tokens: int) -> None:
        report(f"scoring {name}", fraction, tokens / 1e3, "K tokens")

    return story_losses(lm.model, lm.tokenizer, stories, on_progress=on_progress)


def _column(
    lm: LanguageModel,
    name: str,
    path: str | Path,
    losses: StoryLosses,
    seed: int,
    *,
    with_loss: bool,
) -> ComparedModel:
    from slm.evals.story_losses import bits_per_byte, loss_per_token
    from slm.model.costs import model_costs

    return ComparedModel(
        name=name,
        path=str(path),
        tokenizer=lm.tokenizer.name,
        parameters=model_costs(lm.config).parameters,
        steps=lm.state.step,
        tokens=lm.state.tokens_seen,
        seconds=lm.state.time.elapsed_seconds,
        bits_per_byte=bits_per_byte(losses, seed=seed),
        loss=loss_per_token(losses, seed=seed) if with_loss else None,
    )


def _difference(name: str, reference: str, a: StoryLosses, b: StoryLosses, seed: int) -> Difference:
    from slm.evals.story_losses import difference

    found = difference(a, b, seed=seed)
    if len(a.bytes) < FEWEST_STORIES:
        verdict = "unknown"
    elif not found.is_beyond_noise:
        verdict = "noise"
    else:
        verdict = "better" if found.value < 0 else "worse"
    return Difference(name, reference, found.value, found.low, found.high, verdict)


def _differing(subjects: Sequence[Subject]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The settings in which the models differ. Of an imported model, only the shape is known."""
    from slm.presets import setting_names

    are_runs = all(subject.run is not None for subject in subjects)
    for name in setting_names():
        if name in PLACES or not (are_runs or name.startswith("model.")):
            continue
        values = tuple(subject.settings.value_of(name) for subject in subjects)
        if any(value != values[0] for value in values):
            yield name, values


def _suite_rows(
    results: Sequence[dict[str, SuiteResult]], names: Sequence[str], log: Log
) -> Iterator[ComparedScore]:
    """The scores of the suites for which at least two models have results.

    Results on other items than those of the first model are shown without a verdict.
    """
    for suite in dict.fromkeys(name for result in results for name in result):
        columns = [_scores(result.get(suite)) for result in results]
        if sum(map(bool, columns)) < 2:
            continue
        items = [_items(result.get(suite)) for result in results]
        for model, found, column in zip(names[1:], items[1:], columns[1:], strict=True):
            if columns[0] and column and found != items[0]:
                log(
                    f"note: the results of {suite} for {names[0]} and {model} are of different "
                    "items, and are not compared"
                )
        for name in dict.fromkeys(name for column in columns for name in column):
            scores = tuple(column.get(name) for column in columns)
            verdicts = tuple(
                _verdict(scores[0], score) if found == items[0] else "unknown"
                for score, found in zip(scores[1:], items[1:], strict=True)
            )
            yield ComparedScore(suite, name, scores, verdicts)


def _items(result: SuiteResult | None) -> object:
    """A hash of the items of a result; None where they are always the same."""
    from slm.evals.suite import ITEMS_SHA256

    return None if result is None else result.details.get(ITEMS_SHA256)


def _scores(result: SuiteResult | None) -> dict[str, Score]:
    if result is None:
        return {}
    return {each.name: each for each in (*result.parts, *filter(None, [result.score])) if each.n}


def _verdict(a: Score | None, b: Score | None) -> str:
    """Whether two scores differ by more than the noise of both, taken as independent.

    The items are the same, so the noise of the difference is smaller in truth: a difference that is
    called noise here may still be one.
    """
    if a is None or b is None:
        return "unknown"
    noise = math.hypot((a.high - a.low) / 2, (b.high - b.low) / 2)
    if abs(b.value - a.value) <= noise:
        return "noise"
    return "better" if b.value > a.value else "worse"
