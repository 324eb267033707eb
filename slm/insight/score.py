"""How a model takes a text, token by token: what it thought likely, and how surprised it was.

The surprise of a token is -log2 of its probability: 1 bit for a toss of a coin. Over a text its sum
is what a compressor built on this model would need (Shannon 1948).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from slm.errors import DataError
from slm.insight.next_token import Candidate, entropy_bits, likeliest
from slm.insight.tokens import Text, TokenKind, token_ids, token_texts
from slm.model import GPT
from slm.model.gpt import evaluating
from slm.tokenizer.base import Tokenizer


@dataclass(frozen=True)
class ScoredToken:
    """A token of a text, and what the model thought at its place."""

    id: int
    text: str
    kind: TokenKind
    probability: float
    """What the model gave it."""
    surprise: float
    """In bits."""
    rank: int
    """How many tokens the model thought likelier."""
    entropy: float
    """How unsure the model was at this place, whatever came then: its expected surprise in bits."""
    alternatives: tuple[Candidate, ...]
    """The likeliest tokens for this place, the likeliest first; this token may be among them."""


@dataclass(frozen=True)
class ScoredText:
    """A text as a model takes it."""

    tokens: tuple[ScoredToken, ...]
    loss: float
    """Mean surprise of a token in nats, as in training."""
    perplexity: float
    bits_per_byte: float
    """All surprise over the UTF-8 bytes of the text."""
    bytes: int


def score_text(model: GPT, tokenizer: Tokenizer, text: Text, *, top: int = 10) -> ScoredText:
    """Score every token of a text, with the story's own start as context.

    A text longer than the context is read in windows that overlap by half.

    Args:
        model: put into evaluation mode and back.
        tokenizer: the model's.
        text: any text, or its ids.
        top: how many alternatives each place has.

    Raises:
        TokenizerError: it is no valid Unicode, or an id is not in the vocabulary.
        DataError: it is empty.
    """
    ids = token_ids(tokenizer, text)
    if not ids:
        raise DataError("the text is empty", hint="write a few words")
    tokens: list[ScoredToken] = []
    texts = token_texts(tokenizer, ids)
    for logits in _logits_at_each(model, [tokenizer.eot_id, *ids]):
        for row in logits[:, : tokenizer.vocab_size].log_softmax(dim=-1):
            shown = texts[len(tokens)]
            surprise = -float(row[shown.id]) / math.log(2.0)
            tokens.append(
                ScoredToken(
                    id=shown.id,
                    text=shown.text,
                    kind=shown.kind,
                    probability=math.exp(float(row[shown.id])),
                    surprise=surprise,
                    rank=int((row > row[shown.id]).sum()),
                    entropy=entropy_bits(row),
                    alternatives=likeliest(row, tokenizer, top),
                )
            )
    bits = math.fsum(token.surprise for token in tokens)
    loss = bits * math.log(2.0) / len(tokens)
    n_bytes = len(tokenizer.decode_bytes(ids))
    return ScoredText(
        tokens=tuple(tokens),
        loss=loss,
        perplexity=math.exp(loss),
        bits_per_byte=bits / n_bytes if n_bytes else math.nan,
        bytes=n_bytes,
    )


def _logits_at_each(model: GPT, sequence: list[int]) -> Iterator[Tensor]:
    """The logits [n, V] before each id but the first, on the CPU, in stretches."""
    block_size = model.config.block_size
    n_done, n_ids = 0, len(sequence) - 1
    while n_done < n_ids:
        end = min(n_ids, n_done + (max(1, block_size // 2) if n_done else block_size))
        start = max(0, end - block_size)
        idx = torch.tensor([sequence[start:end]], device=model.device)
        with evaluating(model), torch.inference_mode():
            logits, _ = model(idx)
        assert isinstance(logits, Tensor)
        yield logits[0, n_done - start :].float().cpu()
        n_done = end
