"""From logits to the next token: pure filters, and a draw by one uniform number a row.

`filter_logits` applies them in the order of transformers: repetition penalty, temperature, top-k,
top-p, min-p. (llama.cpp puts the temperature last, which lets more tokens pass when it is high.) A
filtered-out token has the logit minus infinity.

Shapes: B rows, V ids.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from slm.generation.decoder import NO_ID
from slm.generation.options import GenerationOptions


def penalise_repetition(logits: Tensor, penalty: float | Tensor, seen: Tensor) -> Tensor:
    """Divide positive logits of seen tokens by the penalty and multiply negative ones by it.

    Keskar et al. 2019 (CTRL), https://arxiv.org/abs/1909.05858, section 4.1; the different
    treatment of negative logits, so that the penalty always lowers them, is transformers'.

    Args:
        logits: [B, V], or of any shape.
        penalty: 1 changes nothing, more makes repetition less likely; or one for each logit.
        seen: boolean, of that shape, the tokens which are in the row's text.
    """
    penalised = torch.where(logits > 0, logits / penalty, logits * penalty)
    return torch.where(seen, penalised, logits)


def apply_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Divide the logits [B, V] by the temperature, which must not be 0."""
    return logits / temperature


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Keep the k likeliest tokens of each row [B, V]: exactly k, where the last are equal too."""
    if k >= logits.size(-1):
        return logits
    kept, ids = logits.topk(k, dim=-1)
    return torch.full_like(logits, -math.inf).scatter(-1, ids, kept)


def keep_top_p(logits: Tensor, p: float) -> Tensor:
    """Keep the fewest likeliest tokens of each row [B, V] whose probabilities reach p together.

    Nucleus sampling: Holtzman et al. 2019, https://arxiv.org/abs/1904.09751, section 3.1. The
    likeliest token always stays.
    """
    descending, order = logits.sort(dim=-1, descending=True)
    probabilities = descending.softmax(dim=-1)
    mass_before = probabilities.cumsum(dim=-1) - probabilities
    dropped = mass_before >= p
    dropped[:, 0] = False
    return logits.masked_fill(torch.zeros_like(dropped).scatter(-1, order, dropped), -math.inf)


def keep_min_p(logits: Tensor, p: float) -> Tensor:
    """Keep tokens at least p times as likely as the likeliest one of their row [B, V].

    Nguyen et al. 2024, https://arxiv.org/abs/2407.01082, section 3. A ratio of probabilities is a
    difference of logits, so no softmax is needed.
    """
    if p <= 0.0:
        return logits
    threshold = logits.amax(dim=-1, keepdim=True) + math.log(p)
    return logits.masked_fill(logits < threshold, -math.inf)


def filter_logits(logits: Tensor, options: GenerationOptions, seen: Tensor | None = None) -> Tensor:
    """Apply the filters that are on, in the order given at the top of this file.

    With temperature 0 only the repetition penalty acts: the others never change which is likeliest.

    Args:
        logits: [B, V].
        options: which filters are on.
        seen: boolean [B, V], the tokens in each row's text; None: none is.

    Returns:
        [B, V] in float32.
    """
    logits = logits.float()
    if options.repetition_penalty != 1.0 and seen is not None:
        logits = penalise_repetition(logits, options.repetition_penalty, seen)
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
    """Draw one id a row: the first whose cumulative probability reaches the row's uniform number.

    A row's id depends on its own logits and number only. A token of probability 0 is never drawn:
    a number above 0 always needs a step up to reach it, and one of at most 1 is always reached.

    Args:
        logits: [B, V].
        uniforms: [B] in float64, above 0 and at most 1.

    Returns:
        [B] ids.
    """
    cumulative = logits.softmax(dim=-1).cumsum(dim=-1, dtype=torch.float64)
    heights = uniforms[:, None] * cumulative[:, -1:]
    places = torch.searchsorted(cumulative, heights)[:, 0]
    return places.clamp(max=logits.size(-1) - 1)  # where logits are no numbers


def draw(
    logits: Tensor,
    options: Sequence[GenerationOptions],
    uniforms: Sequence[float],
    seen: Sequence[Collection[int]] | None = None,
) -> list[int]:
    """See `slm.generation.decoder.Draw`; the logits may be on any device."""
    logits = torch.as_tensor(logits)
    if seen is not None:
        logits = _penalised(logits, options, seen)
    alike: dict[tuple[float | None, ...], list[int]] = {}
    for row, each in enumerate(options):
        alike.setdefault((each.temperature, each.top_k, each.top_p, each.min_p), []).append(row)
    if len(alike) == 1:
        ids = _draw_alike(logits, options[0], uniforms)
    else:
        ids = torch.empty(len(options), dtype=torch.long)
        for rows in alike.values():
            numbers = [uniforms[row] for row in rows]
            ids[rows] = _draw_alike(logits[rows], options[rows[0]], numbers)
    drawn: list[int] = ids.where(logits.amax(dim=-1).isfinite().cpu(), NO_ID).tolist()
    return drawn


def _penalised(
    logits: Tensor, options: Sequence[GenerationOptions], seen: Sequence[Collection[int]]
) -> Tensor:
    """A copy, [B, V], with every row's own penalty on its seen ids."""
    places = [(row, token_id) for row, ids in enumerate(seen) for token_id in ids]
    rows, ids = torch.tensor(places, dtype=torch.long).reshape(-1, 2).T.to(logits.device)
    penalties = torch.tensor([each.repetition_penalty for each in options], device=logits.device)
    found = logits[rows, ids]
    everywhere = torch.ones_like(found, dtype=torch.bool)
    logits = logits.clone()
    logits[rows, ids] = penalise_repetition(found, penalties[rows].to(found.dtype), everywhere)
    return logits


def _draw_alike(logits: Tensor, options: GenerationOptions, uniforms: Sequence[float]) -> Tensor:
    """The ids of rows that have the same filters; anything where logits are no numbers."""
    if options.temperature == 0.0:
        return logits.argmax(dim=-1).cpu()
    numbers = torch.tensor(uniforms, dtype=torch.float64)
    if not options.top_k or options.top_k >= logits.size(-1):
        return sample(filter_logits(logits, options).cpu(), numbers)
    # The k likeliest are the same at any temperature, and the rest needs to look at no others.
    shortlist, ids = logits.topk(options.top_k, dim=-1)
    places = sample(filter_logits(shortlist, options).cpu(), numbers)
    return ids.cpu().gather(1, places[:, None])[:, 0]
