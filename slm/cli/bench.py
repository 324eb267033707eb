"""`slm bench`: speed and memory of training and of generation on this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slm.cli.command import Command
from slm.cli.examples import epilog
from slm.cli.no_effect import note_idle_settings, say_idle
from slm.cli.options import (
    Device,
    Json,
    MoreSettings,
    Preset,
    Settings,
    assignments,
    only_given,
)
from slm.cli.output import print_json, print_table
from slm.errors import UsageError, did_you_mean
from slm.presets import DEFAULT_PRESET, command_line_words, resolve
from slm.quantities import counted
from slm.reporting.display import say

if TYPE_CHECKING:
    from slm.bench.baselines import Baseline, Comparison, GenerationTask, SpeedRatio

MEASURED = (
    "model.",
    *("train.batch_size", "train.gradient_accumulation_steps", "train.optimizer", "train.seed"),
    *("train.learning_rate", "train.muon_", "train.weight_decay", "train.beta", "train.grad_clip"),
    *("train.document_masking", "train.on_nonfinite", "train.device", "train.dtype"),
    *("train.sharding", "train.compile", "train.threads", "train.max_steps", "train.max_minutes"),
)
"""Prefixes of the settings that affect a step; the run's length decides whether to compile."""

app = typer.Typer(rich_markup_mode=None, help="Measure speed and memory.")


@app.callback(epilog=epilog("slm bench"))
def _bench() -> None:
    """Measure speed and memory."""


@app.command(
    "train",
    cls=Command,
    short_help="Measure whole optimizer steps: speed and memory.",
    epilog=epilog("slm bench train"),
)
def bench_train(
    preset: Preset = DEFAULT_PRESET,
    steps: Annotated[
        int, typer.Option("--steps", metavar="N", help="Optimizer steps that are measured.")
    ] = 10,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Prepared data.  [random token ids]"),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Skip the machine's peak speed and the parts of a step."),
    ] = False,
    device: Device = None,
    settings: Settings = None,
    more_settings: MoreSettings = None,
    as_json: Json = False,
) -> None:
    """Measure whole optimizer steps of a preset: tokens/s, GFLOP/s and peak memory.

    Also reported: the machine's matrix multiplication speed, the fraction of it that the steps
    reach, and the time of each part of a step.
    """
    if steps < 1:
        raise UsageError(f"--steps must be at least 1, found {steps}")
    flags = only_given({"train.device": (device, "--device")})
    changes = assignments(settings, more_settings)
    chosen = resolve(preset, flags=flags, assignments=changes)
    words = command_line_words(flags, changes)
    say_idle(
        (word for name, word in words.items() if not name.startswith(MEASURED)),
        "single steps are measured, not a run",
    )
    note_idle_settings(chosen, words)
    from slm.bench.training import measure_training

    figures = measure_training(chosen, data, steps, with_parts=not quick)
    if as_json:
        print_json({"preset": preset, **figures})
        return
    parts = figures.pop("seconds_by_part", {})
    print_table((name.replace("_", " "), _rounded(value)) for name, value in figures.items())
    if parts:
        whole = figures["milliseconds_per_step"] / 1e3
        say("time of a step by part, each part timed alone:")
        print_table(
            (part, f"{1e3 * seconds:,.1f} ms", f"{seconds / whole:.0%}")
            for part, seconds in parts.items()
        )


def _rounded(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.1f}" if value >= 10 else f"{value:.2f}"


@app.command(
    "generate",
    cls=Command,
    short_help="Measure generation, next to llama.cpp and transformers.",
    epilog=epilog("slm bench generate"),
)
def bench_generate(
    preset: Preset = DEFAULT_PRESET,
    dtype: Annotated[
        list[str] | None,
        typer.Option(
            "--dtype",
            metavar="DTYPE",
            help="slm's dtypes: float32, bfloat16 or int8; may be repeated.  [all three]",
        ),
    ] = None,
    streams: Annotated[
        int, typer.Option("--streams", metavar="N", help="Sequences that run together.")
    ] = 64,
    rounds: Annotated[
        int,
        typer.Option(
            "--rounds", metavar="N", help="Repetitions per program; the median is reported."
        ),
    ] = 3,
    no_peers: Annotated[bool, typer.Option("--no-peers", help="Measure slm only.")] = False,
    settings: Settings = None,
    more_settings: MoreSettings = None,
    as_json: Json = False,
) -> None:
    """Measure generation with a preset's shape: a single sequence, and many together.

    The weights are random; sampling uses temperature 0.8 and top-k 50 up to the end of the context,
    on the CPU. If llama.cpp and transformers are installed, they do the same, in turn, each in its
    own process. The time from the start of `slm generate` to its first token is measured as well.
    """
    for name, value in (("--streams", streams), ("--rounds", rounds)):
        if value < 1:
            raise UsageError(f"{name} must be at least 1, found {value}")
    changes = assignments(settings, more_settings)
    chosen = resolve(preset, flags={}, assignments=changes)
    say_idle(
        (w for name, w in command_line_words({}, changes).items() if not name.startswith("model.")),
        "generation depends on the model's shape only",
    )
    from slm.bench.baselines import GenerationTask, measure_in_turn, speed_ratios
    from slm.bench.generation import seconds_to_first_token

    baselines = _selected(dtype, ours_only=no_peers)
    task = GenerationTask(chosen.model, streams=streams)
    comparison = measure_in_turn(baselines, task, rounds, log=say)
    ratios = speed_ratios(baselines, comparison.figures)
    first_token = seconds_to_first_token(chosen, rounds)
    if as_json:
        print_json(
            {
                "preset": preset,
                "rounds": rounds,
                "streams": streams,
                "new_tokens": task.new_tokens,
                "speeds": comparison.figures,
                "absent": comparison.absent,
                "ratios": [asdict(ratio) for ratio in ratios],
                "seconds_to_first_token": first_token,
            }
        )
        return
    _print_speeds(task, comparison)
    _print_ratios(task, ratios)
    say(f"time to first token of `slm generate`, process start included: {first_token:.1f} s")
    for name, reason in comparison.absent.items():
        say(f"{name}: {reason}")


def _selected(dtypes: list[str] | None, *, ours_only: bool) -> list[Baseline]:
    """slm in the chosen dtypes, and the other programs."""
    from slm.bench.baselines import BASELINES, OURS

    known = [baseline.format for baseline in BASELINES if baseline.program == OURS]
    for name in dtypes or []:
        if name not in known:
            raise UsageError(
                f"unknown --dtype {name!r}",
                hint=did_you_mean(name, known) or f"use {', '.join(known)}",
            )
    return [
        baseline
        for baseline in BASELINES
        if (baseline.format in (dtypes or known) if baseline.program == OURS else not ours_only)
    ]


def _print_speeds(task: GenerationTask, comparison: Comparison) -> None:
    def cell(figures: dict[str, float], key: str, unit: str, digits: int = 0) -> str:
        return f"{figures[key]:,.{digits}f} {unit}" if key in figures else ""

    print_table(
        [
            (
                *("", "one sequence", counted(task.streams, "sequence")),
                *("first token", "per token, from", "to", "memory"),
            ),
            *(
                (
                    name,
                    cell(figures, "one", "tokens/s"),
                    cell(figures, "together", "tokens/s"),
                    cell(figures, "first_token_milliseconds", "ms", 1),
                    cell(figures, "first_tokens_microseconds", "us"),
                    cell(figures, "last_tokens_microseconds", "us"),
                    cell(figures, "memory_mb", "MB"),
                )
                for name, figures in comparison.figures.items()
            ),
        ]
    )


def _print_ratios(task: GenerationTask, ratios: list[SpeedRatio]) -> None:
    if not ratios:
        return
    print()
    print_table(
        [
            ("weights of equal size", "one sequence", counted(task.streams, "sequence")),
            *(
                (
                    f"{ratio.ours} / {ratio.baseline}",
                    f"{ratio.one:.2f} x",
                    f"{ratio.together:.2f} x",
                )
                for ratio in ratios
            ),
        ]
    )
