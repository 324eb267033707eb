"""The report of a run: gathers what its files say, lets its model write, and tests it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from slm.api.loading import load
from slm.checkpoint.store import MODEL_NAME
from slm.config.run_files import CONFIG_FILE, METRICS_FILE, REPORT_FILE, STEP_FOLDERS
from slm.config.run_paths import located_settings, run_of
from slm.errors import DataError, UsageError, command_line
from slm.generation.options import GenerationOptions
from slm.interop.hub import is_hub_name
from slm.log import Log
from slm.quantities import counted
from slm.reporting.display import say
from slm.runs.settings import saved_settings
from slm.storage.user_paths import user_path

if TYPE_CHECKING:
    from slm.api.language_model import LanguageModel
    from slm.config import RunConfig
    from slm.data.shards import DataMeta
    from slm.evals.suite import SuiteResult
    from slm.reporting.report import Report, Rows, Story
    from slm.reporting.run_summary import RunSummary
    from slm.train_state import TrainState

STORY_TOKENS = 1000
"""Maximum length of a story."""
UNFINISHED = 0.98
UNFINISHED_BUT_EVALUATED = 0.8
"""A run that is this far may have been ended by the clock, which leaves up to a step's time."""


class WrittenReport(NamedTuple):
    """A report and its file."""

    path: Path
    contents: Report


@dataclass(frozen=True)
class Subject:
    """What is reported on.

    Attributes:
        name: for people.
        run: the folder of the run; None: a model without one, such as an imported model.
        settings: of the run.
        lm: the run's best model, or that of the checkpoint; None: nothing is saved yet.
        folder: where its report is written by default.
        step: of the checkpoint; None: the whole run, or a model without one.
    """

    name: str
    run: Path | None
    settings: RunConfig
    lm: LanguageModel | None
    folder: Path
    step: int | None = None


def open_subject(path: str | Path, *, device: str = "auto", log: Log) -> Subject:
    """A run or a model.

    Args:
        path: a run, a checkpoint, a model file, or hf:owner/name.
        device, log: see `slm.load`.

    Raises:
        UsageError: nothing is there.
        CheckpointError: it is damaged.
    """
    path = path if is_hub_name(str(path)) else user_path(path)
    folder = run_of(Path(path))
    saved = saved_settings(folder)
    if saved is None:
        lm = load(path, device=device, log=log)
        name = str(path) if is_hub_name(str(path)) else lm.path.resolve().name
        return Subject(name.rpartition("/")[2], None, lm.settings, lm, _folder_of(lm, path))
    name, settings = folder.resolve().name, located_settings(saved, folder)
    if Path(path).resolve().parent.name in STEP_FOLDERS:
        lm = load(path, device=device, log=log)
        step = lm.state.step
        return Subject(f"{name}-step-{step}", folder, settings, lm, lm.path, step)
    try:
        best = load(folder, device=device, log=log)
    except UsageError:  # its first checkpoint is still to come
        best = None
    return Subject(name, folder, settings, best, folder)


def _folder_of(lm: LanguageModel, path: str | Path) -> Path:
    """Of a model without a run: its own, that of a model file, or for the built-in model or of
    the hub the current one.
    """
    from slm.checkpoint.builtin import is_builtin

    if is_builtin(lm.path) or is_hub_name(str(path)):
        return Path()
    return lm.path.parent if lm.path.is_file() else lm.path


def suite_results(
    subject: Subject, suites: str | Sequence[str], *, seed: int, progress: bool, log: Log
) -> dict[str, SuiteResult]:
    """The saved results of a model's suites, and those of the named ones, which are run if missing.

    Args:
        subject: what is tested.
        suites: their names.
        seed: of the suites.
        progress: show the progress.
        log: called with each note.

    Raises:
        UsageError: there is no such suite, or no model yet.
        SlmError: see `LanguageModel.evaluate`.
    """
    from slm.api.suites import keep_result, kept_results, refuse_unknown

    names = refuse_unknown(suites)
    if subject.lm is None:
        if names:
            raise UsageError(
                f"{subject.name} has no saved model yet, which a suite could test",
                hint="leave out the suites, or wait for the first evaluation",
            )
        return {}
    found = kept_results(subject.lm)
    for name in names:
        if name not in found or found[name].seed != seed:
            try:
                found[name] = subject.lm.evaluate(name, seed=seed, progress=progress)
            except DataError as error:
                raise DataError(f"{subject.name}: {error.message}", hint=error.hint) from error
            keep_result(subject.lm, found[name], log=log)
    return found


def report(
    path: str | Path,
    out: str | Path | None = None,
    *,
    suites: str | Sequence[str] = (),
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
    log: Log | None = None,
) -> WrittenReport:
    """Write the report of a run: one HTML file that needs no network.

        slm.report("runs/ten", suites=["facts"]).path

    Its ten stories are the best and the worst by the measures of the suite `stories`, where that
    has a result; otherwise they are samples of the best model, not selected.

    Args:
        path: a run, a checkpoint, a model file, or hf:owner/name.
        out: the file, where an older report is replaced; None: report.html in the run, in the
            folder of the checkpoint, or next to the model file; of the built-in model, and of one
            on the hub, here.
        suites: test suites to run, if their results are not saved; saved results are shown anyway.
        seed: of the stories and the suites.
        device: of the model: auto, cpu, cuda, cuda:N or mps.
        progress: show the progress of suites.
        log: called with each note; None: it is printed.

    Raises:
        UsageError: nothing is there, or `out` is another file than a report.
        CheckpointError: it is damaged.
        WriteError, NoSpaceError: the file cannot be written.
        SlmError: a suite cannot be run.
    """
    from slm.reporting.report import refuse_other_file, write_report

    log = log or say
    subject = open_subject(path, device=device, log=log)
    file = subject.folder / REPORT_FILE if out is None else user_path(out)
    refuse_other_file(file)
    results = suite_results(subject, suites, seed=seed, progress=progress, log=log)
    contents = _contents(subject, results, seed)
    write_report(contents, file)
    return WrittenReport(file, contents)


def _contents(subject: Subject, results: Mapping[str, SuiteResult], seed: int) -> Report:
    from slm.planning.plan_file import read_plan
    from slm.presets import train_command
    from slm.reporting import report_parts as parts
    from slm.reporting.metrics import read_metrics
    from slm.reporting.over_time import OverTime, read_over_time
    from slm.reporting.report import Report
    from slm.reporting.report_over_time import over_time_curve, over_time_table
    from slm.reporting.run_summary import number, summary_of, usable

    run, settings, lm = subject.run, subject.settings, subject.lm
    records = [] if run is None else usable(read_metrics(run / METRICS_FILE))
    if subject.step is not None:
        records = [record for record in records if record["step"] <= subject.step]
    over_time = OverTime() if run is None else read_over_time(run)
    plan = (None if run is None or subject.step is not None else read_plan(run)) or {}
    if settings.parent is not None:
        plan.pop("expected_bits_per_byte", None)  # of a run from scratch
    summary = summary_of(records)
    stories, stories_note = _stories(lm, settings, records, results.get("stories"), seed)
    model_bytes = None
    if lm is not None and (lm.path / MODEL_NAME).is_file():
        model_bytes = (lm.path / MODEL_NAME).stat().st_size
    commands: list[tuple[str, str]] = []
    if run is not None:
        again = run.with_name(f"{run.resolve().name}-again")
        same = command_line("slm", "train", "--config", run / CONFIG_FILE, "--out", again)
        commands = [
            ("The same choices, with the rest chosen again:", train_command(settings, again)),
            ("Exactly the same settings, from this run's folder:", same),
        ]
    config = settings.model if lm is None else lm.config
    tokenizer = settings.data.tokenizer if lm is None else lm.tokenizer.name
    return Report(
        name=subject.name,
        lead=parts.lead(config, settings, summary),
        figures=_figures(config, summary),
        notes=tuple(_notes(subject, summary)),
        model=parts.model_rows(config, tokenizer),
        text=[] if run is None else parts.text_rows(settings, data_meta(settings), summary),
        plan=parts.plan_table(plan, summary) if plan else None,
        restatements=parts.restatement_sentences(plan),
        curves=parts.curves(records),
        anomalies=parts.anomaly_table(records),
        over_time=over_time_curve(over_time),
        over_time_table=over_time_table(over_time),
        suites=[parts.suite_table(result) for result in results.values()],
        stories=stories,
        stories_note=stories_note,
        cost=parts.cost_rows(
            summary,
            config,
            planned_bytes=number(plan, "memory_bytes"),
            model_bytes=model_bytes,
        ),
        commands=commands,
        conditions=[] if run is None else _conditions(settings, None if lm is None else lm.state),
        settings=None if run is None else parts.settings_table(settings),
    )


def data_meta(settings: RunConfig) -> DataMeta | None:
    """The description of a run's prepared data; None: they are no longer there."""
    from slm.data.shards import DataDirectory

    with contextlib.suppress(DataError):
        return DataDirectory.open(settings.data.data_dir or "").meta
    return None


def _figures(config: Any, summary: RunSummary) -> Rows:
    from slm.model.costs import model_costs
    from slm.quantities import duration, gigabytes

    size = model_costs(config).parameters
    found: list[tuple[str, float | None, Callable[[Any], str]]] = [
        ("bits per byte", summary.best_bits_per_byte, "{:.3f}".format),
        ("parameters", size, lambda n: f"{n / 1e6:,.1f} M" if n >= 1e5 else f"{n:,}"),
        ("training time", summary.seconds, duration),
        ("tokens", summary.tokens, lambda n: f"{n / 1e6:,.1f} M" if n >= 1e6 else f"{n:,}"),
        ("tokens per second", summary.tokens_per_second, "{:,.0f}".format),
        ("peak memory", summary.peak_memory_bytes, gigabytes),
    ]
    return [(name, show(value)) for name, value, show in found if value is not None]


def _notes(subject: Subject, summary: RunSummary) -> Iterator[str]:
    if subject.run is None:
        return
    enough = UNFINISHED_BUT_EVALUATED if summary.ends_evaluated else UNFINISHED
    if subject.step is not None:
        yield f"The figures are those of the run up to step {subject.step:,}."
    elif summary.progress is not None and summary.progress < enough:
        yield (
            f"The run is not finished: it has done {summary.progress:.0%} of its length, "
            f"{counted(summary.steps, 'step')}."
        )
    if subject.lm is None:
        yield "Nothing is saved yet, so there is no model that could write."
    if summary.scored_tokens is not None:
        yield (
            f"Bits per byte are those of the best evaluation during the training, at step "
            f"{summary.best_step:,}, on {counted(summary.scored_tokens, 'token')} of validation "
            "text that the model did not train on."
        )


def _conditions(settings: RunConfig, state: TrainState | None) -> Rows:
    """What else the last bits of the results depend on."""
    rows = [("seed", str(settings.train.seed))]
    if state is None:
        return rows
    rows += [(str(name), str(value)) for name, value in list(state.conditions.items())[:20]]
    if state.data_fingerprint:
        rows.append(("data", state.data_fingerprint))
    return rows


def _stories(
    lm: LanguageModel | None,
    settings: RunConfig,
    records: list[dict[str, Any]],
    tested: SuiteResult | None,
    seed: int,
) -> tuple[list[Story], str]:
    """Ten stories, and what they are: see `report`."""
    from slm.reporting.report import Story
    from slm.reporting.report_stories import N_STORIES, last_samples, ranked_stories

    if tested is not None and (ranked := ranked_stories(tested)):
        return ranked, (
            "The best and the worst of the stories that the suite stories let the model write, by "
            "the mean of its measures. The prompt is bold."
        )
    if lm is None:
        return last_samples(records), "The last samples that the model wrote during the training."
    prompts = list(dict.fromkeys(settings.train.sample_prompts))[:N_STORIES] or ["Once upon a time"]
    each = -(-N_STORIES // len(prompts))
    options = GenerationOptions(max_new_tokens=STORY_TOKENS, seed=seed, samples=each)
    completions = lm.generator.complete(prompts, options)
    found: list[Story] = []
    for completion in completions[:N_STORIES]:
        ended = completion.finish_reason != "length"
        label = f"story {len(found) + 1}" if ended else f"story {len(found) + 1}, without an end"
        found.append(Story(label, completion.prompt, completion.text))
    return found, (
        f"The first {counted(len(found), 'sample')} of seed {seed} at temperature "
        f"{options.temperature:g}, top-k {options.top_k}, not selected, of at most "
        f"{counted(STORY_TOKENS, 'token')}. The prompt is bold."
    )
