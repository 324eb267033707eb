"""Cutting stories into windows and windows into batches, so that every token is scored once.

Stories come as one stream of ids, in pieces of any size, in which an end-of-text token ends each
story. What is scored is every token of a story after an end-of-text token as its start, and the
end-of-text token behind it. A story that fits into the context is one window. A longer one is
scored by windows that move on by half a context: each scores the half that is new and sees the
half before it.
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
"""Windows of about this many batches are collected and sorted by length, to need little padding."""


class Window(NamedTuple):
    """A stretch of a story that the model sees at once.

    Attributes:
        ids: [T + 1]: what the model sees, ids[:-1], and what it should predict, ids[1:].
        n_context: how many of the first predictions an earlier window has scored already.
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
    """Takes one story in pieces and gives its windows, holding little more than a piece."""

    def __init__(self, block_size: int, bos_id: int) -> None:
        self.block_size = block_size
        self.stride = max(1, block_size // 2)
        self.bos_id = bos_id
        self._begin()

    def _begin(self) -> None:
        self._held: Ids = np.array([self.bos_id], dtype=np.uint32)
        self._n_scored = 0  # of the held ids, the first not counted
        self._first = True

    def add(self, piece: TokenArray) -> Iterator[Window]:
        """The windows that are certain once these ids are known."""
        self._held = np.concatenate((self._held, piece), dtype=np.uint32)
        while len(self._held) - 1 - self._n_scored > self._most_at_once:
            yield self._window(self._most_at_once)

    def end(self) -> Iterator[Window]:
        """The last window, which sees as much before it as the context holds; then a new story."""
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
    pieces: Iterable[TokenArray], eot_id: int, block_size: int, *, bos_id: int | None = None
) -> Iterator[Window]:
    """Cut a stream of stories into windows of at most `block_size` predictions.

    Args:
        pieces: stretches of ids; an `eot_id` ends a story, and the stream's end does too, where
            then no end-of-text token is scored.
        eot_id: the end-of-text token.
        block_size: the model's context length.
        bos_id: the token that begins each story; None: the end-of-text token.
    """
    cutter = _StoryCutter(block_size, eot_id if bos_id is None else bos_id)
    for piece in pieces:
        start = 0
        for end in (np.flatnonzero(piece == eot_id) + 1).tolist():
            yield from cutter.add(piece[start:end])
            yield from cutter.end()
            start = end
        if start < len(piece):
            yield from cutter.add(piece[start:])
    yield from cutter.end()


def batches(windows: Iterable[Window], batch_tokens: int) -> Iterator[list[Window]]:
    """Group windows of like length, with at most `batch_tokens` places but at least one window.

    The windows come back in another order. Memory holds those of `BUCKET_BATCHES` batches.
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
    """What the model sees and should predict, padded on the right: two [B, T] of int64.

    Padding and what was scored before have the target `IGNORE_INDEX`.
    """
    longest = max(len(window.ids) for window in batch) - 1
    inputs = np.zeros((len(batch), longest), dtype=np.int64)
    targets = np.full((len(batch), longest), IGNORE_INDEX, dtype=np.int64)
    for row, (ids, n_context, _) in enumerate(batch):
        n = len(ids) - 1
        inputs[row, :n] = ids[:-1]
        targets[row, n_context:n] = ids[n_context + 1 :]
    return torch.from_numpy(inputs), torch.from_numpy(targets)
