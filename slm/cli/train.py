"""`slm train`: a new run, or an unfinished one that goes on."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slm.cli.no_effect import note, note_idle_settings, refuse_idle
from slm.cli.options import (
    Device,
    Json,
    Minutes,
    MoreSettings,
    Preset,
    Settings,
    Source,
    Steps,
    Tokenizer,
    assignments,
    given,
)
from slm.cli.output import Display, print_json, print_table, say
from slm.cli.plan import print_plan, tell_plan
from slm.config import RunConfig
from slm.errors import UsageError, command_line
from slm.origins import PREPARED
from slm.parallel.processes import Process
from slm.presets import command_line_words
from slm.quantities import counted
from slm.runs.settings import (
    length_flags,
    named_place,
    new_run,
    no_run_in,
    refuse_beside_prepared,
    resumed_run,
)
from slm.storage.files import directory_lock

if TYPE_CHECKING:
    from slm.planning.plan_file import PlanFile
    from slm.runs.data import Progress
    from slm.training import TrainingResult


def train(
    context: typer.Context,
    preset: Preset = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Settings in TOML, or a run's config.json."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="A directory that `slm prepare` made."),
    ] = None,
    source: Source = None,
    tokenizer: Tokenizer = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="RUN", help="The run's folder.  [runs/PRESET, or runs/M-minutes]"
        ),
    ] = None,
    steps: Steps = None,
    minutes: Minutes = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out, with its settings.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Set an earlier run in --out aside and start anew.")
    ] = False,
    plan_only: Annotated[
        bool, typer.Option("--plan", help="Print what --minutes would make, and stop.")
    ] = False,
    stop_after: Annotated[
        int | None,
        typer.Option(
            "--stop-after", metavar="N", help="Save and stop after N steps; --resume goes on."
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", metavar="STORIES", help="Use only this many stories of the training text."
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="N", help="Decides weights, order of the data and dropout."),
    ] = None,
    device: Device = None,
    settings: Settings = None,
    more_settings: MoreSettings = None,
    as_json: Json = False,
) -> None:
    """Train a model: prepare the data if need be, train, keep the best and the newest weights.

    With --minutes and no preset, model, vocabulary, batch and steps are chosen for the time, this
    machine and the text. Without both it is the preset modern-12m; `slm presets` lists them. Text
    given by --source is prepared once, in ./data, and found again. Ctrl-C saves and stops.
    """
    flags = given(
        {
            "data.data_dir": (_text(data), PREPARED),
            "data.source": (source, "--source"),
            "data.tokenizer": (tokenizer, "--tokenizer"),
            "data.limit": (limit, "--limit"),
            "train.out_dir": (_text(out), "--out"),
            "train.seed": (seed, "--seed"),
            "train.device": (device, "--device"),
        }
    )
    _refuse_contradictions(resume=resume, fresh=fresh, stop_after=stop_after)
    # With torchrun every process would find another plan.
    is_open = preset is None and config is None and Process.from_environment().world_size == 1
    flags |= length_flags(steps, minutes)
    changes = assignments(settings, more_settings)
    words = command_line_words(flags, changes)
    name = f"{minutes:g}-minutes" if is_open and minutes is not None else None
    to_plan = None if name is None else minutes
    if plan_only:
        chosen = new_run(preset, config, flags, changes, name=name)
        if to_plan is None or resume:
            raise UsageError(
                "--plan needs --minutes, and neither --preset, --config nor --resume",
                hint="for example: slm train --minutes 10 --source builtin --plan",
            )
        refuse_idle(context, ["fresh", "stop_after"], "--plan stops before there is a run")
        refuse_beside_prepared(chosen, words)
        print_plan(chosen, to_plan, as_json=as_json, began_at=context.obj)
        return
    out_dir = named_place(flags, changes)
    if out_dir is None:
        out_dir = Path(new_run(preset, config, {}, [], name=name).train.out_dir)
    resume = resume or started_again(out_dir)
    saved = resumed_run(out_dir, preset, config, flags, changes, note) if resume else None
    if resume and saved is None and not any((preset, config, data, source)):
        raise no_run_in(out_dir, "--out")
    chosen = saved or new_run(preset, config, flags, changes, name=name)
    to_plan = None if saved is not None else to_plan
    refuse_beside_prepared(chosen, words)
    note_idle_settings(chosen, words)
    _train(
        chosen,
        existing="resume" if resume else "set-aside" if fresh else "refuse",
        stop_after=stop_after,
        as_json=as_json,
        began_at=context.obj,
        to_plan=to_plan,
    )


def started_again(out_dir: Path) -> bool:
    """Whether `torchrun` starts this run anew, as one of its processes has died."""
    if "TORCHELASTIC_RESTART_COUNT" not in os.environ:  # and PyTorch may stay unloaded
        return False
    from slm.runs.layout import is_restart

    return is_restart(out_dir)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _refuse_contradictions(*, resume: bool, fresh: bool, stop_after: int | None) -> None:
    if resume and fresh:
        raise UsageError(
            "--resume and --fresh are both given", hint="a run goes on, or starts anew"
        )
    if stop_after is not None and stop_after < 1:
        raise UsageError(f"--stop-after must be at least 1, found {stop_after}")


def _train(
    settings: RunConfig,
    *,
    existing: Any,
    stop_after: int | None,
    as_json: bool,
    began_at: float,
    to_plan: float | None,
) -> None:
    process = Process.from_environment()
    with run_lock(settings, process):
        plan = None if to_plan is None else tell_plan(settings, to_plan, began_at=began_at)
        from slm.planning.plan_file import PlanFile, read_plan
        from slm.reporting.callbacks import recording_callbacks
        from slm.reporting.progress import ProgressDisplay
        from slm.runs.contention import ContentionWatch
        from slm.runs.launch import ready_trainer

        display = ProgressDisplay()
        figures = plan.to_json() if plan is not None else None
        if existing == "resume":
            figures = read_plan(Path(settings.train.out_dir))
        planned = None if figures is None else PlanFile(figures, display.on_note)
        settings = settings if plan is None else plan.settings
        with ready_trainer(
            settings,
            process,
            existing=existing,
            callbacks=[
                *([] if planned is None else [planned]),
                *recording_callbacks(settings.train),
                display,
                ContentionWatch(display.on_note),
            ],
            progress=preparation_progress(),
            log=say,
            began_at=began_at,
            owns_process=True,
        ) as trainer:
            result = trainer.train(existing=existing, stop_after=stop_after)
            bytes_per_token = trainer.data_loader.directory.bytes_per_token("validation")
    if process.is_main:
        say_if_finished_before(result, settings, "slm", "train", "--out", result.out_dir)
        _tell(result, bytes_per_token, planned, as_json=as_json)


def run_lock(settings: RunConfig, process: Process) -> contextlib.AbstractContextManager[object]:
    """The lock of the run directory, for the whole command.

    It is taken before PyTorch is imported, so that a second run is refused at once.

    Raises:
        UsageError: the directory is of a checkpoint.
        RunLockedError: another process has the lock.
    """
    from slm.runs.layout import refuse_checkpoint

    out_dir = Path(settings.train.out_dir)
    refuse_checkpoint(out_dir)
    return directory_lock(out_dir) if process.is_main else contextlib.nullcontext()


@contextlib.contextmanager
def preparation_progress() -> Iterator[Progress]:
    """Shows on stderr how the preparation of data goes."""
    with Display() as display:
        yield display.show_preparation


def say_if_finished_before(result: TrainingResult, settings: RunConfig, *command: object) -> None:
    """Say of a run that had nothing left to do that it is finished, and how to train it longer.

    Args:
        result: of going on with it.
        settings: with which it went on.
        command: which goes on with it, without the length.
    """
    if result.step > result.first_step:
        return
    config, longer = settings.train, [*command, "--resume"]
    if config.max_minutes is not None:
        length = counted(config.max_minutes, "minute")
        longer += ["--minutes", f"{2 * config.max_minutes:.10g}"]
    else:
        length = counted(config.max_steps, "step")
        longer += ["--steps", 2 * max(config.max_steps, result.step)]
    if result.stopped_early:
        longer += ["--set", "early_stopping_patience=none"]
    ended = "stopped early" if result.stopped_early else f"had its {length}"
    say(
        f"the run in {result.out_dir} was finished before, at step {result.step:,}: it {ended}; "
        f"train it longer with: {command_line(*longer)}"
    )


def _tell(
    result: TrainingResult, bytes_per_token: float, planned: PlanFile | None, *, as_json: bool
) -> None:
    outlook = None if planned is None else planned.outlook
    promise, restated = (outlook.promise, outlook.restated) if outlook else (None, None)
    best = result.best_validation_loss
    bits_per_byte = None if best is None else best / math.log(2) / bytes_per_token
    if as_json:
        print_json(
            {
                "run": str(result.out_dir),
                "best": None if best is None else str(result.out_dir / "best"),
                "step": result.step,
                "first_step": result.first_step,
                "tokens": result.tokens,
                "train_loss": result.train_loss,
                "validation_loss": result.validation_loss,
                "best_validation_loss": best,
                "best_bits_per_byte": bits_per_byte,
                "expected_bits_per_byte": promise and promise.expected_bits_per_byte,
                "expected_steps": promise and promise.steps,
                "restated_bits_per_byte": restated and restated.expected_bits_per_byte,
                "restated_steps": restated and restated.steps,
                "stopped_early": result.stopped_early,
                "elapsed_seconds": result.elapsed_seconds,
            }
        )
        return
    rows = [
        ("run", str(result.out_dir)),
        ("steps", f"{result.step:,}"),
        ("tokens", f"{result.tokens:,}"),
    ]
    if result.step > result.first_step:
        rows.append(("training loss", f"{result.train_loss:.4f}"))
    if best is not None:
        rows.append(("best validation loss", f"{best:.4f} ({bits_per_byte:.4f} bits per byte)"))
    for name, said in (("as planned", promise), ("as restated", restated)):
        if said is not None:
            figures = (
                f"{said.expected_bits_per_byte:.4f} bits per byte in {counted(said.steps, 'step')}"
            )
            rows.append((name, f"{figures}, as `slm eval` measures them"))
    rows.append(("seconds", f"{result.elapsed_seconds:.1f}"))
    print_table(rows)
    command = command_line("slm", "generate", "--checkpoint", result.out_dir, "Once upon a time")
    say(f"tell stories with: {command}")
