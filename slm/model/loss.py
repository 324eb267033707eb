"""Cross-entropy of the output head, a few hundred tokens at a time.

The logits of all tokens would be the largest tensor of a training step: at 16,384 tokens and 8,192
ids, 512 MiB, and as much again for their gradient. Here a chunk's logits are made, turned into the
loss and into the gradients of the hidden states and the head, and their buffer is used again for
the next chunk. The idea is Liger's (Hsu et al. 2024, https://arxiv.org/abs/2410.10989).

Shapes: N tokens, C = n_embd, V = vocab_size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from slm.model.layers import compute_dtype

IGNORE_INDEX = -100
"""A target with this value counts for nothing."""

SoftTargets = Callable[[slice], Tensor]
"""Probabilities to learn in place of given ids: a range of the N tokens -> [tokens, V]."""

CHUNK_ELEMENTS = 1 << 21
"""Logits computed at once: 8 MiB in float32, which fit in caches and which allocators keep."""


def chunked_cross_entropy(
    hidden_nc: Tensor, weight_vc: Tensor, targets_n: Tensor, soft_targets: SoftTargets | None = None
) -> Tensor:
    """Mean cross-entropy in nats over the targets that are not `IGNORE_INDEX`.

    Args:
        hidden_nc: [N, C], what the head is applied to.
        weight_vc: [V, C], the head.
        targets_n: [N] ids.
        soft_targets: the probabilities of all ids; None: 1 for the targets, 0 for the others.

    Returns:
        A scalar in float32, or float64 if the logits are; 0 if every target is ignored.
    """
    if not torch.is_grad_enabled():
        # Whether a custom function computes gradients depends only on its inputs, in any mode.
        hidden_nc, weight_vc = hidden_nc.detach(), weight_vc.detach()
    loss: Tensor = _ChunkedCrossEntropy.apply(hidden_nc, weight_vc, targets_n, soft_targets)  # type: ignore[no-untyped-call]
    return loss


class _ChunkedCrossEntropy(torch.autograd.Function):
    """The loss; both gradients are computed in the forward pass, while the logits exist."""

    @staticmethod
    def forward(
        ctx: Any, hidden_nc: Tensor, weight_vc: Tensor, targets_n: Tensor, soft: SoftTargets | None
    ) -> Tensor:
        dtype = compute_dtype(hidden_nc)
        hidden = hidden_nc.detach().to(dtype)
        weight = weight_vc.detach().to(dtype)
        needs_hidden, needs_weight = ctx.needs_input_grad[:2]
        chunk_size = max(1, CHUNK_ELEMENTS // weight.size(0))
        sum_dtype = torch.promote_types(dtype, torch.float32)
        total = hidden.new_zeros((), dtype=sum_dtype)
        grad_hidden = torch.empty_like(hidden) if needs_hidden else None
        grad_weight = torch.zeros_like(weight, dtype=sum_dtype) if needs_weight else None
        # A bfloat16 matmul has a bfloat16 output: each chunk's goes here, and is summed in float32.
        chunk_grad = torch.empty_like(weight) if needs_weight and dtype != sum_dtype else None
        buffer = hidden.new_empty((min(chunk_size, hidden.size(0)), weight.size(0)))
        minus_one = hidden.new_full((1, 1), -1.0)
        for start in range(0, hidden.size(0), chunk_size):
            chunk = slice(start, min(start + chunk_size, hidden.size(0)))
            targets = targets_n[chunk]
            counted = targets != IGNORE_INDEX
            ids = targets.masked_fill(~counted, 0)[:, None]
            logits = torch.mm(hidden[chunk], weight.t(), out=buffer[: len(targets)])
            probabilities = None if soft is None else soft(chunk).to(dtype)
            if probabilities is None:
                target_logits = logits.gather(1, ids).to(sum_dtype)
            else:
                target_logits = (probabilities * logits).sum(dim=-1, keepdim=True, dtype=sum_dtype)
            if grad_hidden is None and grad_weight is None:
                log_partition = logits.to(sum_dtype).logsumexp(dim=-1, keepdim=True)
                total += ((log_partition - target_logits)[:, 0] * counted).sum()
                continue
            largest = logits.amax(dim=-1, keepdim=True).to(sum_dtype)
            # d loss / d logits = softmax(logits) - target probabilities, in the logits' own buffer.
            grad_logits = torch.softmax(logits, dim=-1, out=logits)
            # The largest probability, at least 1/V, gives the log-sum-exp without another pass.
            log_partition = largest - grad_logits.amax(dim=-1, keepdim=True).to(sum_dtype).log()
            total += ((log_partition - target_logits)[:, 0] * counted).sum()
            if probabilities is None:
                grad_logits.scatter_add_(1, ids, minus_one.expand_as(ids))
            else:
                grad_logits -= probabilities
            if grad_hidden is not None:
                torch.mm(grad_logits, weight, out=grad_hidden[chunk]).mul_(counted[:, None])
            if grad_weight is not None:
                counted_hidden = hidden[chunk] * counted[:, None]
                if chunk_grad is None:
                    grad_weight.addmm_(grad_logits.t(), counted_hidden)
                else:
                    grad_weight += torch.mm(grad_logits.t(), counted_hidden, out=chunk_grad)
        n_counted = (targets_n != IGNORE_INDEX).sum().clamp(min=1)
        ctx.save_for_backward(grad_hidden, grad_weight, n_counted)
        ctx.dtypes = hidden_nc.dtype, weight_vc.dtype
        return total / n_counted

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        grad_hidden, grad_weight, n_counted = ctx.saved_tensors
        scale = grad_loss / n_counted
        hidden_dtype, weight_dtype = ctx.dtypes
        # At the step's peak of memory, so in place, unless the gradients are needed once more.
        scaled = Tensor.mul if _graph_is_retained() else Tensor.mul_
        for_hidden = None if grad_hidden is None else scaled(grad_hidden.to(hidden_dtype), scale)
        for_weight = None if grad_weight is None else scaled(grad_weight.to(weight_dtype), scale)
        return for_hidden, for_weight, None, None


def _graph_is_retained() -> bool:
    """Whether the backward pass that runs is one with `retain_graph=True`."""
    # PyTorch's own functions use this (`ctx.maybe_clear_saved_tensors`); it has no public name.
    return torch._C._autograd._get_current_graph_task_keep_graph()
