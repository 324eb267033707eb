"""What every head attends to: attention weights over a text, and statistics of each head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from slm.errors import DataError
from slm.insight.html import attention_html
from slm.insight.tokens import Text, TokenText, fitting_ids, token_texts
from slm.insight.trace import trace
from slm.model import GPT
from slm.tokenizer.base import Tokenizer

Rows = tuple[tuple[float, ...], ...]
"""One row a token: how much it takes from each token up to itself, so row t has t + 1 weights."""


@dataclass(frozen=True)
class HeadStatistics:
    """What a head does on average, over all tokens of the text but the first."""

    start: float
    """Weight on the end-of-text token that begins the text."""
    itself: float
    previous: float
    """Weight on the token just before."""
    distance: float
    """How many tokens it looks back."""


@dataclass(frozen=True)
class LayerPatterns:
    """The heads of one layer."""

    layer: int
    """From 0."""
    heads: tuple[Rows, ...]
    statistics: tuple[HeadStatistics, ...]


@dataclass(frozen=True)
class AttentionPatterns:
    """What the heads of a model look at in a text."""

    tokens: tuple[TokenText, ...]
    """The tokens read: the end-of-text token that begins every story, then those of the text."""
    n_layer: int
    n_head: int
    layers: tuple[LayerPatterns, ...]

    def _repr_html_(self) -> str:
        return attention_html(self)


def attention_patterns(
    model: GPT, tokenizer: Tokenizer, text: Text, *, layers: Sequence[int] | None = None
) -> AttentionPatterns:
    """The attention weights of every head over the tokens of a text.

    Args:
        model: set to evaluation mode, and restored afterwards.
        tokenizer: the model's.
        text: at most block_size - 1 tokens.
        layers: the layers that are wanted, from 0; None: all.

    Raises:
        TokenizerError: the text is not valid Unicode, or an id is not in the vocabulary.
        DataError: it does not fit into the context, or there is no such layer.
    """
    n_layer = model.config.n_layer
    wanted = sorted(set(range(n_layer) if layers is None else layers))
    for layer in wanted:
        if not 0 <= layer < n_layer:
            raise DataError(f"there is no layer {layer}", hint=f"layers are 0 to {n_layer - 1}")
    ids = fitting_ids(tokenizer, text, model.config.block_size)
    weights = trace(model, ids, layers=wanted).attention
    return AttentionPatterns(
        tokens=tuple(token_texts(tokenizer, ids)),
        n_layer=n_layer,
        n_head=model.config.n_head,
        layers=tuple(
            LayerPatterns(
                layer=layer,
                heads=tuple(_rows(head) for head in of_layer),
                statistics=tuple(_statistics(head) for head in of_layer),
            )
            for layer, of_layer in zip(wanted, weights, strict=True)
        ),
    )


def _rows(weights_tt: Tensor) -> Rows:
    return tuple(tuple(row[: t + 1]) for t, row in enumerate(weights_tt.tolist()))


def _statistics(weights_tt: Tensor) -> HeadStatistics:
    n_tokens = len(weights_tt)
    if n_tokens == 1:
        return HeadStatistics(start=1.0, itself=1.0, previous=0.0, distance=0.0)
    later = weights_tt[1:].cpu().double()  # MPS has no float64
    places = torch.arange(n_tokens)
    distances = (places[1:, None] - places[None, :]).clamp(min=0)
    return HeadStatistics(
        start=float(later[:, 0].mean()),
        itself=float(later.diagonal(1).mean()),
        previous=float(later.diagonal(0).mean()),
        distance=float((later * distances).sum(dim=1).mean()),
    )
