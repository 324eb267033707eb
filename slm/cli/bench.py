"""`slm bench`: how fast this machine trains; for generation see `slm.cli.bench_generate`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slm.cli.bench_generate import bench_generate
from slm.cli.no_effect import Command, note_idle_settings, say_idle
from slm.cli.options import (
    Device,
    Json,
    MoreSettings,
    Preset,
    Settings,
    assignments,
    given,
)
from slm.cli.output import print_json, print_table, say
from slm.config import RunConfig
from slm.errors import DataError, UsageError
from slm.presets import DEFAULT_PRESET, command_line_words, resolve
from slm.runtime import peak_memory_bytes

if TYPE_CHECKING:
    from torch import Tensor

    Batches = Callable[[int], list[tuple[Tensor, Tensor]]]

WARM_UP_STEPS = 2
MEASURED = (
    "model.",
    *("train.batch_size", "train.gradient_accumulation_steps", "train.optimizer", "train.seed"),
    *("train.learning_rate", "train.muon_", "train.weight_decay", "train.beta", "train.grad_clip"),
    *("train.attend_within", "train.on_nonfinite", "train.device", "train.dtype", "train.sharding"),
    *("train.compile", "train.threads", "train.max_steps", "train.max_minutes"),
)
"""How the names of settings begin that have a part in a step; a long run is worth compiling."""

app = typer.Typer(rich_markup_mode=None, help="Measure speed and memory.")


@app.callback()
def _bench() -> None:
    """Measure speed and memory."""


@app.command("train", cls=Command, short_help="Speed and memory of whole optimizer steps.")
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
        bool, typer.Option("--quick", help="Leave out the machine's ceiling and the parts.")
    ] = False,
    device: Device = None,
    settings: Settings = None,
    more_settings: MoreSettings = None,
    as_json: Json = False,
) -> None:
    """Measure whole optimizer steps of a preset: tokens/s, GFLOP/s and peak memory.

    Then the machine's own ceiling, which share of it the steps reach, and where their time goes.
    """
    if steps < 1:
        raise UsageError(f"--steps must be at least 1, found {steps}")
    flags = given({"train.device": (device, "--device")})
    changes = assignments(settings, more_settings)
    chosen = resolve(preset, flags=flags, assignments=changes)
    words = command_line_words(flags, changes)
    say_idle(
        (word for name, word in words.items() if not name.startswith(MEASURED)),
        "a step is measured, not a run",
    )
    note_idle_settings(chosen, words)
    figures = _measure(chosen, data, steps, with_parts=not quick)
    if as_json:
        print_json({"preset": preset, **figures})
        return
    parts = figures.pop("seconds_by_part", {})
    print_table((name.replace("_", " "), _shown(value)) for name, value in figures.items())
    if parts:
        whole = figures["milliseconds_per_step"] / 1e3
        say("where the time of a step goes, each part timed alone:")
        print_table(
            (part, f"{1e3 * seconds:,.1f} ms", f"{seconds / whole:.0%}")
            for part, seconds in parts.items()
        )


app.command(
    "generate",
    cls=Command,
    short_help="Speed of generation beside llama.cpp and transformers.",
)(bench_generate)


def _shown(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.1f}" if value >= 10 else f"{value:.2f}"


def _measure(
    settings: RunConfig, data: Path | None, steps: int, *, with_parts: bool
) -> dict[str, Any]:
    from slm.model import GPT, costs_of
    from slm.runtime import (
        Process,
        keep_freed_memory,
        resolve_device,
        resolve_dtype,
        seed_everything,
        set_threads,
    )
    from slm.train.compiling import compile_blocks, worth_compiling
    from slm.train.run import check_memory
    from slm.train.speed import measure_ceiling, seconds_by_part, step_seconds
    from slm.train.step import Stepper

    config = settings.train
    threads = set_threads(config.threads)
    device = resolve_device(config.device)
    check_memory(settings, device)
    dtype = resolve_dtype(config.dtype, device)
    if device == "cpu":
        keep_freed_memory()
    batches, settings = _batches(settings, data, device)
    seed_everything(config.seed)
    model = GPT(settings.model).to(device)
    micro_batches = config.gradient_accumulation_steps
    tokens_per_step = config.batch_size * micro_batches * settings.model.block_size
    compiled = worth_compiling(config, model, device, tokens_per_step)
    if compiled:
        compile_blocks(model)
    stepper = Stepper(model, config, device=device, dtype=dtype, process=Process())
    if config.attend_within == "story":  # of random ids, any will do
        stepper.eot_id = settings.model.vocab_size - 1
    numbers = count()
    seconds = step_seconds(
        lambda: stepper.step(batches(next(numbers)), micro_batches, 1.0),
        device,
        warm_up=WARM_UP_STEPS,
        steps=steps,
    )
    tokens_per_second = tokens_per_step / seconds
    costs = costs_of(settings.model)
    gflops = tokens_per_second * costs.training_flops_per_token / 1e9
    figures: dict[str, Any] = {
        "parameters": costs.parameters,
        "device": device,
        "dtype": dtype,
        "compiled": compiled,
        "threads": threads,
        "steps": steps,
        "tokens_per_step": tokens_per_step,
        "milliseconds_per_step": 1e3 * seconds,
        "tokens_per_second": tokens_per_second,
        "gflops_per_second": gflops,
        "peak_memory_mb": peak_memory_bytes(device) / 1e6,
    }
    if with_parts:
        ceiling = measure_ceiling(device)
        figures |= {
            "ceiling_bfloat16_gflops": ceiling.bfloat16_gflops,
            "ceiling_float32_gflops": ceiling.float32_gflops,
            "memory_gb_per_second": ceiling.memory_gb_per_second,
            "utilization": gflops / ceiling.of(dtype),
        }
        parts = seconds_by_part(
            stepper, batches(next(numbers))[0], seconds, micro_batches=micro_batches
        )
        figures["seconds_by_part"] = parts
    return figures


def _batches(settings: RunConfig, data: Path | None, device: str) -> tuple[Batches, RunConfig]:
    """The micro-batches of each step, and settings that fit them."""
    import torch

    config, shape = settings.train, settings.model
    count = config.gradient_accumulation_steps
    if data is None:
        generator = torch.Generator().manual_seed(config.seed)

        def random_ids(step: int) -> list[tuple[Tensor, Tensor]]:
            size = (count, config.batch_size, shape.block_size + 1)
            ids = torch.randint(shape.vocab_size, size, generator=generator).to(device)
            return [(row[:, :-1], row[:, 1:]) for row in ids]

        return random_ids, settings
    from slm.data.loader import DataLoader
    from slm.data.shards import DataDirectory
    from slm.train.run_data import fit_vocabulary

    try:
        DataDirectory.open(data)
    except DataError as error:
        raise DataError(
            error.message, hint="leave out --data to measure on random token ids"
        ) from None

    loader = DataLoader(
        config.batch_size, shape.block_size, device, data_dir=data, seed=config.seed
    )

    def from_data(step: int) -> list[tuple[Tensor, Tensor]]:
        return [loader.batch_at(step * count + k) for k in range(count)]

    return from_data, fit_vocabulary(settings, loader.tokenizer)
