"""One pass through a model in which everything is kept.

This walks through the blocks itself, by the same parts that `GPT.forward` is made of, and asks each
block's attention for its weights before it runs the block. So the model has no branch for being
looked at, pays nothing when it is not, and may serve other threads meanwhile.

Shapes: T tokens, C = n_embd, H query heads, L layers, V ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from slm.model import GPT
from slm.model.dropout import evaluating
from slm.model.gpt import Block


@dataclass(frozen=True)
class Trace:
    """What went through a model while it read a text of T tokens."""

    streams: tuple[Tensor, ...]
    """The residual stream [T, C] as it enters the first block and as it leaves each: L + 1."""
    attention: tuple[Tensor, ...]
    """The attention weights [H, T, T] of each layer; empty if they were not requested."""


@torch.inference_mode()
def trace(model: GPT, ids: Sequence[int], *, layers: Sequence[int] | None = None) -> Trace:
    """Read a text and keep what the model does.

    Args:
        model: set to evaluation mode, and restored afterwards.
        ids: at least one and at most block_size ids.
        layers: the layers, from 0, whose attention weights are kept; None: of all.
    """
    assert 1 <= len(ids) <= model.config.block_size
    wanted = range(model.config.n_layer) if layers is None else layers
    idx = torch.tensor([list(ids)], device=model.device)
    with evaluating(model):
        x, rotation = model.embed(idx, slice(0, len(ids)))
        streams, attention = [x[0]], []
        for layer, module in enumerate(model.blocks):
            block = cast(Block, module)
            if layer in wanted:
                attention.append(block.attention.weights(block.attention_norm(x), rotation)[0])
            x = block(x, rotation)
            streams.append(x[0])
    return Trace(tuple(streams), tuple(attention))


@torch.inference_mode()
def head_logits(model: GPT, stream: Tensor) -> Tensor:
    """What the output head makes of a residual stream: [T, C] -> logits [T, V] in float32."""
    return F.linear(model.final_norm(stream), model.head_weight).float()
