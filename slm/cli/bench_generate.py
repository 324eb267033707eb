"""`slm bench generate`: how fast this machine tells stories, beside other programs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slm.cli.no_effect import say_idle
from slm.cli.options import Json, MoreSettings, Preset, Settings, assignments
from slm.cli.output import print_json, print_table, say
from slm.config import RunConfig
from slm.errors import UsageError, did_you_mean
from slm.presets import DEFAULT_PRESET, command_line_words, resolve
from slm.quantities import counted

if TYPE_CHECKING:
    from slm.peers import Contender, Ratio, Results, Task


def bench_generate(
    preset: Preset = DEFAULT_PRESET,
    dtype: Annotated[
        list[str] | None,
        typer.Option(
            "--dtype",
            metavar="FORMAT",
            help="Ours: float32, bfloat16 or int8; may be given several times.  [all three]",
        ),
    ] = None,
    streams: Annotated[
        int, typer.Option("--streams", metavar="N", help="Texts that run together.")
    ] = 64,
    rounds: Annotated[
        int,
        typer.Option(
            "--rounds", metavar="N", help="How often each has its turn; the median counts."
        ),
    ] = 3,
    no_peers: Annotated[bool, typer.Option("--no-peers", help="Measure ours alone.")] = False,
    settings: Settings = None,
    more_settings: MoreSettings = None,
    as_json: Json = False,
) -> None:
    """Measure generation with a preset's shape: one text alone, and many together.

    Random weights, temperature 0.8, top-k 50, up to the context's end, on the CPU. Beside ours
    llama.cpp and transformers do the same, where they are installed: each in a process of its own,
    in turn. Then: how long `slm generate` takes from its start to the first letter.
    """
    for name, value in (("--streams", streams), ("--rounds", rounds)):
        if value < 1:
            raise UsageError(f"{name} must be at least 1, found {value}")
    changes = assignments(settings, more_settings)
    chosen = resolve(preset, flags={}, assignments=changes)
    say_idle(
        (w for name, w in command_line_words({}, changes).items() if not name.startswith("model.")),
        "generation depends on the model's shape alone",
    )
    from slm.peers import Task, ratios, run_rounds

    contenders = _chosen(dtype, with_peers=not no_peers)
    task = Task(chosen.model, streams=streams)
    results = run_rounds(contenders, task, rounds, say=say)
    found = ratios(contenders, results.figures)
    start = _seconds_to_first_letter(chosen, rounds)
    if as_json:
        print_json(
            {
                "preset": preset,
                "rounds": rounds,
                "streams": streams,
                "new_tokens": task.new_tokens,
                "speeds": results.figures,
                "absent": results.absent,
                "ratios": [asdict(ratio) for ratio in found],
                "seconds_to_first_letter": start,
            }
        )
        return
    _print_speeds(task, results)
    _print_ratios(task, found)
    say(f"from the start of `slm generate` to the first letter: {start:.1f} s")
    for name, reason in results.absent.items():
        say(f"{name}: {reason}")


def _chosen(dtypes: list[str] | None, *, with_peers: bool) -> list[Contender]:
    """Ours in the formats that are wanted, and the others."""
    from slm.peers import CONTENDERS
    from slm.peers.contenders import OURS

    known = [contender.format for contender in CONTENDERS if contender.program == OURS]
    for name in dtypes or []:
        if name not in known:
            raise UsageError(
                f"--dtype {name!r} is not known",
                hint=did_you_mean(name, known) or f"use {', '.join(known)}",
            )
    return [
        contender
        for contender in CONTENDERS
        if (contender.format in (dtypes or known) if contender.program == OURS else with_peers)
    ]


def _print_speeds(task: Task, results: Results) -> None:
    def shown(figures: dict[str, float], key: str, unit: str, digits: int = 0) -> str:
        return f"{figures[key]:,.{digits}f} {unit}" if key in figures else ""

    print_table(
        [
            (
                *("", "one text", counted(task.streams, "text")),
                *("first token", "a token, from", "to", "memory"),
            ),
            *(
                (
                    name,
                    shown(figures, "one", "tokens/s"),
                    shown(figures, "together", "tokens/s"),
                    shown(figures, "first_token_milliseconds", "ms", 1),
                    shown(figures, "first_tokens_microseconds", "us"),
                    shown(figures, "last_tokens_microseconds", "us"),
                    shown(figures, "memory_mb", "MB"),
                )
                for name, figures in results.figures.items()
            ),
        ]
    )


def _print_ratios(task: Task, found: list[Ratio]) -> None:
    if not found:
        return
    print()
    print_table(
        [
            ("weights of equal size", "one text", counted(task.streams, "text")),
            *(
                (
                    f"{ratio.ours} / {ratio.peer}",
                    f"{ratio.one:.2f} times",
                    f"{ratio.together:.2f} times",
                )
                for ratio in found
            ),
        ]
    )


def _seconds_to_first_letter(settings: RunConfig, starts: int) -> float:
    """From the start of the command to the first letter that it adds; the median of some starts.

    A checkpoint of this shape is written for it, with random weights and bytes as tokens.
    """
    import torch

    from slm.checkpoint import TrainingState, save_checkpoint
    from slm.model import GPT
    from slm.tokenizer.byte_level import BytesTokenizer

    tokenizer = BytesTokenizer()
    size = max(settings.model.vocab_size, tokenizer.vocab_size)
    settings = settings.with_values({"model.vocab_size": size}, "slm bench")
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "random")
        save_checkpoint(
            path,
            model_state=GPT(settings.model).state_dict(),
            config=settings,
            tokenizer=tokenizer,
            state=TrainingState(0, 0, 0.0, None, 0, ""),
        )
        return statistics.median(_one_start(path) for _ in range(starts))


def _one_start(checkpoint: Path) -> float:
    prompt = "Once upon a time"
    command = [sys.executable, "-m", "slm", "generate", "--checkpoint", str(checkpoint), prompt]
    started_at = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.read(len(prompt) + 1)
        seconds = time.perf_counter() - started_at
        process.terminate()
    return seconds
