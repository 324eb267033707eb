"""Divides stories into windows and windows into batches, so that every token is scored once.

Stories are one stream of ids, in chunks of any size, in which an end-of-text token ends each story.
Every token of a story is scored, with an end-of-text token as its start, and so is the end-of-text
token at its end. A story that fits into the context is one window. A longer one is scored with
windows that advance by half a context: each scores its second half, and its first half is context.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from slm.data.batches import TokenArray
from slm.model.loss import IGNORE_INDEX
from slm.tokenizer.base import Ids

BUCKET_BATCHES = 64
"""Windows of about this many batches are collected and sorted by length, to reduce padding."""


class Window(NamedTuple):
    """A part of a story that the model processes at once.

    Attributes:
        ids: [T + 1]: the inputs ids[:-1] and the targets ids[1:].
        n_context: number of leading targets that an earlier window has already scored.
        begins_story: whether this is its story's first window.
    """

    ids: Ids
    n_context: int
    begins_story: bool

    @property
    def n_scored(self) -> int:
        """Number of tokens that this window scores."""
        return len(self.ids) - 1 - self.n_context


class _StoryCutter:
    """Turns the chunks of a story into windows, and keeps little more than a chunk."""

    def __init__(self, block_size: int, bos_id: int) -> None:
        self.block_size = block_size
        self.stride = max(1, block_size // 2)
        self.bos_id = bos_id
        self._begin()

    def _begin(self) -> None:
        self._held: Ids = np.array([self.bos_id], dtype=np.uint32)
        self._n_scored = 0  # of the kept ids, without the first
        self._first = True

    def add(self, chunk: TokenArray) -> Iterator[Window]:
        """Add ids; returns the windows that are complete."""
        self._held = np.concatenate((self._held, chunk), dtype=np.uint32)
        while len(self._held) - 1 - self._n_scored > self._most_at_once:
            yield self._window(self._most_at_once)

    def end(self) -> Iterator[Window]:
        """The last window, with as much context as fits; starts a new story."""
        n_left = len(self._held) - 1 - self._n_scored
        if n_left:
            yield self._window(n_left)
        self._begin()

    @property
    def _most_at_once(self) -> int:
        return self.block_size if self._first else self.stride

    def _window(self, n_scored: int) -> Window:
        last = self._n_scored + n_scored
        start = max(0, last - self.block_size)
        window = Window(self._held[start : last + 1], self._n_scored - start, self._first)
        self._held, self._n_scored, self._first = self._held[start:], last - start, False
        return window


def story_windows(
    chunks: Iterable[TokenArray], eot_id: int, block_size: int, *, bos_id: int | None = None
) -> Iterator[Window]:
    """Divide a stream of stories into windows of at most `block_size` predictions.

    Args:
        chunks: consecutive ids; an `eot_id` ends a story. So does the end of the stream, and then
            no end-of-text token is scored.
        eot_id: the end-of-text token.
        block_size: the model's context length.
        bos_id: the token that begins each story; None: the end-of-text token.
    """
    cutter = _StoryCutter(block_size, eot_id if bos_id is None else bos_id)
    for chunk in chunks:
        start = 0
        for end in (np.flatnonzero(chunk == eot_id) + 1).tolist():
            yield from cutter.add(chunk[start:end])
            yield from cutter.end()
            start = end
        if start < len(chunk):
            yield from cutter.add(chunk[start:])
    yield from cutter.end()


def batches(windows: Iterable[Window], batch_tokens: int) -> Iterator[list[Window]]:
    """Group windows of similar length, with at most `batch_tokens` positions or one window.

    The order of the windows changes. Memory holds the windows of `BUCKET_BATCHES` batches.
    """
    bucket: list[Window] = []
    n_tokens = 0
    for window in windows:
        bucket.append(window)
        n_tokens += len(window.ids)
        if n_tokens >= BUCKET_BATCHES * batch_tokens:
            yield from _cut_bucket(bucket, batch_tokens)
            bucket, n_tokens = [], 0
    yield from _cut_bucket(bucket, batch_tokens)


def _cut_bucket(bucket: list[Window], batch_tokens: int) -> Iterator[list[Window]]:
    batch: list[Window] = []
    for window in sorted(bucket, key=lambda window: len(window.ids)):
        # Lengths ascend, so this window would be the batch's longest.
        if batch and (len(batch) + 1) * (len(window.ids) - 1) > batch_tokens:
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch


def to_tensors(batch: Sequence[Window]) -> tuple[Tensor, Tensor]:
    """Inputs and targets, padded on the right: two tensors of int64 [B, T].

    Padding and positions that were scored before have the target `IGNORE_INDEX`.
    """
    longest = max(len(window.ids) for window in batch) - 1
    inputs = np.zeros((len(batch), longest), dtype=np.int64)
    targets = np.full((len(batch), longest), IGNORE_INDEX, dtype=np.int64)
    for row, (ids, n_context, _) in enumerate(batch):
        n = len(ids) - 1
        inputs[row, :n] = ids[:-1]
        targets[row, n_context:n] = ids[n_context + 1 :]
    return torch.from_numpy(inputs), torch.from_numpy(targets)
