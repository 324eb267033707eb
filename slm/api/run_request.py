"""A run as a user asks for it, from the command line or from Python, and how it ended."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slm.config import RunConfig, TrainingConfig
from slm.errors import UsageError
from slm.log import Log, silent
from slm.parallel.processes import Process
from slm.presets import Flags, command_line_words
from slm.quantities import counted
from slm.reporting.display import preparation_progress, say
from slm.runs.idle_settings import idle_settings, no_effect
from slm.runs.layout import is_restart, run_lock
from slm.runs.settings import (
    default_out_dir,
    name_of_plan,
    named_place,
    new_run,
    no_run_in,
    refuse_text_with_prepared,
    resumed_run,
)

if TYPE_CHECKING:
    from slm.planning.restating import Outlook
    from slm.runs.layout import Existing
    from slm.training import Callback, TrainingResult


@dataclass(frozen=True)
class RunRequest:
    """A run to start or to resume."""

    settings: RunConfig
    resume: bool
    """Whether to continue the run that is there."""
    minutes_to_plan: float | None
    """The time budget, if it is still to be planned."""


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended."""

    result: TrainingResult
    bytes_per_token: float
    """Of the validation split."""
    outlook: Outlook | None
    """What the plan expected; None: it was not planned."""
    settings: RunConfig
    """Its final settings."""

    @property
    def best_bits_per_byte(self) -> float | None:
        """Of the best validation loss."""
        best = self.result.best_validation_loss
        return None if best is None else best / math.log(2) / self.bytes_per_token


def finished_before(
    result: TrainingResult, config: TrainingConfig
) -> tuple[str, dict[str, Any]] | None:
    """The message about a resumed run that was finished already; None: it made a step.

    Args:
        result: of the resumed run.
        config: its settings.

    Returns:
        A sentence, and the settings that would train the run longer, steps or minutes among them.
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
    is_planned = preset is None and config_file is None and minutes is not None
    name = None if minutes is None or not is_planned else name_of_plan(minutes)
    words = command_line_words(flags, assignments)
    out_dir = named_place(flags, assignments, config_file)
    if out_dir is None:
        out_dir = default_out_dir(preset, config_file, name)
    resume = resume or is_restart(out_dir)
    saved = resumed_run(out_dir, preset, config_file, flags, assignments, note) if resume else None
    names_text = "data.source" in flags or "data.data_dir" in flags
    if resume and saved is None and preset is None and config_file is None and not names_text:
        raise no_run_in(out_dir, f"{dashes}out", resume=f"{dashes}resume")
    if is_planned and saved is None and Process.from_environment().world_size > 1:
        raise UsageError(
            f"{dashes}minutes without a preset plans the run, and each process would find another "
            "plan",
            hint=f"name the model with {dashes}preset, such as modern-12m",
        )
    chosen = saved or new_run(preset, config_file, flags, assignments, name=name, note=note)
    refuse_text_with_prepared(chosen, words)
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
    """Lock the folder, plan if requested, prepare the data, and train.

    Args:
        request: what to train.
        existing: what to do with a run that is already there.
        began_at: when the command began, by `time.monotonic`.
        stop_after: save and return after this many steps.
        callbacks, progress, log: see `slm.train`.
        owns_process: see `slm.runs.run_trainer.RunTrainer`.

    Raises:
        SlmError: see `slm.train`.
    """
    process = Process.from_environment()
    settings, note = request.settings, log or (say if progress else silent)
    with run_lock(settings, process):
        plan = None
        if request.minutes_to_plan is not None:
            from slm.planning.describe import plan_lines
            from slm.planning.plan import plan_run

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
        if plan is None and existing == "resume":
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
            settings = trainer.settings
    outlook = None if planned is None else planned.outlook
    return RunOutcome(result, bytes_per_token, outlook, settings)
