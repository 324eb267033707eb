"""One optimizer step: the gradients of the micro-batches, clipping, and the update.

`train_step` is all of the arithmetic. What a long run adds around it is handed in: several
processes and loss scaling by an `Execution`, the check of every number by `may_update`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from slm.hardware.devices import autocast
from slm.model import GPT
from slm.model.attention import document_mask
from slm.training.distillation import Teachers
from slm.training.optim import set_learning_rates

Optimizers = Mapping[str, torch.optim.Optimizer]


@dataclass(frozen=True)
class StepMetrics:
    """The losses and the gradient norm of a step, which are known before its update."""

    losses: list[Tensor]
    """The loss of each micro-batch of this process."""
    loss: float
    """Mean loss of the step's tokens, over all processes, in nats."""
    grad_norm: float
    """Norm of the whole gradient before clipping."""


class Execution:
    """How the arithmetic of a step runs: here on one device, in one process.

    Args:
        device: of the model.
        dtype: of the matrix multiplications.
    """

    def __init__(self, device: str = "cpu", dtype: str = "float32") -> None:
        self.device = device
        self.dtype = dtype
        # float16 gradients underflow without a scale; the other dtypes need none.
        self.scaler = torch.amp.GradScaler(device.partition(":")[0], enabled=dtype == "float16")

    def finish_gradients(self, model: GPT, optimizers: Optimizers) -> None:
        """Turn the accumulated gradients into those of the loss."""
        for optimizer in optimizers.values():
            self.scaler.unscale_(optimizer)

    def clip(self, model: GPT, limit: float) -> float:
        """Scale the gradient down to a norm of at most `limit` (0: no limit).

        A non-finite norm changes nothing.

        Returns:
            The norm of the whole gradient before clipping.
        """
        norm = nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
        if limit and norm.isfinite():
            nn.utils.clip_grads_with_norm_(model.parameters(), limit, norm)
        return float(norm)

    def mean_loss(self, losses: list[Tensor]) -> float:
        """The mean over the micro-batches of all processes."""
        total = torch.zeros((), device=self.device)
        for loss in losses:
            total += loss
        return float(total) / len(losses)


def train_step(
    model: GPT,
    optimizers: Optimizers,
    micro_batches: Iterable[tuple[Tensor, Tensor]],
    n_micro_batches: int,
    lr_scale: float,
    *,
    grad_clip: float,
    eot_id: int | None = None,
    teachers: Teachers | None = None,
    execution: Execution | None = None,
    may_update: Callable[[StepMetrics], bool] = lambda metrics: True,
) -> StepMetrics:
    """Average the gradients of the micro-batches, clip them, and update the weights.

    Args:
        model, optimizers: changed in place; all gradients are cleared.
        micro_batches: pairs (x, y) of [B, T] ids.
        n_micro_batches: number of micro-batches.
        lr_scale: learning rates as a share of their peaks.
        grad_clip: maximum global gradient norm; 0: no limit.
        eot_id: the end-of-text token for document masking; None: no masking.
        teachers: whose predictions are learned; None: only the tokens that follow.
        execution: device, dtype and processes; None: float32 on the CPU.
        may_update: called before the update; if it returns False, the weights do not change.
    """
    execution = execution or Execution()
    zero_gradients(optimizers)
    losses: list[Tensor] = []
    for x, y in micro_batches:
        attn_mask = None if eot_id is None else document_mask(x, eot_id)
        with autocast(execution.device, execution.dtype):
            soft = None if teachers is None else teachers.soft_targets(x, y, attn_mask=attn_mask)
            _, loss = model(x, y, attn_mask=attn_mask, soft_targets=soft)
        losses.append(loss.detach())
        execution.scaler.scale(loss / n_micro_batches).backward()
    execution.finish_gradients(model, optimizers)
    grad_norm = execution.clip(model, grad_clip)
    metrics = StepMetrics(losses, execution.mean_loss(losses), grad_norm)
    if may_update(metrics):
        set_learning_rates(optimizers, lr_scale)
        for optimizer in optimizers.values():
            execution.scaler.step(optimizer)
    execution.scaler.update()
    zero_gradients(optimizers)
    return metrics


def zero_gradients(optimizers: Optimizers) -> None:
    """Drop all gradients."""
    for optimizer in optimizers.values():
        optimizer.zero_grad(set_to_none=True)
