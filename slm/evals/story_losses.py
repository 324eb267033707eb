"""The loss of every story by itself, so that two models can be compared story by story.

Stories are scored as in `slm.evals.loss`: every token once, with the start of its own story as
context, and the end-of-text token after it. Two models score the same stories, so most of what
makes one story harder than another cancels out in the difference, and far fewer stories show it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch

from slm.errors import CheckpointError, DataError
from slm.evals.likelihood import (
    BATCH_TOKENS,
    EncodedRequest,
    log_probability_sums,
    request_batches,
)
from slm.evals.scoring import story_windows
from slm.evals.suite import CONFIDENCE, FloatArray, resampled_means
from slm.model import GPT
from slm.model.dropout import evaluating
from slm.tokenizer.base import Ids, Tokenizer


@dataclass(frozen=True)
class StoryLosses:
    """What each of S stories costs a model: three arrays [S]."""

    nats: FloatArray
    """Surprisal of all tokens of a story."""
    tokens: FloatArray
    """Number of tokens, with the end-of-text token."""
    bytes: FloatArray
    """UTF-8 bytes of the text."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% bootstrap interval over the stories."""

    value: float
    low: float
    high: float

    @property
    def is_beyond_noise(self) -> bool:
        """Whether the interval of a difference excludes zero."""
        return self.low > 0.0 or self.high < 0.0


def story_losses(
    model: GPT,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    *,
    batch_tokens: int = BATCH_TOKENS,
    autocast: AbstractContextManager[object] | None = None,
    on_progress: Callable[[float, int], None] | None = None,
) -> StoryLosses:
    """Score stories one by one.

    Args:
        model: set to evaluation mode, and restored afterwards.
        tokenizer: the model's.
        texts: the stories.
        batch_tokens: positions per batch.
        autocast: sets the dtype of matrix multiplications; None: the dtype of the weights.
        on_progress: called with the share that is done and the tokens scored.

    Raises:
        DataError: there is no text.
        TokenizerError: a text is not valid Unicode.
        CheckpointError: the loss is non-finite.
    """
    n_bytes = np.array([len(text.encode("utf-8")) for text in texts], dtype=np.float64)
    if not n_bytes.sum():
        raise DataError("there is no text to compare on", hint="check that the source is not empty")
    eot = np.array([tokenizer.eot_id], dtype=np.uint32)
    stories = (np.concatenate((ids, eot)) for ids in tokenizer.encode_batch(list(texts)))
    windows, story_of = _windows(stories, tokenizer, model.config.block_size)
    nats, tokens = np.zeros(len(texts)), np.zeros(len(texts))
    n_all, n_done = sum(window.n_scored for window in windows), 0
    with evaluating(model), torch.inference_mode(), autocast or contextlib.nullcontext():
        for batch in request_batches(windows, batch_tokens):
            sums = log_probability_sums(model, [windows[index] for index in batch])
            for index, log_probability in zip(batch, sums, strict=True):
                nats[story_of[index]] -= log_probability
                tokens[story_of[index]] += windows[index].n_scored
                n_done += windows[index].n_scored
            if on_progress is not None:
                on_progress(n_done / n_all, n_done)
    if not np.isfinite(nats).all():
        raise CheckpointError(
            "the model's loss is non-finite",
            hint="its training has diverged; use an earlier checkpoint or train again",
        )
    return StoryLosses(nats, tokens, n_bytes)


def _windows(
    stories: Iterable[Ids], tokenizer: Tokenizer, block_size: int
) -> tuple[list[EncodedRequest], list[int]]:
    """The windows of all stories, and the number of the story of each."""
    windows: list[EncodedRequest] = []
    story_of: list[int] = []
    n_stories = 0
    eot_id, bos_id = tokenizer.eot_id, tokenizer.bos_id
    for window in story_windows(stories, eot_id, block_size, bos_id=bos_id):
        n_stories += window.begins_story
        windows.append(EncodedRequest(window.ids.tolist(), window.n_scored))
        story_of.append(n_stories - 1)
    return windows, story_of


def bits_per_byte(losses: StoryLosses, *, seed: int) -> Estimate:
    """The bits per byte of all stories together."""
    return _ratio(losses.nats / math.log(2), losses.bytes, seed)


def loss_per_token(losses: StoryLosses, *, seed: int) -> Estimate:
    """The loss in nats per token, which depends on the tokenizer."""
    return _ratio(losses.nats, losses.tokens, seed)


def difference(a: StoryLosses, b: StoryLosses, *, seed: int) -> Estimate:
    """The bits per byte of `b` minus those of `a`, on the same stories: negative where b is better.

    The bootstrap is paired: each resample draws stories, and both models are scored on these. The
    interval covers the choice of the stories. It does not cover what another seed of the training
    would change.
    """
    return _ratio((b.nats - a.nats) / math.log(2), a.bytes, seed)


def _ratio(totals: FloatArray, sizes: FloatArray, seed: int) -> Estimate:
    """The ratio of two sums over stories with its percentile bootstrap interval (Efron 1979).

    Stories without a size are not drawn, because a resample might have no others.
    """
    drawn = sizes > 0
    resampled = resampled_means(totals[drawn], sizes[drawn], np.random.default_rng(seed))
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(resampled, [tail, 100 - tail])
    return Estimate(float(totals.sum() / sizes.sum()), float(low), float(high))
