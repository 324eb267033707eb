"""From logits to the next token: pure filters, and sampling with one uniform number per sequence.

`filter_logits` applies the filters in the order of transformers: repetition penalty, temperature,
top-k, top-p, min-p. (llama.cpp applies the temperature last, so more tokens pass if it is high.)
A token that is filtered out has the logit minus infinity.

Shapes: B sequences, V ids.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from slm.generation.options import GenerationOptions


def penalize_repetition(logits: Tensor, penalty: float | Tensor, seen: Tensor) -> Tensor:
    """Divide positive logits of seen tokens by the penalty and multiply negative ones by it.

    Keskar et al. 2019 (CTRL), https://arxiv.org/abs/1909.05858, section 4.1; the different
    treatment of negative logits, which makes the penalty always lower them, is transformers'.

    Args:
        logits: [B, V], or of any shape.
        penalty: 1 changes nothing, larger values make repetition less likely; or one per logit.
        seen: boolean of that shape, true for tokens that are in the text.
    """
    penalized = torch.where(logits > 0, logits / penalty, logits * penalty)
    return torch.where(seen, penalized, logits)


def apply_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Divide the logits [B, V] by the temperature, which must not be 0."""
    return logits / temperature


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Keep the k most likely tokens of each sequence [B, V]; exactly k, even among equals."""
    if k >= logits.size(-1):
        return logits
    kept, ids = logits.topk(k, dim=-1)
    return torch.full_like(logits, -math.inf).scatter(-1, ids, kept)


def keep_top_p(logits: Tensor, p: float) -> Tensor:
    """Keep the fewest most likely tokens [B, V] whose probabilities together reach p.

    Nucleus sampling: Holtzman et al. 2019, https://arxiv.org/abs/1904.09751, section 3.1. The
    most likely token is always kept.
    """
    descending, order = logits.sort(dim=-1, descending=True)
    probabilities = descending.softmax(dim=-1)
    mass_before = probabilities.cumsum(dim=-1) - probabilities
    dropped = mass_before >= p
    dropped[:, 0] = False
    return logits.masked_fill(torch.zeros_like(dropped).scatter(-1, order, dropped), -math.inf)


def keep_min_p(logits: Tensor, p: float) -> Tensor:
    """Keep tokens at least p times as likely as the most likely one of their sequence [B, V].

    Nguyen et al. 2024, https://arxiv.org/abs/2407.01082, section 3. A ratio of probabilities is a
    difference of logits, so no softmax is needed.
    """
    if p <= 0.0:
        return logits
    threshold = logits.amax(dim=-1, keepdim=True) + math.log(p)
    return logits.masked_fill(logits < threshold, -math.inf)


def filter_logits(logits: Tensor, options: GenerationOptions, seen: Tensor | None = None) -> Tensor:
    """Apply the filters that are on, in the order given at the top of this file.

    At temperature 0 only the repetition penalty applies: the others never change the most likely
    token.

    Args:
        logits: [B, V].
        options: which filters are on.
        seen: boolean [B, V], the tokens in the text of each sequence; None: no token.

    Returns:
        [B, V] in float32.
    """
    logits = logits.float()
    if options.repetition_penalty != 1.0 and seen is not None:
        logits = penalize_repetition(logits, options.repetition_penalty, seen)
    if options.temperature == 0.0:
        return logits
    if options.temperature != 1.0:
        logits = apply_temperature(logits, options.temperature)
    if options.top_k:
        logits = keep_top_k(logits, options.top_k)
    if options.top_p < 1.0:
        logits = keep_top_p(logits, options.top_p)
    if options.min_p > 0.0:
        logits = keep_min_p(logits, options.min_p)
    return logits


def sample(logits: Tensor, uniforms: Tensor) -> Tensor:
    """Sample one id per sequence: the first at which the cumulative probability reaches a number.

    Each id depends on its own logits and number only. A token of probability 0 is never sampled:
    it does not raise the cumulative probability, and the number is above 0 and at most 1.

    Args:
        logits: [B, V].
        uniforms: [B] in float64, above 0 and at most 1.

    Returns:
        [B] ids.
    """
    cumulative = logits.softmax(dim=-1).cumsum(dim=-1, dtype=torch.float64)
    thresholds = uniforms[:, None] * cumulative[:, -1:]
    ids = torch.searchsorted(cumulative, thresholds)[:, 0]
    return ids.clamp(max=logits.size(-1) - 1)  # if the logits are not finite
