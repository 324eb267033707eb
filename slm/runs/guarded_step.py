"""A training step of a long run: `train_step` for several processes, with checks for finite values.

A non-finite loss, gradient or weight must not spread: the step is skipped or undone, and the fault
is reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from slm.config import TrainingConfig
from slm.hardware.devices import torch_dtype
from slm.model import GPT
from slm.parallel.collectives import (
    average_gradients,
    largest_over_processes,
    sum_over_processes,
)
from slm.parallel.fsdp import FSDP_SHARDING, clip_by_norm, local, total_norm
from slm.parallel.processes import Process
from slm.training.distillation import Teachers
from slm.training.optim import build_optimizers
from slm.training.step import Execution, Optimizers, StepMetrics, train_step


@dataclass(frozen=True)
class NonFinite:
    """The first non-finite value in this order: weights, losses, gradients, update."""

    kind: Literal["weight", "loss", "gradient", "update"]
    tensor: str | None = None
    """The first such parameter; None if only the global gradient norm overflowed."""
    micro_batch: int | None = None
    """The micro-batch of the loss, counted from 0; None if another process computed it."""

    def __str__(self) -> str:
        if self.kind == "weight":
            return f"the weights {self.tensor} are non-finite"
        if self.kind == "update":
            return f"the update made {self.tensor} non-finite"
        if self.kind == "gradient":
            what = "norm of the gradient" if self.tensor is None else f"gradient of {self.tensor}"
        elif self.micro_batch is None:
            what = "loss of another process"
        else:
            what = f"loss of micro-batch {self.micro_batch + 1}"
        return f"the {what} is non-finite"


@dataclass(frozen=True)
class StepOutcome:
    """The result of a step."""

    loss: float
    """Mean loss of the step's tokens, over all processes, in nats."""
    grad_norm: float
    """Global gradient norm before clipping."""
    updated: bool
    """False if a value was non-finite and nothing was changed; see `fault`."""
    overflowed: bool = False
    """Whether a float16 gradient was too large for its scale, which is now lower."""
    fault: NonFinite | None = None


class ParallelExecution(Execution):
    """Execution in several processes, with replicated or sharded models; no-ops for one."""

    def __init__(self, device: str, dtype: str, process: Process) -> None:
        super().__init__(device, dtype)
        self.process = process

    def finish_gradients(self, model: GPT, optimizers: Optimizers) -> None:
        """Average the gradients over the processes; see `Execution`."""
        average_gradients(model.parameters(), self.process)
        super().finish_gradients(model, optimizers)

    def clip(self, model: GPT, limit: float) -> float:
        """See `Execution`."""
        norm = total_norm(p.grad for p in model.parameters() if p.grad is not None)
        grad_norm = float(norm)
        if limit and math.isfinite(grad_norm):
            clip_by_norm(model.parameters(), limit, norm)
        return grad_norm

    def mean_loss(self, losses: list[Tensor]) -> float:
        """See `Execution`."""
        loss = super().mean_loss(losses)
        if self.process.world_size == 1:
            return loss
        summed = sum_over_processes([loss], self.process, self.device)
        return summed[0] / self.process.world_size


class GuardedStep:
    """The optimizers of a model, and steps with checks for finite values.

    A non-finite loss or gradient in any process leaves weights and optimizer state unchanged in all
    processes. So does an update that makes a weight non-finite, if the settings say that such steps
    are skipped; otherwise the weights are no longer usable.

    Args:
        model: on its device, replicated or sharded.
        config: optimizer, clipping and learning rates.
        device, dtype: of the computation.
        process: this process.

    Attributes:
        eot_id: the end-of-text token for document masking; None: no masking.
        teachers: whose predictions the model learns; None: only the tokens that follow.
        before_update: called just before the weights and the optimizer state change.
    """

    eot_id: int | None = None
    teachers: Teachers | None = None
    before_update: Callable[[], None] | None = None

    def __init__(
        self, model: GPT, config: TrainingConfig, *, device: str, dtype: str, process: Process
    ) -> None:
        self.model = model
        self.config = config
        self.device = device
        self.dtype = dtype
        self.process = process
        self.parameters: dict[str, nn.Parameter] = dict(model.named_parameters())
        # If float16 is chosen, bfloat16 is missing or emulated.
        muon_dtype = torch_dtype("bfloat16" if dtype == "bfloat16" else "float32")
        self.optimizers = build_optimizers(
            model, config, muon_dtype=muon_dtype, sharding=FSDP_SHARDING
        )
        self.execution = ParallelExecution(device, dtype, process)

    def step(
        self, micro_batches: Iterable[tuple[Tensor, Tensor]], n_micro_batches: int, lr_scale: float
    ) -> StepOutcome:
        """Perform one step; see `slm.training.step.train_step`."""
        fault: NonFinite | None = None
        before: list[WeightsCopy] | None = None

        def may_update(metrics: StepMetrics) -> bool:
            nonlocal fault, before
            if not (math.isfinite(metrics.loss) and math.isfinite(metrics.grad_norm)):
                fault = self._fault_of(metrics)
            else:
                if self.config.on_nonfinite == "skip":
                    before = self.weights_copies()
                if self.before_update is not None:
                    self.before_update()
            return fault is None

        metrics = train_step(
            self.model,
            self.optimizers,
            micro_batches,
            n_micro_batches,
            lr_scale,
            grad_clip=self.config.grad_clip,
            eot_id=self.eot_id,
            teachers=self.teachers,
            execution=self.execution,
            may_update=may_update,
        )
        overflowed = (
            self.execution.scaler.is_enabled()
            and math.isfinite(metrics.loss)
            and not math.isfinite(metrics.grad_norm)
        )
        if fault is None and not self._weights_are_finite():
            fault = NonFinite("update", self._first_not_finite(self.parameters))
            if before is not None:
                restore_weights(before)
        return StepOutcome(metrics.loss, metrics.grad_norm, fault is None, overflowed, fault)

    def renew_scaler(self, state: dict[str, Any]) -> None:
        """Use a new gradient scaler with the state of an earlier one."""
        kind = self.device.partition(":")[0]
        scaler = torch.amp.GradScaler(kind, enabled=self.execution.scaler.is_enabled())
        scaler.load_state_dict(state)
        self.execution.scaler = scaler

    def reset_optimizers(self) -> None:
        """Drop all optimizer state."""
        for optimizer in self.optimizers.values():
            optimizer.state.clear()

    def _weights_are_finite(self) -> bool:
        """Whether all weights are finite in all processes, from minimum and maximum in one pass."""
        weights = [local(p.detach()) for p in self.parameters.values()]
        extremes = [e for w in weights if w.numel() for e in torch.aminmax(w)]
        is_bad = [float(not torch.stack(extremes).isfinite().all())]
        return not any(sum_over_processes(is_bad, self.process, self.device))

    def weights_copies(self) -> list[WeightsCopy]:
        """Copies of all weights and all optimizer state."""
        return [
            WeightsCopy.of(optimizer, parameter)
            for optimizer in self.optimizers.values()
            for group in optimizer.param_groups
            for parameter in group["params"]
        ]

    def _fault_of(self, metrics: StepMetrics) -> NonFinite:
        """The fault of a step whose loss or gradient norm is non-finite.

        All processes find the same kind and the same tensor.
        """
        if (name := self._first_not_finite(self.parameters)) is not None:
            return NonFinite("weight", name)
        if not math.isfinite(metrics.loss):
            bad = (number for number, loss in enumerate(metrics.losses) if not loss.isfinite())
            return NonFinite("loss", micro_batch=next(bad, None))
        gradients = {
            name: parameter.grad
            for name, parameter in self.parameters.items()
            if parameter.grad is not None
        }
        return NonFinite("gradient", self._first_not_finite(gradients))

    def _first_not_finite(self, tensors: Mapping[str, Tensor]) -> str | None:
        """The name of the first such tensor in any process."""
        is_bad = [float(not local(t.detach()).isfinite().all()) for t in tensors.values()]
        anywhere = largest_over_processes(is_bad, self.process, self.device)
        return next((name for name, bad in zip(tensors, anywhere, strict=True) if bad), None)


@dataclass(frozen=True)
class WeightsCopy:
    """A copy of a parameter's weights and optimizer state."""

    optimizer: torch.optim.Optimizer
    parameter: nn.Parameter
    weights: Tensor
    state: dict[str, Any]

    @classmethod
    def of(cls, optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> WeightsCopy:
        """Copy a parameter and its optimizer state."""
        state = {
            key: value.clone() if isinstance(value, Tensor) else value
            for key, value in optimizer.state.get(parameter, {}).items()
        }
        return cls(optimizer, parameter, parameter.detach().clone(), state)


def restore_weights(copies: Iterable[WeightsCopy]) -> None:
    """Restore parameters and optimizer state from their copies."""
    for copy in copies:
        copy.parameter.detach().copy_(copy.weights)
        if copy.state:
            copy.optimizer.state[copy.parameter] = copy.state
        else:  # it was the first step
            copy.optimizer.state.pop(copy.parameter, None)
