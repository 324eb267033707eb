"""What the processes of one run say to each other. Alone, all of it is free."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed
from torch import Tensor, nn

from slm.config import TrainingConfig
from slm.errors import ConfigError
from slm.runtime import Process


def share_of_micro_batches(config: TrainingConfig, process: Process) -> int:
    """How many of a step's micro-batches each process makes.

    Raises:
        ConfigError: they cannot be divided evenly.
    """
    total = config.gradient_accumulation_steps
    if total % process.world_size:
        raise ConfigError(
            f"gradient_accumulation_steps {total} cannot be divided "
            f"among {process.world_size} processes",
            hint=f"set gradient_accumulation_steps={process.world_size}",
        )
    return total // process.world_size


def copy_from_main(model: nn.Module, process: Process) -> None:
    """Give every process the main process's parameters."""
    if process.world_size > 1:
        for parameter in model.parameters():
            torch.distributed.broadcast(parameter.data, src=0)


def average_gradients(parameters: Iterable[nn.Parameter], process: Process) -> None:
    """Replace every gradient by its mean over the processes, in one flat all-reduce.

    At this size one large message beats overlapping many small ones with the backward pass, and
    micro-batches in between need no synchronisation at all.
    """
    if process.world_size == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    torch.distributed.all_reduce(flat)
    flat.div_(process.world_size)
    offset = 0
    for gradient in gradients:
        gradient.copy_(flat[offset : offset + gradient.numel()].view_as(gradient))
        offset += gradient.numel()


def sum_over_processes(values: list[float], process: Process, device: str) -> list[float]:
    """Each value summed over the processes."""
    return _reduced(values, process, device, largest=False)


def largest_over_processes(values: list[float], process: Process, device: str) -> list[float]:
    """Each value's largest over the processes: how they agree on a clock, or on stopping."""
    return _reduced(values, process, device, largest=True)


def _reduced(values: list[float], process: Process, device: str, *, largest: bool) -> list[float]:
    if process.world_size == 1:
        return values
    # MPS has no float64; it also has no process group.
    tensor: Tensor = torch.tensor(values, dtype=torch.float64, device=device)
    operation = torch.distributed.ReduceOp.MAX if largest else torch.distributed.ReduceOp.SUM
    torch.distributed.all_reduce(tensor, op=operation)
    return [float(value) for value in tensor.tolist()]
