"""How fast this machine could train, how fast it does, and where the time of a step goes.

The ceiling is the rate of one large matrix product: no step of any model is faster. The parts of a
step are timed one by one, each alone with the shapes that it has in the step, forward and backward;
what they leave of the whole step is the Python between them, and what they hide from each other.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from slm.model import GPT
from slm.model.gpt import Block
from slm.model.loss import chunked_cross_entropy
from slm.runtime import autocast, torch_dtype
from slm.train.step import Stepper

PRODUCT_SIZE = 2048
SLOW_PRODUCT_SECONDS = 0.1
"""A product that takes as long is large enough: emulated formats take 20 s for the largest."""
MEMORY_BYTES = 1 << 28
"""Read to time the memory: larger than any cache."""


@dataclass(frozen=True)
class Ceiling:
    """What a machine reaches where nothing is in the way."""

    bfloat16_gflops: float
    """Of matrix products in bfloat16, in 10^9 floating-point operations a second."""
    float32_gflops: float
    memory_gb_per_second: float
    """Reading memory, in 10^9 bytes a second."""

    def of(self, dtype: str) -> float:
        """The rate of products in a number format, in GFLOP/s; float16 counts as bfloat16."""
        return self.float32_gflops if dtype == "float32" else self.bfloat16_gflops


def measure_ceiling(device: str) -> Ceiling:
    """Time products of matrices up to `PRODUCT_SIZE` wide, and a pass over memory; some seconds."""

    def seconds(size: int, dtype: torch.dtype, repeats: int) -> float:
        matrix = torch.ones(size, size, dtype=dtype, device=device)
        out = torch.empty_like(matrix)
        return best_seconds(lambda: torch.mm(matrix, matrix, out=out), device, repeats=repeats)

    def products(dtype: torch.dtype) -> float:
        size = PRODUCT_SIZE // 8
        while size < PRODUCT_SIZE and seconds(size, dtype, repeats=1) < SLOW_PRODUCT_SECONDS:
            size *= 2
        return 2 * size**3 / seconds(size, dtype, repeats=8) / 1e9

    content = torch.ones(MEMORY_BYTES // 4, device=device)
    reading = best_seconds(lambda: content.sum(), device, repeats=8)
    return Ceiling(products(torch.bfloat16), products(torch.float32), MEMORY_BYTES / reading / 1e9)


def step_seconds(
    step: Callable[[], object],
    device: str,
    *,
    warm_up: int,
    steps: int,
    enough_seconds: float = math.inf,
) -> float:
    """Median seconds of a step, after some that do not count.

    Args:
        step: makes one.
        device: whose work is waited for.
        warm_up: steps that do not count.
        steps: those that do, at most.
        enough_seconds: when these have taken so long and are two at least, no more are made.
    """
    for _ in range(warm_up):
        _seconds(step, device)
    seconds: list[float] = []
    while len(seconds) < steps and (len(seconds) < 2 or sum(seconds) < enough_seconds):
        seconds.append(_seconds(step, device))
    return statistics.median(seconds)


def best_seconds(work: Callable[[], object], device: str, *, repeats: int) -> float:
    """The least time that some work took, after once for nothing."""
    return min([_seconds(work, device) for _ in range(repeats + 1)][1:])


def _seconds(work: Callable[[], object], device: str) -> float:
    started_at = time.perf_counter()
    work()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return time.perf_counter() - started_at


def seconds_by_part(
    stepper: Stepper,
    batch: tuple[Tensor, Tensor],
    whole_seconds: float,
    *,
    micro_batches: int = 1,
    repeats: int = 5,
) -> dict[str, float]:
    """Where the seconds of a step go, as the parts take them one by one.

    Args:
        stepper: whose model and optimizers are timed; its weights move a little.
        batch: one micro-batch (x, y).
        whole_seconds: of the whole step, as measured.
        micro_batches: how many a step has.
        repeats: each part's time is the least of so many.

    Returns:
        Seconds for `attention`, `mlp`, `norms`, `head and loss`, `embedding`, `optimizer`,
        `clipping`, and `rest`, which is what is missing to the whole and may be negative where
        parts are compiled together.
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

    format_ = torch_dtype(stepper.dtype)
    parts = {
        "attention": n_layer * both_ways(lambda h: block.attention(h.to(format_), rotation)),
        "mlp": n_layer * both_ways(lambda h: block.mlp(h.to(format_))),
        "norms": (2 * n_layer + 1) * both_ways(model.final_norm),
        "head and loss": both_ways(head_and_loss),
        "embedding": both_ways(embed),
    }
    _fill_gradients(model)
    parts["clipping"] = best_seconds(stepper.clip, device, repeats=repeats)
    optimizers: Sequence[torch.optim.Optimizer] = list(stepper.optimizers.values())
    parts["optimizer"] = best_seconds(
        lambda: [optimizer.step() for optimizer in optimizers], device, repeats=repeats
    )
    stepper.discard_gradients()
    parts["rest"] = whole_seconds - sum(parts.values())
    return parts


def _fill_gradients(model: GPT) -> None:
    """Give every parameter a small random gradient."""
    for parameter in model.parameters():
        assert isinstance(parameter, nn.Parameter)
        parameter.grad = 1e-6 * torch.randn_like(parameter)
