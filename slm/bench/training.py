"""Speed of training on this machine: whole steps, the machine's ceiling, and the parts of a step.

The ceiling is the rate of one large matrix multiplication; no step of any model exceeds it. The
parts of a step are timed one at a time, forward and backward, with the shapes that they have in the
step. The rest of the step is the Python between the parts, less what runs overlapped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from slm.config import RunConfig
from slm.data.loader import DataLoader
from slm.data.shards import DataDirectory
from slm.errors import DataError
from slm.hardware.devices import (
    autocast,
    keep_freed_memory,
    peak_memory_bytes,
    resolve_device,
    resolve_dtype,
    set_threads,
    torch_dtype,
)
from slm.model import GPT, model_costs
from slm.model.gpt import Block
from slm.model.loss import chunked_cross_entropy
from slm.parallel.processes import Process
from slm.planning.timing import best_seconds, step_seconds
from slm.runs.data import fit_vocabulary
from slm.runs.guarded_step import GuardedStep
from slm.runs.launch import check_memory
from slm.seeds import seed_everything
from slm.training.compiling import compile_blocks, run_should_compile
from slm.training.step import zero_gradients

WARM_UP_STEPS = 2
MATRIX_SIZE = 2048
SLOW_MATMUL_SECONDS = 0.1
"""No larger matrices are tried once a multiplication takes this long: where bfloat16 is emulated,
the largest would take 20 s."""
MEMORY_BYTES = 1 << 28
"""Size of the memory benchmark; larger than any cache."""

MicroBatches = list[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Ceiling:
    """The highest rates that this machine reaches."""

    bfloat16_gflops: float
    """Matrix multiplications in bfloat16, in 10^9 floating-point operations per second."""
    float32_gflops: float
    memory_gb_per_second: float
    """Reading memory, in 10^9 bytes per second."""

    def of(self, dtype: str) -> float:
        """The rate for a dtype in GFLOP/s; float16 counts as bfloat16."""
        return self.float32_gflops if dtype == "float32" else self.bfloat16_gflops


def measure_training(
    settings: RunConfig, data_dir: Path | None, steps: int, *, with_parts: bool
) -> dict[str, Any]:
    """Time whole optimizer steps.

    Args:
        settings: model and training settings.
        data_dir: prepared data; None: random token ids.
        steps: optimizer steps that are timed.
        with_parts: also measure the machine's ceiling and the parts of a step, in
            `seconds_by_part`.

    Raises:
        ConfigError: the machine does not have enough memory.
        DeviceError: the device is not available.
        DataError: the data cannot be read.
    """
    config = settings.train
    threads = set_threads(config.threads)
    device = resolve_device(config.device)
    check_memory(settings, device)
    dtype = resolve_dtype(config.dtype, device)
    if device == "cpu":
        keep_freed_memory()
    batches, settings = _batches(settings, data_dir, device)
    seed_everything(config.seed)
    model = GPT(settings.model).to(device)
    micro_batches = config.gradient_accumulation_steps
    tokens_per_step = config.batch_size * micro_batches * settings.model.block_size
    compiled = run_should_compile(config, model.config, device, tokens_per_step)
    if compiled:
        compile_blocks(model)
    stepper = GuardedStep(model, config, device=device, dtype=dtype, process=Process())
    if config.document_masking:  # among random ids, any id serves as the separator
        stepper.eot_id = settings.model.vocab_size - 1
    numbers = count()
    seconds = step_seconds(
        lambda: stepper.step(batches(next(numbers)), micro_batches, 1.0),
        device,
        warm_up=WARM_UP_STEPS,
        steps=steps,
    )
    tokens_per_second = tokens_per_step / seconds
    costs = model_costs(settings.model)
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
            "seconds_by_part": seconds_by_part(
                stepper, batches(next(numbers))[0], seconds, micro_batches=micro_batches
            ),
        }
    return figures


def _batches(
    settings: RunConfig, data_dir: Path | None, device: str
) -> tuple[Callable[[int], MicroBatches], RunConfig]:
    """The micro-batches of each step, and settings that fit their vocabulary."""
    config, shape = settings.train, settings.model
    n_micro = config.gradient_accumulation_steps
    if data_dir is None:
        generator = torch.Generator().manual_seed(config.seed)

        def random_ids(step: int) -> MicroBatches:
            size = (n_micro, config.batch_size, shape.block_size + 1)
            ids = torch.randint(shape.vocab_size, size, generator=generator).to(device)
            return [(sequences[:, :-1], sequences[:, 1:]) for sequences in ids]

        return random_ids, settings
    try:
        DataDirectory.open(data_dir)
    except DataError as error:
        hint = "leave out --data to measure on random token ids"
        raise DataError(error.message, hint=hint) from None
    loader = DataLoader(
        config.batch_size, shape.block_size, device, data_dir=data_dir, seed=config.seed
    )

    def from_data(step: int) -> MicroBatches:
        return [loader.batch_at(step * n_micro + k) for k in range(n_micro)]

    return from_data, fit_vocabulary(settings, loader.tokenizer)


def measure_ceiling(device: str) -> Ceiling:
    """Time matrix multiplications up to `MATRIX_SIZE` wide and a pass over memory; some seconds."""

    def seconds(size: int, dtype: torch.dtype, repeats: int) -> float:
        matrix = torch.ones(size, size, dtype=dtype, device=device)
        out = torch.empty_like(matrix)
        return best_seconds(lambda: torch.mm(matrix, matrix, out=out), device, repeats=repeats)

    def gflops(dtype: torch.dtype) -> float:
        size = MATRIX_SIZE // 8
        while size < MATRIX_SIZE and seconds(size, dtype, repeats=1) < SLOW_MATMUL_SECONDS:
            size *= 2
        return 2 * size**3 / seconds(size, dtype, repeats=8) / 1e9

    content = torch.ones(MEMORY_BYTES // 4, device=device)
    reading = best_seconds(lambda: content.sum(), device, repeats=8)
    return Ceiling(gflops(torch.bfloat16), gflops(torch.float32), MEMORY_BYTES / reading / 1e9)


def seconds_by_part(
    stepper: GuardedStep,
    batch: tuple[Tensor, Tensor],
    whole_seconds: float,
    *,
    micro_batches: int = 1,
    repeats: int = 5,
) -> dict[str, float]:
    """How the seconds of a step divide among its parts.

    Args:
        stepper: provides the model and the optimizers; its weights change slightly.
        batch: one micro-batch (x, y).
        whole_seconds: measured seconds of the whole step.
        micro_batches: number of micro-batches of a step.
        repeats: the shortest of this many times counts for each part.

    Returns:
        Seconds for `attention`, `mlp`, `norms`, `head and loss`, `embedding`, `optimizer`,
        `clipping`, and `rest`: the difference to the whole, which may be negative where parts are
        compiled together.
    """
    model, device = stepper.model, stepper.device
    x, y = batch
    shape = (*x.shape, model.config.n_embd)
    hidden = torch.randn(shape, device=device)
    rotation = model._rotation(slice(0, x.size(1)))
    block = model.blocks[0]
    assert isinstance(block, Block)
    n_layer = len(model.blocks)

    def both_ways(forward: Callable[[Tensor], Tensor]) -> float:
        source = hidden.clone().requires_grad_()

        def work() -> None:
            with autocast(device, stepper.dtype):
                out = forward(source)
            torch.autograd.backward(out, torch.ones_like(out))
            source.grad = None

        return micro_batches * best_seconds(work, device, repeats=repeats)

    def head_and_loss(states: Tensor) -> Tensor:
        return chunked_cross_entropy(states.flatten(0, 1), model.head_weight, y.flatten())

    def embed(states: Tensor) -> Tensor:
        embedded: Tensor = model.token_embedding(x)
        return states + embedded

    dtype = torch_dtype(stepper.dtype)
    parts = {
        "attention": n_layer * both_ways(lambda h: block.attention(h.to(dtype), rotation)),
        "mlp": n_layer * both_ways(lambda h: block.mlp(h.to(dtype))),
        "norms": (2 * n_layer + 1) * both_ways(model.final_norm),
        "head and loss": both_ways(head_and_loss),
        "embedding": both_ways(embed),
    }
    _fill_gradients(model)
    parts["clipping"] = best_seconds(
        lambda: stepper.execution.clip(model, stepper.config.grad_clip), device, repeats=repeats
    )
    optimizers: Sequence[torch.optim.Optimizer] = list(stepper.optimizers.values())
    parts["optimizer"] = best_seconds(
        lambda: [optimizer.step() for optimizer in optimizers], device, repeats=repeats
    )
    zero_gradients(stepper.optimizers)
    parts["rest"] = whole_seconds - sum(parts.values())
    return parts


def _fill_gradients(model: GPT) -> None:
    """Give every parameter a small random gradient."""
    for parameter in model.parameters():
        assert isinstance(parameter, nn.Parameter)
        parameter.grad = 1e-6 * torch.randn_like(parameter)
