"""`slm train`: starts a new run, or resumes one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slm.api.run_request import RunOutcome, finished_before, request_run, train_run
from slm.cli.no_effect import note, refuse_idle
from slm.cli.options import (
    Data,
    Device,
    Json,
    Minutes,
    MoreSettings,
    Preset,
    Settings,
    Source,
    Steps,
    StoryLimit,
    Tokenizer,
    assignments,
    only_given,
)
from slm.cli.output import print_json, print_table
from slm.config import RunConfig, TrainingConfig
from slm.config.origins import PREPARED
from slm.config.run_files import BEST
from slm.errors import UsageError, command_line
from slm.parallel.processes import Process
from slm.presets import command_line_words
from slm.quantities import counted
from slm.reporting.display import say
from slm.runs.settings import (
    length_flags,
    name_of_plan,
    new_run,
    refuse_text_with_prepared,
)

if TYPE_CHECKING:
    from slm.training import TrainingResult


def train(
    context: typer.Context,
    preset: Preset = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Settings in TOML, or a run's config.json."),
    ] = None,
    data: Data = None,
    source: Source = None,
    tokenizer: Tokenizer = None,
    init_from: Annotated[
        str | None,
        typer.Option(
            "--init-from",
            metavar="PATH",
            help="Start from the weights of a run, a checkpoint, hf:owner/name, or builtin.",
        ),
    ] = None,
    teachers: Annotated[
        list[str] | None,
        typer.Option(
            "--teacher",
            metavar="PATH",
            help="Also learn what this model predicts; repeat it for several.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="RUN", help="The run directory.  [runs/PRESET, or runs/M-minutes]"
        ),
    ] = None,
    steps: Steps = None,
    minutes: Minutes = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the run in --out, with its settings.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Archive an existing run in --out and start over.")
    ] = False,
    plan_only: Annotated[
        bool, typer.Option("--plan", help="Print the plan for --minutes and exit.")
    ] = False,
    stop_after: Annotated[
        int | None,
        typer.Option(
            "--stop-after", metavar="N", help="Save and stop after N steps; --resume continues."
        ),
    ] = None,
    limit: StoryLimit = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="N", help="Seed of weights, data order and dropout."),
    ] = None,
    device: Device = None,
    settings: Settings = None,
    more_settings: MoreSettings = None,
    as_json: Json = False,
) -> None:
    """Prepare the data if necessary, train a model, and keep the best and the newest weights.

    With --minutes and neither --preset nor --config, the model, vocabulary, batch size and steps
    are chosen for the time budget, this machine and the text. Without any of the three, the preset
    is modern-12m; see `slm presets`. Text from --source is prepared once, in ./data, and reused.
    Ctrl-C saves and stops.
    """
    flags = only_given(
        {
            "data.data_dir": (_text(data), PREPARED),
            "data.source": (source, "--source"),
            "data.tokenizer": (tokenizer, "--tokenizer"),
            "data.limit": (limit, "--limit"),
            "train.init_from": (init_from, "--init-from"),
            "train.teachers": (teachers or None, "--teacher"),
            "train.out_dir": (_text(out), "--out"),
            "train.seed": (seed, "--seed"),
            "train.device": (device, "--device"),
        }
    )
    _refuse_contradictions(resume=resume, fresh=fresh, stop_after=stop_after)
    flags |= length_flags(steps, minutes)
    changes = assignments(settings, more_settings)
    if plan_only:
        if minutes is None or preset is not None or config is not None or resume:
            raise UsageError(
                "--plan needs --minutes, and neither --preset, --config nor --resume",
                hint="for example: slm train --minutes 10 --source builtin --plan",
            )
        processes = Process.from_environment().world_size
        if processes > 1:
            raise UsageError(
                f"--plan is for one process, and there are {processes}, each of which would find "
                "another plan",
                hint="run the command without torchrun",
            )
        chosen = new_run(None, None, flags, changes, name=name_of_plan(minutes), note=note)
        refuse_idle(context, ["fresh", "stop_after"], "--plan does not start a run")
        refuse_text_with_prepared(chosen, command_line_words(flags, changes))
        _print_plan(chosen, minutes, as_json=as_json, began_at=context.obj)
        return
    request = request_run(
        preset=preset,
        config_file=config,
        flags=flags,
        assignments=changes,
        minutes=minutes,
        resume=resume,
        note=note,
        dashes="--",
    )
    outcome = train_run(
        request,
        existing="resume" if request.resume else "set-aside" if fresh else "refuse",
        stop_after=stop_after,
        began_at=context.obj,
        owns_process=True,
    )
    if Process.from_environment().is_main:
        result = outcome.result
        trained_with = outcome.settings.train
        say_if_finished_before(result, trained_with, "slm", "train", "--out", result.out_dir)
        _print_result(outcome, as_json=as_json)


def _print_plan(settings: RunConfig, minutes: float, *, as_json: bool, began_at: float) -> None:
    from slm.planning.describe import plan_rows
    from slm.planning.plan import plan_run

    plan = plan_run(settings, minutes, owns_process=True)
    if as_json:
        print_json(plan.to_json())
        return
    print_table(plan_rows(plan, seconds_used=time.monotonic() - began_at))
    for warning in plan.warnings:
        say(f"note: {warning}")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _refuse_contradictions(*, resume: bool, fresh: bool, stop_after: int | None) -> None:
    if resume and fresh:
        raise UsageError(
            "--resume and --fresh are both given",
            hint="use --resume to continue, --fresh to restart",
        )
    if stop_after is not None and stop_after < 1:
        raise UsageError(f"--stop-after must be at least 1, found {stop_after}")


def say_if_finished_before(
    result: TrainingResult, config: TrainingConfig, *command: object
) -> None:
    """Report that a resumed run was already finished, and how to train it longer.

    Args:
        result: of the resumed run.
        config: the training settings of the resumed run.
        command: the command that resumes it, without the length.
    """
    finished = finished_before(result, config)
    if finished is None:
        return
    sentence, longer = finished
    words: list[object] = [*command, "--resume"]
    for name, value in longer.items():
        if name == "early_stopping_patience":
            words += ["--set", f"{name}=none"]
        else:
            words += [f"--{name}", f"{value:.10g}"]
    say(f"{sentence}; train it longer with: {command_line(*words)}")


def _print_result(outcome: RunOutcome, *, as_json: bool) -> None:
    result, outlook = outcome.result, outcome.outlook
    planned, restated = (outlook.planned, outlook.restated) if outlook else (None, None)
    best = result.best_validation_loss
    bits_per_byte = outcome.best_bits_per_byte
    if as_json:
        print_json(
            {
                "run": str(result.out_dir),
                "best": None if best is None else str(result.out_dir / BEST),
                "step": result.step,
                "first_step": result.first_step,
                "tokens": result.tokens,
                "train_loss": result.train_loss,
                "validation_loss": result.validation_loss,
                "best_validation_loss": best,
                "best_bits_per_byte": bits_per_byte,
                "expected_bits_per_byte": planned and planned.expected_bits_per_byte,
                "expected_steps": planned and planned.steps,
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
    for name, said in (("as planned", planned), ("as restated", restated)):
        if said is not None:
            figures = (
                f"{said.expected_bits_per_byte:.4f} bits per byte in {counted(said.steps, 'step')}"
            )
            rows.append((name, f"{figures}, as `slm eval` measures them"))
    rows.append(("seconds", f"{result.elapsed_seconds:.1f}"))
    print_table(rows)
    command = command_line("slm", "generate", "--checkpoint", result.out_dir, "Once upon a time")
    say(f"generate text with: {command}")
