"""The loss over given windows, as training looks at it on its way."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from slm.model.attention import document_mask
from slm.model.gpt import evaluating
from slm.model.loss import IGNORE_INDEX


def validation_loss(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    autocast: AbstractContextManager[object] | None = None,
    *,
    eot_id: int | None = None,
) -> tuple[float, int]:
    """The mean loss over the tokens of all batches, in nats, and how many tokens that were.

    Windows cut from a stream of stories begin anywhere, so this is a little higher than
    `slm.evals.loss`, which gives every story its own start. The model is put into evaluation mode
    and back.

    Args:
        model: called as `GPT` is.
        batches: pairs (x, y) of [B, T] ids on the model's device; y of -100 counts for nothing.
        autocast: number format of the products, entered once; None: that of the weights.
        eot_id: the end-of-text token, for a model that saw each story by itself; None: all of a
            window is seen.

    Returns:
        (mean loss, tokens); (nan, 0) where there are none.
    """
    total_nats, n_tokens = 0.0, 0
    # Not inference_mode: the model may be compiled, and would be compiled again for its tensors.
    with evaluating(model), torch.no_grad(), autocast or contextlib.nullcontext():
        for inputs, targets in batches:
            n_scored = int((targets != IGNORE_INDEX).sum())
            attn_mask = None if eot_id is None else document_mask(inputs, eot_id)
            _, loss = model(inputs, targets, attn_mask=attn_mask)
            if n_scored:
                total_nats += float(loss) * n_scored
                n_tokens += n_scored
    return (total_nats / n_tokens if n_tokens else float("nan")), n_tokens
