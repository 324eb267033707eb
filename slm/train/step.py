"""One optimizer step: gradients of the micro-batches, clipping, and the update.

Nothing here knows of files, schedules or evaluations.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from slm.config import TrainingConfig
from slm.model import GPT
from slm.runtime import Process, autocast, torch_dtype
from slm.train.distributed import average_gradients, sum_over_processes
from slm.train.optim import build_optimizers, set_learning_rates


@dataclass(frozen=True)
class StepOutcome:
    """What a step found."""

    loss: float
    """Mean loss of the step's tokens, over all processes, in nats."""
    grad_norm: float
    """Norm of the whole gradient before clipping."""
    updated: bool
    """False where the loss or the gradient was not finite, and nothing was changed."""
    overflowed: bool = False
    """True where that was a float16 gradient too large for its scale, which is now lower."""
    first_bad_tensor: str | None = None
    """The first parameter whose gradient is not finite."""


class Stepper:
    """Holds the optimizers of a model and makes steps.

    Args:
        model: on its device already.
        config: optimizer, clipping, learning rates.
        device, dtype: of the computation.
        process: this process among those that train together.
    """

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
        state as they were, in all of them.
        """
        self.discard_gradients()
        total_loss = torch.zeros((), device=self.device)
        for x, y in batches:
            with autocast(self.device, self.dtype):
                _, loss = self.model(x, y)
            total_loss += loss.detach()
            self.scaler.scale(loss / n_batches).backward()
        average_gradients(self.parameters.values(), self.process)
        for optimizer in self.optimizers.values():
            self.scaler.unscale_(optimizer)
        grad_norm = self._clip()
        mean_loss = float(total_loss) / n_batches
        if self.process.world_size > 1:
            summed = sum_over_processes([mean_loss], self.process, self.device)
            mean_loss = summed[0] / self.process.world_size
        overflowed_scale = (
            self.scaler.is_enabled() and math.isfinite(mean_loss) and not math.isfinite(grad_norm)
        )
        updated = math.isfinite(mean_loss) and math.isfinite(grad_norm)
        bad_tensor = None if updated else self._first_bad_tensor()
        if updated:
            set_learning_rates(self.optimizers, lr_scale)
            for optimizer in self.optimizers.values():
                self.scaler.step(optimizer)
        # Of a float16 step that overflowed, only this remains: the scaler lowers its scale.
        self.scaler.update()
        self.discard_gradients()
        return StepOutcome(mean_loss, grad_norm, updated, overflowed_scale, bad_tensor)

    def forget(self) -> None:
        """Begin with the optimizers as new, whatever the weights are."""
        for optimizer in self.optimizers.values():
            optimizer.state.clear()

    def discard_gradients(self) -> None:
        """Forget all gradients."""
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)

    def _clip(self) -> float:
        """Norm of the whole gradient, which is then cut to the limit unless it is not finite."""
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        total_norm = nn.utils.get_total_norm(gradients)
        grad_norm, limit = float(total_norm), self.config.grad_clip
        if limit and math.isfinite(grad_norm):
            nn.utils.clip_grads_with_norm_(self.parameters.values(), limit, total_norm)
        return grad_norm

    def _first_bad_tensor(self) -> str | None:
        for name, parameter in self.parameters.items():
            if parameter.grad is not None and not parameter.grad.isfinite().all():
                return name
        return None
