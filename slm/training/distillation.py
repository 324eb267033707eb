"""Distillation: a model learns what other models predict, in addition to the tokens that follow.

Hinton, Vinyals and Dean 2015, https://arxiv.org/abs/1503.02531. The mean prediction of several
teachers is better than that of any one of them, and a student keeps most of this gain. A prediction
also says more than a token does: which other tokens were likely. A model that reads a small text
many times memorizes the tokens; the predictions keep it from that.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from slm.model import GPT
from slm.model.layers import compute_dtype
from slm.model.loss import IGNORE_INDEX, SoftTargets


class Teachers:
    """Models whose mean prediction is learned.

    Args:
        models: on the device of the run, with the vocabulary of its model; at least one. They
            are set to evaluation and never change.
        weight: of the prediction in what is learned; the rest is the token that follows.
    """

    def __init__(self, models: Sequence[GPT], weight: float) -> None:
        self.models = [model.eval().requires_grad_(False) for model in models]
        self.weight = weight

    @torch.no_grad()
    def soft_targets(
        self, idx: Tensor, targets: Tensor, *, attn_mask: Tensor | None = None
    ) -> SoftTargets:
        """What a model is to predict for a batch.

        Args:
            idx, targets: [B, T] ids, and the next ids.
            attn_mask: as for `GPT.forward`.

        Returns:
            A function of ranges of the B * T positions, as `chunked_cross_entropy` takes it.
        """
        hidden = [
            model.hidden_states(idx, attn_mask=attn_mask).flatten(0, 1) for model in self.models
        ]
        dtype = compute_dtype(hidden[0])
        heads = [model.head_weight.to(dtype).t() for model in self.models]
        # Ignored positions do not count in the loss; 0 only makes their index valid.
        ids = targets.flatten().masked_fill(targets.flatten() == IGNORE_INDEX, 0)[:, None]
        share = self.weight / len(self.models)

        def probabilities(chunk: slice) -> Tensor:
            mixed = hidden[0].new_zeros((ids[chunk].size(0), heads[0].size(1)), dtype=dtype)
            for states, head in zip(hidden, heads, strict=True):
                logits = states[chunk].to(dtype) @ head
                mixed.add_(torch.softmax(logits, dim=-1, out=logits), alpha=share)
            of_token = mixed.new_full((1, 1), 1.0 - self.weight)
            return mixed.scatter_add_(1, ids[chunk], of_token.expand_as(ids[chunk]))

        return probabilities
