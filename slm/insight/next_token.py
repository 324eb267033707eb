"""The probabilities of the next token, before and after temperature, top-k, top-p and min-p.

Shapes: V ids.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from slm.errors import ConfigError
from slm.generation import GenerationOptions, filter_logits
from slm.generation.sequence import TokenSequence
from slm.insight.html import next_token_html
from slm.insight.tokens import Text, TokenKind, token_ids, token_text
from slm.model import GPT
from slm.model.dropout import evaluating
from slm.tokenizer.base import Tokenizer


@dataclass(frozen=True)
class Candidate:
    """A possible token at a position."""

    id: int
    text: str
    kind: TokenKind
    probability: float
    """Before temperature and filters."""


@dataclass(frozen=True)
class Weighed:
    """A possible next token, before and after the filters.

    If token healing replaces the text's last tokens, it includes them.
    """

    id: int
    text: str
    kind: TokenKind
    probability: float
    """Before temperature and filters."""
    sampled: float
    """The probability of sampling it; 0 if a filter drops it."""


@dataclass(frozen=True)
class NextToken:
    """The most likely next tokens after a text, and how likely each is to be sampled."""

    candidates: tuple[Weighed, ...]
    """The most likely first."""
    rest_probability: float
    """The probability of all other tokens together, before temperature and filters."""
    rest_sampled: float
    """The probability of sampling one of them."""
    vocab_size: int
    kept: int
    """How many tokens can be sampled."""
    entropy: float
    """Of the model's distribution, in bits."""
    sampled_entropy: float
    """Of the distribution after temperature and filters, in bits."""

    def _repr_html_(self) -> str:
        return next_token_html(self)


def next_logits(model: GPT, tokenizer: Tokenizer, text: Text) -> Tensor:
    """The logits [V] of the next token after a text, in float32 on the CPU, as in generation.

    Of a text longer than the context only the end is read. Where the last tokens of a text (not of
    ids) would be replaced (see `slm.generation.healing`), the logits are those in their place, and
    minus infinity for every token that cannot stand for them.

    Raises:
        TokenizerError: it is not valid Unicode, or an id is not in the vocabulary.
    """
    prompt, ids = (text, None) if isinstance(text, str) else ("", token_ids(tokenizer, text))
    row = TokenSequence(
        prompt,
        tokenizer,
        GenerationOptions(),
        seed=0,
        index=0,
        block_size=model.config.block_size,
        prompt_ids=ids,
    )
    while True:
        idx = torch.tensor([row.context], device=model.device)
        with evaluating(model), torch.inference_mode():
            found, _ = model(idx, last_only=True)
        assert isinstance(found, Tensor)
        logits = found[0, -1, : tokenizer.vocab_size].float().cpu()
        end = row.prompt_end
        if end is None:
            return logits
        own_id = end.own_next(logits)
        if own_id is None:
            possible = torch.from_numpy(end.candidates)
            limited = torch.full_like(logits, -math.inf)
            limited[possible] = end.logits[possible]
            return limited
        row.accept(own_id)


def weigh_options(
    logits: Tensor,
    tokenizer: Tokenizer,
    options: GenerationOptions,
    *,
    seen: Text = (),
    top: int = 20,
) -> NextToken:
    """The effect of the filters on a distribution.

    Args:
        logits: [V], as `next_logits` gives them.
        tokenizer: the model's.
        options: the filters, which act as they do in generation.
        seen: the text so far; only the repetition penalty looks at it.
        top: number of candidates.
    """
    own = logits.log_softmax(dim=-1)
    has_come = torch.zeros(1, len(logits), dtype=torch.bool)
    has_come[0, token_ids(tokenizer, seen)] = True
    filtered = filter_logits(logits[None], options, has_come)[0]
    if options.temperature == 0.0:
        best = filtered.argmax()
        filtered = torch.full_like(filtered, -math.inf)
        filtered[best] = 0.0
    sampled = filtered.log_softmax(dim=-1)
    candidates = tuple(
        Weighed(
            candidate.id,
            candidate.text,
            candidate.kind,
            candidate.probability,
            sampled=math.exp(float(sampled[candidate.id])),
        )
        for candidate in likeliest(own, tokenizer, top)
    )
    return NextToken(
        candidates=candidates,
        rest_probability=max(0.0, 1.0 - math.fsum(c.probability for c in candidates)),
        rest_sampled=max(0.0, 1.0 - math.fsum(c.sampled for c in candidates)),
        vocab_size=len(logits),
        kept=int(filtered.isfinite().sum()),
        entropy=entropy_bits(own),
        sampled_entropy=entropy_bits(sampled),
    )


def ranked_logprobs(logits: Tensor) -> Tensor:
    """The log-probabilities in nats of all possible tokens, the most likely first.

    Args:
        logits: [V], as `next_logits` gives them.

    Returns:
        [n], with n = V except where some logits are minus infinity.
    """
    ranked = logits.log_softmax(dim=-1).sort(descending=True).values
    return ranked[ranked.isfinite()]


def next_token(
    model: GPT,
    tokenizer: Tokenizer,
    text: Text,
    options: GenerationOptions | None = None,
    *,
    top: int = 20,
) -> NextToken:
    """The next token after a text: `next_logits`, then `weigh_options`.

    Args:
        model: set to evaluation mode, and restored afterwards.
        tokenizer: the model's.
        text: the text so far; may be empty.
        options: the filters; None: those of `GenerationOptions()`.
        top: number of candidates.

    Raises:
        TokenizerError: the text is not valid Unicode, or an id is not in the vocabulary.
    """
    logits = next_logits(model, tokenizer, text)
    return weigh_options(logits, tokenizer, options or GenerationOptions(), seen=text, top=top)


def likeliest(logprobs: Tensor, tokenizer: Tokenizer, top: int) -> tuple[Candidate, ...]:
    """The most likely tokens by their log-probabilities [V], the most likely first.

    Raises:
        ConfigError: `top` is negative.
    """
    if top < 0:
        raise ConfigError(f"top must be at least 0, found {top}", hint="0 shows none")
    best = logprobs.topk(min(top, len(logprobs)))
    candidates = []
    for logprob, token_id in zip(best.values.tolist(), best.indices.tolist(), strict=True):
        if logprob == -math.inf:
            break
        shown = token_text(tokenizer, token_id)
        candidates.append(Candidate(token_id, shown.text, shown.kind, math.exp(logprob)))
    return tuple(candidates)


def entropy_bits(logprobs: Tensor) -> float:
    """The entropy in bits of a distribution, given as log-probabilities [V] in nats."""
    # Not `special.entr(logprobs.exp())`, which would take a logarithm again.
    terms = logprobs.exp() * logprobs.clamp(min=torch.finfo(logprobs.dtype).min)
    return max(0.0, -float(terms.sum()) / math.log(2.0))
