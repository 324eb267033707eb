"""Evaluates a model on text: loss, perplexity and bits per byte, with every token scored once.

Bits per byte is the total surprisal in bits divided by the UTF-8 bytes of the text. It does not
depend on the tokenizer, so any two models can be compared.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import torch

from slm.data.batches import TokenArray
from slm.data.shards import DataDirectory
from slm.errors import CheckpointError, DataError, TokenizerError
from slm.evals.scorers import ModelScorer, Scorer
from slm.evals.scoring import Window, batches, story_windows
from slm.model import GPT
from slm.model.dropout import evaluating
from slm.tokenizer.base import Ids, Tokenizer

BATCH_TOKENS = 4096
CHUNK_CHARS = 1 << 20
CHUNK_IDS = 1 << 18

TokenProgress = Callable[[int], None]
"""Called after each batch with the number of tokens scored so far."""


@dataclass(frozen=True)
class EvalResult:
    """The result of an evaluation."""

    loss: float
    """Mean negative log-likelihood in nats per token."""
    perplexity: float
    """exp(loss)."""
    bits_per_byte: float
    """Total nats / ln 2 / bytes."""
    tokens: int
    """Scored tokens: those of every story, and its end-of-text token if the data has it."""
    bytes: int
    """UTF-8 bytes of the stories' text."""
    stories: int

    def to_json(self) -> dict[str, Any]:
        """The metrics by name."""
        return asdict(self)


@dataclass
class Total:
    """What was scored so far."""

    nats: float = 0.0
    tokens: int = 0
    stories: int = 0


def evaluate_ids(
    model: GPT,
    chunks: Iterable[TokenArray],
    *,
    eot_id: int,
    bos_id: int | None = None,
    n_bytes: Callable[[], int],
    batch_tokens: int = BATCH_TOKENS,
    autocast: AbstractContextManager[object] | None = None,
    scorer: Scorer | None = None,
    on_progress: TokenProgress | None = None,
) -> EvalResult:
    """Score every token of a stream of stories once, with the start of its story as context.

    Stories longer than the context are scored with windows that overlap by half: see
    `slm.evals.scoring`. Memory is bounded for a stream or story of any length.

    Args:
        model: set to evaluation mode, and restored afterwards.
        chunks: consecutive ids in which `eot_id` ends each story.
        eot_id: the end-of-text token.
        bos_id: the token that each story begins with; None: the end-of-text token.
        n_bytes: the UTF-8 bytes of all the text; called when the stream has ended.
        batch_tokens: positions per batch.
        autocast: sets the dtype of matrix multiplications; None: the dtype of the weights.
        scorer: computes the loss; None: the model.
        on_progress: called with the number of tokens scored so far.

    Raises:
        DataError: there is no text to score.
        CheckpointError: the loss is non-finite.
    """
    windows = story_windows(chunks, eot_id, model.config.block_size, bos_id=bos_id)
    with evaluating(model), torch.inference_mode(), autocast or contextlib.nullcontext():
        return evaluate_windows(
            windows,
            scorer or ModelScorer(model),
            n_bytes=n_bytes,
            batch_tokens=batch_tokens,
            on_progress=on_progress,
        )


def evaluate_windows(
    windows: Iterable[Window],
    scorer: Scorer,
    *,
    n_bytes: Callable[[], int],
    batch_tokens: int = BATCH_TOKENS,
    on_progress: TokenProgress | None = None,
) -> EvalResult:
    """Add up what a scorer finds for windows; see `evaluate_ids`."""
    total = Total()
    for batch in batches(windows, batch_tokens):
        total.nats += scorer.nats(batch)  # a Python float has 64 bits
        total.tokens += sum(window.n_scored for window in batch)
        total.stories += sum(window.begins_story for window in batch)
        if on_progress is not None:
            on_progress(total.tokens)
    return result_of(total, n_bytes())


def result_of(total: Total, n_bytes: int) -> EvalResult:
    """The measures of scored text.

    Args:
        total: of all its tokens.
        n_bytes: its UTF-8 bytes.

    Raises:
        DataError: there is no text.
        CheckpointError: the loss is non-finite.
    """
    if total.tokens == 0 or n_bytes == 0:
        raise DataError("there is no text to evaluate", hint="check that the source is not empty")
    if not math.isfinite(total.nats):
        raise CheckpointError(
            "the model's loss is non-finite",
            hint="its training has diverged; use an earlier checkpoint or train again",
        )
    loss = total.nats / total.tokens
    return EvalResult(
        loss=loss,
        perplexity=math.exp(min(loss, 700.0)),  # exp(710) overflows float64
        bits_per_byte=total.nats / math.log(2) / n_bytes,
        tokens=total.tokens,
        bytes=n_bytes,
        stories=total.stories,
    )


def evaluate_split(
    model: GPT,
    tokenizer: Tokenizer,
    directory: DataDirectory,
    split: str = "validation",
    *,
    batch_tokens: int = BATCH_TOKENS,
    autocast: AbstractContextManager[object] | None = None,
    scorer: Scorer | None = None,
    on_progress: TokenProgress | None = None,
) -> EvalResult:
    """Score a split of prepared data.

    Args:
        model, tokenizer: of the same training.
        directory: prepared with the same tokenizer.
        split: `validation` or `train`.
        batch_tokens, autocast, scorer, on_progress: see `evaluate_ids`.

    Raises:
        DataError: other ids than the model's, a damaged file, or no text to score.
        TokenizerError: the tokenizer has more ids than the model.
        CheckpointError: the loss is non-finite.
    """
    _check_vocabulary(model, tokenizer)
    made_with = directory.meta.tokenizer
    if made_with.fingerprint != tokenizer.fingerprint:
        raise DataError(
            f"{directory.path} was prepared with the tokenizer {made_with.name} "
            f"({made_with.fingerprint[:12]}), the model has {tokenizer.name} "
            f"({tokenizer.fingerprint[:12]})",
            hint="evaluate on text (--source), or prepare the data with the model's tokenizer",
        )
    tokens = directory.tokens(split)
    return evaluate_ids(
        model,
        (tokens[start : start + CHUNK_IDS] for start in range(0, len(tokens), CHUNK_IDS)),
        eot_id=tokenizer.eot_id,
        bos_id=tokenizer.bos_id,
        n_bytes=lambda: directory.split(split).bytes,
        batch_tokens=batch_tokens,
        autocast=autocast,
        scorer=scorer,
        on_progress=on_progress,
    )


def evaluate_parts(
    model: GPT,
    tokenizer: Tokenizer,
    parts: Iterable[tuple[str, bool]],
    *,
    batch_tokens: int = BATCH_TOKENS,
    autocast: AbstractContextManager[object] | None = None,
    scorer: Scorer | None = None,
    on_progress: TokenProgress | None = None,
) -> EvalResult:
    """Score text in document parts.

    Args:
        model, tokenizer: of the same training.
        parts: see `slm.data.documents.DocumentPart`.
        batch_tokens, autocast, scorer, on_progress: see `evaluate_ids`.

    Raises:
        DataError: there is no text to score.
        TokenizerError: the text is not valid Unicode, or the tokenizer has more ids than the model.
        CheckpointError: the loss is non-finite.
    """
    _check_vocabulary(model, tokenizer)
    encoder = Encoder(tokenizer)
    return evaluate_ids(
        model,
        encoder.ids_of(parts),
        eot_id=tokenizer.eot_id,
        bos_id=tokenizer.bos_id,
        n_bytes=lambda: encoder.n_bytes,
        batch_tokens=batch_tokens,
        autocast=autocast,
        scorer=scorer,
        on_progress=on_progress,
    )


def evaluate_texts(
    model: GPT,
    tokenizer: Tokenizer,
    texts: Iterable[str],
    *,
    batch_tokens: int = BATCH_TOKENS,
    autocast: AbstractContextManager[object] | None = None,
    scorer: Scorer | None = None,
    on_progress: TokenProgress | None = None,
) -> EvalResult:
    """Score whole stories and the end-of-text token after each.

    For arguments and errors, see `evaluate_parts`.
    """
    return evaluate_parts(
        model,
        tokenizer,
        ((text, True) for text in texts),
        batch_tokens=batch_tokens,
        autocast=autocast,
        scorer=scorer,
        on_progress=on_progress,
    )


def _check_vocabulary(model: GPT, tokenizer: Tokenizer) -> None:
    if tokenizer.vocab_size > model.config.vocab_size:
        raise TokenizerError(
            f"the tokenizer {tokenizer.name} has {tokenizer.vocab_size} ids, "
            f"the model only {model.config.vocab_size}",
            hint="use the tokenizer that the model was trained with",
        )


class BatchTokenizer(Protocol):
    """What encodes text here: a tokenizer, or the one of a server."""

    @property
    def eot_id(self) -> int:
        """The end-of-text token's id."""

    def encode_batch(self, texts: Sequence[str]) -> list[Ids]:
        """The ids of texts, without special tokens."""


class Encoder:
    """Encodes parts of text, and counts their bytes.

    Args:
        tokenizer: of the model.
    """

    def __init__(self, tokenizer: BatchTokenizer) -> None:
        self.tokenizer = tokenizer
        self.n_bytes = 0

    def ids_of(self, parts: Iterable[tuple[str, bool]]) -> Iterator[Ids]:
        """The ids of document parts; an end-of-text token ends each document."""
        waiting: list[tuple[str, bool]] = []
        n_chars = 0
        for text, ends_story in parts:
            waiting.append((text, ends_story))
            n_chars += len(text) + 1
            if n_chars >= CHUNK_CHARS:
                yield from self._encode(waiting)
                waiting, n_chars = [], 0
        yield from self._encode(waiting)

    def _encode(self, parts: list[tuple[str, bool]]) -> Iterator[Ids]:
        eot = np.array([self.tokenizer.eot_id], dtype=np.uint32)
        encoded = self.tokenizer.encode_batch([text for text, _ in parts])
        for (text, ends_story), ids in zip(parts, encoded, strict=True):
            self.n_bytes += len(text.encode("utf-8"))
            yield np.concatenate((ids, eot)) if ends_story else ids
