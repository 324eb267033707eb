"""The surprisal of every token of a text, with the alternatives that the model preferred.

The surprisal of a token is -log2 of its probability: 1 bit for a coin toss. Its sum over a text is
the size to which a compressor with this model would reduce it (Shannon 1948). Loss and bits per
byte are those of `slm.evals.loss`: the end-of-text token after the text counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from slm.errors import DataError
from slm.insight.html import scored_text_html
from slm.insight.next_token import Candidate, entropy_bits, likeliest
from slm.insight.tokens import Text, TokenKind, token_ids, token_texts
from slm.model import GPT
from slm.model.dropout import evaluating
from slm.quantities import counted
from slm.tokenizer.base import Tokenizer


@dataclass(frozen=True)
class ScoredToken:
    """A token of a text, and what the model predicted at its position."""

    id: int
    text: str
    kind: TokenKind
    probability: float
    """That the model assigned to it."""
    surprisal: float
    """In bits."""
    rank: int
    """Number of tokens that the model considered more likely."""
    entropy: float
    """The uncertainty of the prediction at this position: the expected surprisal in bits."""
    alternatives: tuple[Candidate, ...]
    """The most likely tokens at this position, in order; this token may be among them."""


@dataclass(frozen=True)
class ScoredText:
    """A text as a model predicts it."""

    tokens: tuple[ScoredToken, ...]
    end: ScoredToken | None
    """The end-of-text token after the text; None where the given ids end with one."""
    loss: float
    """Mean surprisal in nats per token, the end-of-text token included."""
    perplexity: float
    bits_per_byte: float
    """Total surprisal, the end-of-text token included, over the UTF-8 bytes of the text."""
    bytes: int

    @property
    def figures(self) -> str:
        """The figures in a sentence, with what they are the means of."""
        end = "" if self.end is None else " and the end of text"
        return (
            f"{self.bits_per_byte:.3f} bits per byte, loss {self.loss:.3f} nats per token, "
            f"perplexity {self.perplexity:.1f}, {counted(len(self.tokens), 'token')}{end}"
        )

    def _repr_html_(self) -> str:
        return scored_text_html(self)


def score_text(model: GPT, tokenizer: Tokenizer, text: Text, *, top: int = 10) -> ScoredText:
    """Score every token of a text, and the end-of-text token after it.

    A text longer than the context is read in windows that overlap by half.

    Args:
        model: in evaluation mode meanwhile.
        tokenizer: the model's.
        text: any text, or its ids.
        top: number of alternatives at each position.

    Raises:
        TokenizerError: it is not valid Unicode, or an id is not in the vocabulary.
        DataError: it is empty.
    """
    ids = token_ids(tokenizer, text)
    if not ids:
        raise DataError("the text is empty", hint="write a few words")
    ends = ids[-1] == tokenizer.eot_id
    scored_ids = ids if ends else [*ids, tokenizer.eot_id]
    texts = token_texts(tokenizer, scored_ids)
    scored: list[ScoredToken] = []
    for logits in _logits_at_each(model, [tokenizer.bos_id, *scored_ids]):
        # All ids of the model, as in training: a padded vocabulary has more than the tokenizer.
        for log_probabilities in logits.log_softmax(dim=-1):
            token, own = texts[len(scored)], log_probabilities[texts[len(scored)].id]
            scored.append(
                ScoredToken(
                    id=token.id,
                    text=token.text,
                    kind=token.kind,
                    probability=math.exp(float(own)),
                    surprisal=-float(own) / math.log(2.0),
                    rank=int((log_probabilities > own).sum()),
                    entropy=entropy_bits(log_probabilities),
                    alternatives=likeliest(
                        log_probabilities[: tokenizer.vocab_size], tokenizer, top
                    ),
                )
            )
    bits = math.fsum(token.surprisal for token in scored)
    loss = bits * math.log(2.0) / len(scored)
    n_bytes = len(tokenizer.decode_bytes(ids))
    return ScoredText(
        tokens=tuple(scored[: len(ids)]),
        end=None if ends else scored[-1],
        loss=loss,
        perplexity=math.exp(min(loss, 700.0)),  # exp(710) overflows float64
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
