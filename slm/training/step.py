"""One optimizer step: gradients of the micro-batches, clipping, and the update.

Nothing here knows of files, schedules or evaluations.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from slm.config import TrainingConfig
from slm.model import GPT
from slm.model.attention import document_mask
from slm.parallel.collectives import (
    average_gradients,
    largest_over_processes,
    sum_over_processes,
)
from slm.parallel.fsdp import cut_gradients, local, norm_of
from slm.runtime import Process, autocast, torch_dtype
from slm.training.optim import build_optimizers, set_learning_rates


@dataclass(frozen=True)
class Fault:
    """What of a step is not finite, the first in this order: weights, losses, gradients, update."""

    kind: Literal["weight", "loss", "gradient", "update"]
    tensor: str | None = None
    """The first such parameter; None where it is the whole gradient's norm that overflowed."""
    micro_batch: int | None = None
    """Whose loss it is, counted from 0; None where it is another process's."""

    def __str__(self) -> str:
        if self.kind == "weight":
            return f"the weights {self.tensor} are not finite"
        if self.kind == "update":
            return f"the update made {self.tensor} not finite"
        if self.kind == "gradient":
            what = "norm of the gradient" if self.tensor is None else f"gradient of {self.tensor}"
        elif self.micro_batch is None:
            what = "loss of another process"
        else:
            what = f"loss of micro-batch {self.micro_batch + 1}"
        return f"the {what} is not finite"


@dataclass(frozen=True)
class StepOutcome:
    """What a step found."""

    loss: float
    """Mean loss of the step's tokens, over all processes, in nats."""
    grad_norm: float
    """Norm of the whole gradient before clipping."""
    updated: bool
    """False where something was not finite, and nothing was changed; see `fault`."""
    overflowed: bool = False
    """True where that was a float16 gradient too large for its scale, which is now lower."""
    fault: Fault | None = None
    """What was not finite."""


class Stepper:
    """Holds the optimizers of a model and makes steps.

    Args:
        model: on its device already, whole or sharded.
        config: optimizer, clipping, learning rates.
        device, dtype: of the computation.
        process: this process among those that train together.

    Attributes:
        eot_id: the end-of-text token, where stories do not see each other; None: they do.
    """

    eot_id: int | None = None

    def __init__(
        self, model: GPT, config: TrainingConfig, *, device: str, dtype: str, process: Process
    ) -> None:
        self.model = model
        self.config = config
        self.device = device
        self.dtype = dtype
        self.process = process
        self.parameters: dict[str, nn.Parameter] = dict(model.named_parameters())
        # Where float16 is chosen, bfloat16 is missing or emulated.
        orthogonalisation = "bfloat16" if dtype == "bfloat16" else "float32"
        self.optimizers = build_optimizers(model, config, muon_dtype=torch_dtype(orthogonalisation))
        # float16 gradients underflow without a scale; the other formats need none.
        self.scaler = torch.amp.GradScaler(device.partition(":")[0], enabled=dtype == "float16")

    def step(
        self, batches: Iterable[tuple[Tensor, Tensor]], n_batches: int, lr_scale: float
    ) -> StepOutcome:
        """Accumulate the gradients of `n_batches` micro-batches (x, y) and update the weights.

        A loss or gradient that is not finite, in any process, leaves the weights and the optimizer
        state as they were, in all of them. So does an update that makes a weight not finite, if
        the settings say that such steps are skipped; if not, the weights cannot be used any more.
        """
        self.discard_gradients()
        total_loss = torch.zeros((), device=self.device)
        losses = []
        for x, y in batches:
            attn_mask = None if self.eot_id is None else document_mask(x, self.eot_id)
            with autocast(self.device, self.dtype):
                _, loss = self.model(x, y, attn_mask=attn_mask)
            losses.append(loss.detach())
            total_loss += losses[-1]
            self.scaler.scale(loss / n_batches).backward()
        average_gradients(self.parameters.values(), self.process)
        for optimizer in self.optimizers.values():
            self.scaler.unscale_(optimizer)
        grad_norm = self.clip()
        mean_loss = float(total_loss) / n_batches
        if self.process.world_size > 1:
            summed = sum_over_processes([mean_loss], self.process, self.device)
            mean_loss = summed[0] / self.process.world_size
        overflowed_scale = (
            self.scaler.is_enabled() and math.isfinite(mean_loss) and not math.isfinite(grad_norm)
        )
        if math.isfinite(mean_loss) and math.isfinite(grad_norm):
            set_learning_rates(self.optimizers, lr_scale)
            fault = self._update()
        else:
            fault = self._fault(losses, mean_loss)
        # Of a float16 step that overflowed, only this remains: the scaler lowers its scale.
        self.scaler.update()
        self.discard_gradients()
        return StepOutcome(mean_loss, grad_norm, fault is None, overflowed_scale, fault)

    def _update(self) -> Fault | None:
        """Let the optimizers change the weights; undone where steps may be skipped."""
        before = self._copies() if self.config.on_nonfinite == "skip" else None
        for optimizer in self.optimizers.values():
            self.scaler.step(optimizer)
        # Whatever no loss or gradient showed before shows in the extremes, in one pass.
        weights = [local(p.detach()) for p in self.parameters.values()]
        extremes = [e for w in weights if w.numel() for e in torch.aminmax(w)]
        is_bad = [float(not torch.stack(extremes).isfinite().all())]
        if not any(sum_over_processes(is_bad, self.process, self.device)):
            return None
        fault = Fault("update", self._first_not_finite(self.parameters))
        if before is not None:
            self._put_back(before)
        return fault

    def _copies(self) -> list[tuple[torch.optim.Optimizer, nn.Parameter, Tensor, dict[str, Any]]]:
        """All weights and all optimizer state, as they are now."""
        return [
            (
                optimizer,
                parameter,
                parameter.detach().clone(),
                {
                    key: value.clone() if isinstance(value, Tensor) else value
                    for key, value in optimizer.state.get(parameter, {}).items()
                },
            )
            for optimizer in self.optimizers.values()
            for group in optimizer.param_groups
            for parameter in group["params"]
        ]

    def _put_back(
        self, copies: list[tuple[torch.optim.Optimizer, nn.Parameter, Tensor, dict[str, Any]]]
    ) -> None:
        for optimizer, parameter, weights, state in copies:
            parameter.detach().copy_(weights)
            if state:
                optimizer.state[parameter] = state
            else:  # it was the first step
                optimizer.state.pop(parameter, None)

    def forget(self) -> None:
        """Begin with the optimizers as new, whatever the weights are."""
        for optimizer in self.optimizers.values():
            optimizer.state.clear()

    def discard_gradients(self) -> None:
        """Forget all gradients."""
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)

    def clip(self) -> float:
        """Norm of the whole gradient, which is then cut to the limit unless it is not finite."""
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        total_norm = norm_of(gradients)
        grad_norm, limit = float(total_norm), self.config.grad_clip
        if limit and math.isfinite(grad_norm):
            cut_gradients(self.parameters.values(), limit, total_norm)
        return grad_norm

    def _fault(self, losses: list[Tensor], mean_loss: float) -> Fault:
        """What is not finite, where the loss or the gradient's norm is not.

        All processes come to the same kind and the same tensor.
        """
        if (name := self._first_not_finite(self.parameters)) is not None:
            return Fault("weight", name)
        if not math.isfinite(mean_loss):
            bad = (number for number, loss in enumerate(losses) if not loss.isfinite())
            return Fault("loss", micro_batch=next(bad, None))
        gradients = {
            name: parameter.grad
            for name, parameter in self.parameters.items()
            if parameter.grad is not None
        }
        return Fault("gradient", self._first_not_finite(gradients))

    def _first_not_finite(self, tensors: Mapping[str, Tensor]) -> str | None:
        """The name of the first such tensor, whichever process has it."""
        is_bad = [float(not local(t.detach()).isfinite().all()) for t in tensors.values()]
        anywhere = largest_over_processes(is_bad, self.process, self.device)
        return next((name for name, bad in zip(tensors, anywhere, strict=True) if bad), None)
