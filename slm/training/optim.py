"""AdamW, and Muon for the matrices inside the blocks.

Muon moves a matrix by its momentum made orthogonal: all its directions by the same amount, where
Adam follows the few large ones. Keller Jordan 2024, https://kellerjordan.github.io/posts/muon/.
It is PyTorch's `torch.optim.Muon` with three differences. Matrices of one shape are made orthogonal
together; in the dtype that is fast here (PyTorch's is always bfloat16, which a CPU without bfloat16
instructions emulates at a tenth of its speed); and from a tighter bound of their largest singular
value, which saves an iteration.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from slm.config import TrainingConfig

NEWTON_SCHULZ_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration: the steepest at zero that still ends near one."""


class Sharding(Protocol):
    """How Muon reaches whole matrices where each process has only some of their rows."""

    def local(self, tensor: Tensor) -> Tensor:
        """This process's rows of a parameter, gradient or state, not copied."""

    def on_whole_matrices(
        self, function: Callable[[Tensor], Tensor], matrices: Tensor, like: Tensor
    ) -> Tensor:
        """Apply a function of whole matrices to [N, rows of this process, columns].

        Args:
            function: [any number, rows, columns] -> the same shape, one matrix at a time.
            matrices: this process's rows of N matrices.
            like: one of the N parameters.
        """


def orthogonalize(matrices: Tensor, steps: int = 4) -> Tensor:
    """Bring the singular values of each matrix close to one, between about 0.7 and 1.2.

    Args:
        matrices: [N, rows, columns], in the dtype of the matrix multiplications; their scale has
            no effect.
        steps: iterations; with fewer than 4 the smallest singular values remain small.

    Returns:
        [N, rows, columns] in the same dtype.
    """
    a, b, c = NEWTON_SCHULZ_COEFFICIENTS
    is_tall = matrices.size(-2) > matrices.size(-1)
    wide = matrices.transpose(-2, -1) if is_tall else matrices
    # The largest singular value must be at most one. The Frobenius norm bounds it, but the root of
    # the Gram matrix's Frobenius norm does so more tightly (Schatten 4-norm instead of 2-norm).
    wide = wide / frobenius_norms(wide)
    for iteration in range(steps):
        gram = wide @ wide.transpose(-2, -1)
        if iteration == 0:
            bound = frobenius_norms(gram)
            gram, wide = gram / bound, wide / bound.sqrt()
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        wide = torch.baddbmm(wide, polynomial, wide, beta=a)
    return wide.transpose(-2, -1) if is_tall else wide


def frobenius_norms(matrices: Tensor) -> Tensor:
    """The Frobenius norm of each matrix, [N, rows, columns] -> [N, 1, 1]; at least 1e-7."""
    norms: Tensor = matrices.norm(dim=(-2, -1), keepdim=True)
    return norms.clamp(min=1e-7)


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal, for parameters that are matrices.

    Args:
        parameters: matrices, whole or sharded.
        lr: learning rate; a matrix [rows, columns] moves by lr * sqrt(max(1, rows / columns)).
        momentum: of the running mean of gradients (Nesterov's form).
        weight_decay: decoupled, as in AdamW.
        dtype: dtype of the orthogonalization.
        steps: iterations of the orthogonalization.
        sharding: of the parameters; None: every process has all of them.

    Raises:
        ValueError: a parameter is not a matrix.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        dtype: torch.dtype = torch.bfloat16,
        steps: int = 4,
        sharding: Sharding | None = None,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.dtype = dtype
        self.steps = steps
        self.sharding = sharding
        for parameter in (p for group in self.param_groups for p in group["params"]):
            if parameter.dim() != 2:
                raise ValueError(f"Muon takes matrices, found the shape {tuple(parameter.shape)}")

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[parameter.shape].append(parameter)
            for shape, parameters in by_shape.items():
                self._move(parameters, shape, group)
        return loss

    def _move(
        self, parameters: list[nn.Parameter], shape: torch.Size, group: dict[str, Any]
    ) -> None:
        local = self.sharding.local if self.sharding else lambda tensor: tensor
        gradients = [local(p.grad) for p in parameters if p.grad is not None]
        momenta = [local(self._momentum(p)) for p in parameters]
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        ahead = torch._foreach_lerp(gradients, momenta, group["momentum"])
        stacked = ahead[0].new_empty((len(ahead), *ahead[0].shape), dtype=self.dtype)
        torch._foreach_copy_(list(stacked.unbind()), list(ahead))
        orthogonal = partial(orthogonalize, steps=self.steps)
        if self.sharding:
            updates = self.sharding.on_whole_matrices(orthogonal, stacked, parameters[0])
        else:
            updates = orthogonal(stacked)
        updates = updates.to(parameters[0].dtype)
        scale = math.sqrt(max(1.0, shape[0] / shape[1]))
        weights = [local(parameter) for parameter in parameters]
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(weights, list(updates.unbind()), alpha=-group["lr"] * scale)

    def _momentum(self, parameter: nn.Parameter) -> Tensor:
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        buffer: Tensor = state["momentum_buffer"]
        return buffer


def build_optimizers(
    model: nn.Module,
    config: TrainingConfig,
    *,
    muon_dtype: torch.dtype = torch.bfloat16,
    sharding: Sharding | None = None,
) -> dict[str, torch.optim.Optimizer]:
    """The optimizers of a run, by name, each parameter in exactly one of them.

    `adamw`: weight decay on matrices only, never on norms and biases. With `optimizer="muon"`, the
    matrices inside the blocks go to `muon`; embeddings and the output head stay with AdamW. Every
    group remembers its peak learning rate as `peak_lr`.
    """
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    in_blocks = {n for n, p in trainable.items() if n.startswith("blocks.") and p.dim() == 2}
    muon_names = in_blocks if config.optimizer == "muon" else set()
    others = {name: p for name, p in trainable.items() if name not in muon_names}
    optimizers: dict[str, torch.optim.Optimizer] = {}
    if muon_names:
        optimizers["muon"] = Muon(
            [trainable[name] for name in trainable if name in muon_names],
            lr=config.muon_learning_rate,
            momentum=config.muon_momentum,
            weight_decay=config.weight_decay,
            dtype=muon_dtype,
            steps=config.muon_ns_steps,
            sharding=sharding,
        )
    matrices = [p for p in others.values() if p.dim() >= 2]
    vectors = [p for p in others.values() if p.dim() < 2]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimizers["adamw"] = torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        # One pass over all parameters; None: PyTorch chooses.
        fused=next(iter(trainable.values())).device.type in {"cpu", "cuda"} or None,
    )
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            group["peak_lr"] = group["lr"]
    return optimizers


def set_learning_rates(optimizers: Mapping[str, torch.optim.Optimizer], scale: float) -> None:
    """Set every group's learning rate to this share of its peak."""
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * scale
