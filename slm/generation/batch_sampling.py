"""Sampling for a batch whose sequences may have different options."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from slm.generation.decoder import NO_ID
from slm.generation.options import GenerationOptions
from slm.generation.sampling import filter_logits, penalize_repetition, sample


def draw(
    logits: Tensor,
    options: Sequence[GenerationOptions],
    uniforms: Sequence[float],
    seen: Sequence[Collection[int]] | None = None,
) -> list[int]:
    """See `slm.generation.decoder.Draw`; the logits may be on any device."""
    logits = torch.as_tensor(logits)
    if seen is not None:
        logits = _penalized(logits, options, seen)
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


def _penalized(
    logits: Tensor, options: Sequence[GenerationOptions], seen: Sequence[Collection[int]]
) -> Tensor:
    """A copy [B, V] with the penalty of each sequence on its seen ids."""
    places = [(row, token_id) for row, ids in enumerate(seen) for token_id in ids]
    rows, ids = torch.tensor(places, dtype=torch.long).reshape(-1, 2).T.to(logits.device)
    penalties = torch.tensor([each.repetition_penalty for each in options], device=logits.device)
    found = logits[rows, ids]
    everywhere = torch.ones_like(found, dtype=torch.bool)
    logits = logits.clone()
    logits[rows, ids] = penalize_repetition(found, penalties[rows].to(found.dtype), everywhere)
    return logits


def _draw_alike(logits: Tensor, options: GenerationOptions, uniforms: Sequence[float]) -> Tensor:
    """The ids of sequences with the same filters; any ids where the logits are not finite."""
    if options.temperature == 0.0:
        return logits.argmax(dim=-1).cpu()
    numbers = torch.tensor(uniforms, dtype=torch.float64)
    if not options.top_k or options.top_k >= logits.size(-1):
        return sample(filter_logits(logits, options).cpu(), numbers)
    # The k most likely tokens are the same at any temperature, and no others matter.
    shortlist, ids = logits.topk(options.top_k, dim=-1)
    places = sample(filter_logits(shortlist, options).cpu(), numbers)
    return ids.cpu().gather(1, places[:, None])[:, 0]
