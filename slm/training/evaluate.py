"""The validation loss during training: the mean over given windows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from slm.model.attention import document_mask
from slm.model.dropout import evaluating
from slm.model.loss import IGNORE_INDEX


def validation_loss(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    autocast: AbstractContextManager[object] | None = None,
    *,
    eot_id: int | None = None,
) -> tuple[float, int]:
    """The mean loss over the tokens of all batches in nats, and their number.

    Windows of a stream of documents begin anywhere, so this is slightly higher than the loss of
    `slm.evals.loss`, which gives every document its own start. The model is in evaluation mode
    meanwhile.

    Args:
        model: called as `GPT` is.
        batches: pairs (x, y) of [B, T] ids on the model's device; positions with y of -100 are
            ignored.
        autocast: entered once, for the dtype of matrix multiplications; None: that of the weights.
        eot_id: the end-of-text token, for a model trained with document masking; None: each
            position attends to all of its window up to itself.

    Returns:
        (mean loss, tokens); (nan, 0) without tokens.
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
