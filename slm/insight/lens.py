"""The logit lens: what the model would predict if it had no further layers.

The final norm and the output head are applied to the residual stream after each block
(nostalgebraist 2020, "interpreting GPT: the logit lens"). Early layers were not trained for that,
so their predictions are only a hint.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from slm.insight.html import lens_html
from slm.insight.next_token import Candidate, likeliest
from slm.insight.tokens import Text, TokenText, fitting_ids, token_texts
from slm.insight.trace import head_logits, trace
from slm.model import GPT
from slm.tokenizer.base import Tokenizer


@dataclass(frozen=True)
class Guess:
    """The prediction of the token after a position, at one depth."""

    candidates: tuple[Candidate, ...]
    """The most likely first."""
    next_probability: float | None
    """Of the actual next token; None after the last."""
    next_rank: int | None
    """How many tokens are more likely than the actual one; None after the last."""


@dataclass(frozen=True)
class Depth:
    """The predictions at one depth."""

    depth: int
    """0: the embedding alone; l: after l blocks."""
    guesses: tuple[Guess, ...]
    """One for each token read."""
    surprisal: float | None
    """Mean surprisal in bits of the next tokens; None without a next token."""


@dataclass(frozen=True)
class Lens:
    """The predictions after every layer, at every token of a text."""

    tokens: tuple[TokenText, ...]
    """The tokens read: the end-of-text token that begins every story, then those of the text."""
    depths: tuple[Depth, ...]
    """From 0 to the number of layers; the last has the model's own predictions."""

    def _repr_html_(self) -> str:
        return lens_html(self)


def logit_lens(model: GPT, tokenizer: Tokenizer, text: Text, *, top: int = 5) -> Lens:
    """The prediction after each layer, at each token.

    Args:
        model: set to evaluation mode, and restored afterwards.
        tokenizer: the model's.
        text: at most block_size - 1 tokens.
        top: number of candidates of each prediction.

    Raises:
        TokenizerError: the text is not valid Unicode, or an id is not in the vocabulary.
        DataError: it does not fit into the context.
    """
    ids = fitting_ids(tokenizer, text, model.config.block_size)
    streams = trace(model, ids, layers=()).streams
    depths = []
    for depth, stream in enumerate(streams):
        logits = head_logits(model, stream).cpu()
        depths.append(_depth(depth, logits.log_softmax(dim=-1), ids, tokenizer, top))
    return Lens(tuple(token_texts(tokenizer, ids)), tuple(depths))


def _depth(
    depth: int, logprobs_tv: Tensor, ids: list[int], tokenizer: Tokenizer, top: int
) -> Depth:
    targets = torch.tensor(ids[1:], dtype=torch.int64)
    of_next = logprobs_tv[:-1].gather(1, targets[:, None])
    ranks = (logprobs_tv[:-1] > of_next).sum(dim=1).tolist()
    nats = of_next[:, 0].tolist()
    guesses = tuple(
        Guess(
            candidates=likeliest(row[: tokenizer.vocab_size], tokenizer, top),
            next_probability=math.exp(nats[place]) if place < len(nats) else None,
            next_rank=ranks[place] if place < len(ranks) else None,
        )
        for place, row in enumerate(logprobs_tv)
    )
    surprisal = -math.fsum(nats) / len(nats) / math.log(2.0) if nats else None
    return Depth(depth, guesses, surprisal)
