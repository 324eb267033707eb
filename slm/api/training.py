"""`slm.train` and `slm.plan`: training runs, by the same way as the command line's."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slm.api.run import Run
from slm.config import RunConfig, TrainingConfig
from slm.config.origins import Origin, OriginKind
from slm.errors import ConfigError, UsageError
from slm.parallel.processes import Process
from slm.presets import command_line_words, current_name
from slm.presets.names import named_setting
from slm.quantities import counted
from slm.reporting.display import Log, preparation_progress, say, silent
from slm.runs.layout import holds_run, is_restart, run_lock
from slm.runs.settings import (
    Flags,
    default_out_dir,
    idle_settings,
    length_flags,
    named_place,
    new_run,
    no_effect,
    no_run_in,
    refuse_beside_prepared,
    resumed_run,
)

if TYPE_CHECKING:
    from slm.planning.plan import Plan
    from slm.planning.restating import Outlook
    from slm.runs.layout import Existing
    from slm.training import Callback, TrainingResult


def train(
    source: str | Path | None = None,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    out: str | Path | None = None,
    preset: str | None = None,
    data: str | Path | None = None,
    init_from: str | Path | None = None,
    resume: bool = False,
    fresh: bool = False,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
    log: Log | None = None,
    **settings: Any,
) -> Run:
    """Train a model: prepare the text if need be, train, keep the best and the newest weights.

        run = slm.train("book.txt", minutes=5, out="runs/book")
        print(run.best.generate("Once upon a time")[0])

    With `minutes` and no preset, the model, vocabulary and batch size are chosen for the time, this
    machine and the text. Without both it is the preset `modern-12m`. The run is that of `slm train`
    with the same values.

    Ctrl-C, or the stop button of a notebook, saves and raises KeyboardInterrupt;
    `slm.train(out=..., resume=True)` continues. A second interrupt ends at once, without saving.
    Nothing else of the process changes: signal handlers, threads and random numbers stay as they
    are, also where this is called in another thread than the main one.

    Args:
        source: the text: "builtin", a Hugging Face dataset, a file, or a folder of files.
        minutes: length of the run in minutes of wall-clock time.
        steps: length of the run in optimizer steps.
        out: the folder of the run; None: runs/PRESET, or runs/M-minutes.
        preset: a name of `slm presets`.
        data: prepared data, such as `slm.prepare` returns, instead of a source.
        init_from: start from the weights of this run, checkpoint or "hf:owner/name", with its
            shape and its tokenizer.
        resume: continue the run in `out` with its settings.
        fresh: move an earlier run in `out` to a folder previous-NNN and start again.
        callbacks: called with every event, besides those that record metrics and show progress.
        progress: show the progress: live in a notebook or a terminal, else as lines.
        log: called with each note; None: it is printed.
        settings: any settings of `slm presets --settings` by their names, for example
            `tokenizer="bpe:1024"`, `n_layer=4`, `learning_rate=3e-3`, `seed=2`.

    Returns:
        The run, with its best model and its metrics.

    Raises:
        ConfigError: a setting is unknown or invalid; the hint has the nearest name.
        UsageError: the folder holds a run, and neither resume nor fresh is given.
        RunLockedError: another process trains in this folder.
        DataError, TrainingError: the text or the training fails.
        KeyboardInterrupt: the run was interrupted; its message says what is saved.
    """
    began_at = time.monotonic()
    note = log or (say if progress else silent)
    length = length_flags(steps, minutes, dashes="")
    if init_from is not None:
        settings["init_from"] = init_from
    flags = _flags(source, data=data, out=out, length=length, settings=settings, log=note)
    request = request_run(
        preset=preset,
        flags=flags,
        minutes=minutes,
        resume=resume,
        note=lambda sentence: note(f"note: {sentence}"),
    )
    out_dir = Path(request.settings.train.out_dir)
    existing: Existing = "resume" if request.resume else "set-aside" if fresh else "refuse"
    _refuse_contradiction(out_dir, existing, resume=resume, fresh=fresh)
    try:
        outcome = train_run(
            request,
            existing=existing,
            began_at=began_at,
            callbacks=callbacks,
            progress=progress,
            log=log,
        )
    except KeyboardInterrupt as stopped:
        if not stopped.args:
            raise
        message = f"{stopped.args[0]}; slm.train(out={str(out_dir)!r}, resume=True) continues"
        raise KeyboardInterrupt(message) from None
    if (finished := finished_before(outcome.result, outcome.settings.train)) is not None:
        sentence, longer = finished
        words = ", ".join(f"{name}={value!r}" for name, value in longer.items())
        note(f"{sentence}; slm.train(out={str(out_dir)!r}, resume=True, {words}) trains it longer")
    return Run(out_dir, result=outcome.result, log=note)


def plan(
    minutes: float,
    source: str | Path | None = None,
    *,
    data: str | Path | None = None,
    log: Log | None = None,
    **settings: Any,
) -> Plan:
    """What `slm.train` with the same values would do, and what to expect of it.

        print(slm.plan(60, "builtin"))

    This machine is timed for a few seconds.

    Args:
        minutes: length of the run.
        source, data, settings: see `slm.train`.
        log: called with each note; None: it is printed.

    Returns:
        The plan: its numbers are attributes, such as `steps` and `expected_bits_per_byte`.

    Raises:
        ConfigError: a setting is unknown or invalid.
        DataError: the text cannot be read.
    """
    from slm.planning.dataset_size import plan_run

    length = length_flags(None, minutes, dashes="")
    flags = _flags(source, data=data, out=None, length=length, settings=settings, log=log or say)
    chosen = new_run(None, None, flags, [], name=f"{minutes:g}-minutes", note=log or say)
    refuse_beside_prepared(chosen, command_line_words(flags, []))
    return plan_run(chosen, minutes)


def _flags(
    source: str | Path | None,
    *,
    data: object,
    out: str | Path | None,
    length: Flags,
    settings: Mapping[str, Any],
    log: Log,
) -> Flags:
    """What was given, as settings.

    Raises:
        ConfigError: a setting is unknown, or given twice.
    """
    data = getattr(data, "path", data)  # of a DataDirectory
    given: dict[str, tuple[Any, str | Origin]] = {
        "data.source": (source, "source"),
        "data.data_dir": (data, Origin(OriginKind.PREPARED, "data")),
        "train.out_dir": (out, "out"),
    }
    flags: Flags = {
        name: (str(value), word) for name, (value, word) in given.items() if value is not None
    }
    flags |= length
    for key, value in settings.items():
        name, current = named_setting(key, str(value) if isinstance(value, Path) else value)
        if current_name(key) is not None:
            log(f"note: {key} is now called {name.partition('.')[2]}")
        if name in flags and flags[name][0] != current:
            raise ConfigError(
                f"{flags[name][1]} and {key} contradict each other: both decide {name}",
                hint="leave out one of them",
            )
        flags[name] = (current, key)
    return flags


def _refuse_contradiction(out_dir: Path, existing: str, *, resume: bool, fresh: bool) -> None:
    if resume and fresh:
        raise UsageError(
            "resume and fresh are both given", hint="a run continues, or it starts again"
        )
    if existing == "refuse" and holds_run(out_dir):
        raise UsageError(
            f"{out_dir} already holds a run",
            hint="resume=True continues it, fresh=True moves it to a folder previous-NNN, out= "
            "names another folder",
        )


# -- shared with the command line ------------------------------------------------------------------


@dataclass(frozen=True)
class RunRequest:
    """A run as it was asked for."""

    settings: RunConfig
    resume: bool
    """Whether to continue the run that is there."""
    minutes_to_plan: float | None
    """The time budget, where a plan is still to be made for it."""


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended."""

    result: TrainingResult
    bytes_per_token: float
    """Of the validation split."""
    outlook: Outlook | None
    """What was expected of it, where it was planned."""
    settings: RunConfig
    """With which it was trained."""

    @property
    def best_bits_per_byte(self) -> float | None:
        """Of the best validation loss."""
        best = self.result.best_validation_loss
        return None if best is None else best / math.log(2) / self.bytes_per_token


def finished_before(
    result: TrainingResult, config: TrainingConfig
) -> tuple[str, dict[str, Any]] | None:
    """What to say of a resumed run that had nothing left to do; None: it made a step.

    Args:
        result: of resuming it.
        config: with which it was resumed.

    Returns:
        A sentence, and what would train the run longer: steps or minutes, and settings.
    """
    if result.step > result.first_step:
        return None
    longer: dict[str, Any] = {}
    if config.max_minutes is not None:
        length = counted(config.max_minutes, "minute")
        longer["minutes"] = 2 * config.max_minutes
    else:
        length = counted(config.max_steps, "step")
        longer["steps"] = 2 * max(config.max_steps, result.step)
    if result.stopped_early:
        longer["early_stopping_patience"] = None
    ended = "stopped early" if result.stopped_early else f"had its {length}"
    return (
        f"the run in {result.out_dir} was finished before, at step {result.step:,}: it {ended}",
        longer,
    )


def request_run(
    *,
    preset: str | None,
    config_file: Path | None = None,
    flags: Flags,
    assignments: Sequence[str] = (),
    minutes: float | None,
    resume: bool,
    note: Log,
    dashes: str = "",
) -> RunRequest:
    """The settings of a new run or of one that is resumed, from what a user gave.

    Args:
        preset, config_file, flags, assignments: see `slm.presets.resolve`.
        minutes: the time budget, which is planned where neither preset nor file is given.
        resume: continue the run in the folder.
        note: called with a sentence for each part that has no effect.
        dashes: what comes before the names of options where the user gives them.

    Raises:
        UsageError, ConfigError: something is unknown, impossible or contradictory.
        CheckpointError: the settings of the run that is resumed cannot be read.
    """
    # With torchrun every process would find another plan.
    alone = Process.from_environment().world_size == 1
    is_planned = preset is None and config_file is None and alone and minutes is not None
    name = f"{minutes:g}-minutes" if is_planned else None
    words = command_line_words(flags, assignments)
    out_dir = named_place(flags, assignments)
    if out_dir is None:
        out_dir = default_out_dir(preset, config_file, name)
    resume = resume or is_restart(out_dir)
    saved = resumed_run(out_dir, preset, config_file, flags, assignments, note) if resume else None
    names_text = "data.source" in flags or "data.data_dir" in flags
    if resume and saved is None and preset is None and config_file is None and not names_text:
        raise no_run_in(out_dir, f"{dashes}out", resume=f"{dashes}resume")
    chosen = saved or new_run(preset, config_file, flags, assignments, name=name, note=note)
    refuse_beside_prepared(chosen, words)
    for word, reason in idle_settings(chosen, words):
        note(no_effect([word], reason))
    return RunRequest(chosen, resume, minutes if is_planned and saved is None else None)


def train_run(
    request: RunRequest,
    *,
    existing: Existing,
    began_at: float,
    stop_after: int | None = None,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
    log: Log | None = None,
    owns_process: bool = False,
) -> RunOutcome:
    """Lock the folder, plan where that is asked for, prepare the data, and train.

    Args:
        request: what to train.
        existing: what to do with a run that is already there.
        began_at: when the command began, by `time.monotonic`.
        stop_after: save and return after this many steps.
        callbacks, progress, log: see `train`.
        owns_process: see `slm.runs.run_trainer.RunTrainer`.

    Raises:
        SlmError: see `train`.
    """
    process = Process.from_environment()
    settings, note = request.settings, log or (say if progress else silent)
    with run_lock(settings, process):
        plan = None
        if request.minutes_to_plan is not None:
            from slm.planning.dataset_size import plan_run
            from slm.planning.describe import plan_lines

            plan = plan_run(settings, request.minutes_to_plan, owns_process=owns_process)
            for line in plan_lines(plan, seconds_used=time.monotonic() - began_at):
                note(line)
            settings = plan.settings
        from slm.planning.plan_file import PlanFile, read_plan
        from slm.reporting.callbacks import NoteLog, progress_display, recording_callbacks
        from slm.runs.contention import ContentionWatch
        from slm.runs.launch import ready_trainer

        shown = [progress_display(shows_notes=log is None)] if progress else []
        if log is not None or not progress:
            shown.append(NoteLog(log or silent))

        def note_all(text: str) -> None:
            for callback in shown:
                callback.on_note(text)

        figures = plan.to_json() if plan is not None else None
        if existing == "resume":
            figures = read_plan(Path(settings.train.out_dir))
        planned = None if figures is None else PlanFile(figures, note_all)
        with ready_trainer(
            settings,
            process,
            existing=existing,
            callbacks=[
                *([] if planned is None else [planned]),
                *recording_callbacks(settings.train),
                *shown,
                ContentionWatch(note_all),
                *callbacks,
            ],
            progress=preparation_progress(shown=progress),
            log=note,
            began_at=began_at,
            owns_process=owns_process,
        ) as trainer:
            result = trainer.train(existing=existing, stop_after=stop_after)
            bytes_per_token = trainer.data_loader.directory.bytes_per_token("validation")
    outlook = None if planned is None else planned.outlook
    return RunOutcome(result, bytes_per_token, outlook, settings)
