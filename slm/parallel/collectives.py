"""Collective operations among the processes of a run; no-ops for a single process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeGuard

import torch
import torch.distributed
from torch import Tensor, nn

from slm.config import TrainingConfig
from slm.errors import ConfigError, TrainingError
from slm.model.loss import IGNORE_INDEX
from slm.parallel.processes import Process
from slm.quantities import counted

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor


def share_of_micro_batches(config: TrainingConfig, process: Process) -> int:
    """The number of a step's micro-batches per process.

    Raises:
        ConfigError: they cannot be divided evenly.
    """
    total = config.gradient_accumulation_steps
    if total % process.world_size:
        raise ConfigError(
            f"gradient_accumulation_steps {total} cannot be divided "
            f"among {counted(process.world_size, 'process')}",
            hint=f"use a number of processes that divides {total}; for a new run, or set "
            f"gradient_accumulation_steps={total + -total % process.world_size}",
        )
    return total // process.world_size


@contextlib.contextmanager
def _connected() -> Iterator[None]:
    """Turn errors of collectives into errors that explain them.

    Raises:
        TrainingError: another process has died or cannot be reached.
    """
    try:
        yield
    except RuntimeError as error:
        raise _gone(error) from error


@contextlib.contextmanager
def naming_lost_processes() -> Iterator[None]:
    """The same for work that also computes, where a `RuntimeError` may have other causes.

    Raises:
        TrainingError: another process has died or cannot be reached.
    """
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.distributed.DistError) and "gloo" not in str(error):
            raise
        raise _gone(error) from error


def _gone(error: RuntimeError) -> TrainingError:
    return TrainingError(
        f"another process of this run has ended ({str(error).splitlines()[0][:100]})",
        hint="see its own error message; torchrun --max-restarts N restarts all processes, and "
        "the run resumes from its newest checkpoint",
    )


def is_sharded(tensor: object) -> TypeGuard[DTensor]:
    """Whether this tensor is sharded over the processes; see `slm.parallel.fsdp`."""
    return hasattr(tensor, "to_local")  # importing the class would be slow


def copy_from_main(model: nn.Module, process: Process) -> None:
    """Copy the main process's parameters to all processes, except sharded ones."""
    if process.world_size > 1:
        with _connected():
            for parameter in model.parameters():
                if not is_sharded(parameter):
                    torch.distributed.broadcast(parameter.data, src=0)


def average_gradients(parameters: Iterable[nn.Parameter], process: Process) -> None:
    """Replace every gradient by its mean over the processes, in one flat all-reduce.

    At this model size, one large message is faster than overlapping many small ones with the
    backward pass, and micro-batches need no synchronization. Sharded gradients are means already.
    """
    if process.world_size == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None and not is_sharded(p.grad)]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    with _connected():
        torch.distributed.all_reduce(flat)
    flat.div_(process.world_size)
    offset = 0
    for gradient in gradients:
        gradient.copy_(flat[offset : offset + gradient.numel()].view_as(gradient))
        offset += gradient.numel()


def in_step(
    batches: Iterable[tuple[Tensor, Tensor]], process: Process, device: str
) -> Iterator[tuple[Tensor, Tensor]]:
    """The same number of batches in every process: a process without any more gets empty ones.

    For models that all processes must call equally often. The empty batches have no targets.
    """
    own = iter(batches)
    nothing = torch.zeros((1, 1), dtype=torch.int64, device=device)
    while True:
        batch = next(own, None)
        if not any(largest_over_processes([float(batch is not None)], process, device)):
            return
        yield (nothing, nothing + IGNORE_INDEX) if batch is None else batch


def sum_over_processes(values: list[float], process: Process, device: str) -> list[float]:
    """Each value summed over the processes."""
    return _reduced(values, process, device, largest=False)


def largest_over_processes(values: list[float], process: Process, device: str) -> list[float]:
    """The maximum of each value over the processes, for example to agree on stopping."""
    return _reduced(values, process, device, largest=True)


def _reduced(values: list[float], process: Process, device: str, *, largest: bool) -> list[float]:
    if process.world_size == 1:
        return values
    # MPS has no float64; it also has no process group.
    tensor: Tensor = torch.tensor(values, dtype=torch.float64, device=device)
    operation = torch.distributed.ReduceOp.MAX if largest else torch.distributed.ReduceOp.SUM
    with _connected():
        torch.distributed.all_reduce(tensor, op=operation)
    return [float(value) for value in tensor.tolist()]
