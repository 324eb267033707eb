"""Batches of tokens as pure functions of an array of ids and (seed, step, rank, world size).

The ids of a split are divided into windows of `block_size` that do not overlap. Each epoch visits
every window once, in an order drawn from (seed, epoch). The sequences of all batches are taken from
that order one after another, so that two processes together see what one would see, and resuming a
run needs only its step.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
TokenArray = npt.NDArray[np.unsignedinteger[Any]]
"""Ids of a split, in memory or memory-mapped."""


def count_windows(n_tokens: int, block_size: int) -> int:
    """Number of windows that `n_tokens` ids hold; each needs one more id as its last target."""
    return max(0, n_tokens - 1) // block_size


@lru_cache(maxsize=8)
def window_order(n_windows: int, seed: int, epoch: int) -> Indices:
    """The order in which an epoch visits the windows: a permutation of 0 to n_windows - 1.

    It sorts raw PCG64 numbers instead of calling `Generator.permutation`, because NumPy promises to
    keep only the former the same in all versions (NEP 19), and a resumed run needs the same order.
    """
    raw = np.random.PCG64([seed, epoch]).random_raw(n_windows)
    order = np.argsort(raw, kind="stable").astype(np.int64)
    order.flags.writeable = False  # it is shared by all callers
    return order


def windows_at(first: int, count: int, *, n_windows: int, seed: int) -> Indices:
    """The windows of training sequences `first` to `first + count - 1`, shape [count].

    Sequence g is entry g mod n_windows of epoch g // n_windows.
    """
    sequences = np.arange(first, first + count, dtype=np.int64)
    epochs, positions = np.divmod(sequences, n_windows)
    windows = np.empty(count, np.int64)
    for epoch in range(int(epochs[0]), int(epochs[-1]) + 1):
        in_epoch = epochs == epoch
        windows[in_epoch] = window_order(n_windows, seed, epoch)[positions[in_epoch]]
    return windows


def windows_of_step(
    step: int, batch_size: int, *, n_windows: int, seed: int, rank: int = 0, world_size: int = 1
) -> Indices:
    """The windows of the batch of a step, shape [batch_size]; steps count micro-batches from 0."""
    first = (step * world_size + rank) * batch_size
    return windows_at(first, batch_size, n_windows=n_windows, seed=seed)


def spread_windows(n_windows: int, limit: int) -> Indices:
    """At most `limit` of the windows (at least one), in order and evenly spread."""
    chosen = min(n_windows, max(1, limit))
    return np.arange(chosen, dtype=np.int64) * n_windows // chosen


def inputs_and_targets(tokens: TokenArray, starts: Indices, length: int) -> tuple[Indices, Indices]:
    """The ids of `length` positions from each start, and the same shifted by one position.

    Args:
        tokens: the ids of a split.
        starts: [B] positions of the first ids.
        length: T, the number of inputs per sequence.

    Returns:
        x, y: int64 [B, T]; y[b, t] is the id that follows x[b, t].
    """
    positions = (starts[:, None] + np.arange(length + 1)) % len(tokens)  # wraps around
    sequences = np.asarray(tokens[positions]).astype(np.int64)
    return sequences[:, :-1], sequences[:, 1:]
