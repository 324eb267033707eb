"""The windows of a step: every window once an epoch, in an order that never changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slm.data.batches import (
    count_windows,
    inputs_and_targets,
    spread_windows,
    window_order,
    windows_at,
    windows_of_step,
)


@settings(deadline=None, max_examples=60)
@given(n_windows=st.integers(1, 200), seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 5))
def test_an_epoch_has_every_window_once(n_windows: int, seed: int, epoch: int) -> None:
    rows = windows_at(epoch * n_windows, n_windows, n_windows=n_windows, seed=seed)
    assert sorted(rows.tolist()) == list(range(n_windows))


@settings(deadline=None, max_examples=60)
@given(
    n_windows=st.integers(1, 50), first=st.integers(0, 500), rows=st.integers(1, 120), cut=st.data()
)
def test_rows_do_not_depend_on_how_they_are_asked_for(
    n_windows: int, first: int, rows: int, cut: st.DataObject
) -> None:
    whole = windows_at(first, rows, n_windows=n_windows, seed=7).tolist()
    at = cut.draw(st.integers(0, rows - 1))
    tail = windows_at(first + at, rows - at, n_windows=n_windows, seed=7).tolist()
    assert whole[at:] == tail


def test_epochs_and_seeds_differ() -> None:
    orders = {tuple(window_order(50, seed, epoch)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


def test_the_order_never_changes() -> None:
    """Frozen: a resumed run must meet the order it began with, on any machine and NumPy."""
    assert window_order(10, 1337, 0).tolist() == [5, 1, 6, 7, 8, 4, 0, 9, 2, 3]
    assert window_order(10, 1337, 1).tolist() == [2, 6, 3, 7, 5, 4, 8, 9, 0, 1]


def test_a_batch_spans_epochs_of_a_tiny_split() -> None:
    rows = windows_at(1, 7, n_windows=2, seed=0)
    assert np.bincount(rows).tolist() in ([3, 4], [4, 3])


def test_processes_share_the_sequences_of_a_step() -> None:
    together = windows_of_step(3, 6, n_windows=11, seed=5).tolist()
    shares = [
        windows_of_step(3, 2, n_windows=11, seed=5, rank=rank, world_size=3).tolist()
        for rank in range(3)
    ]
    assert [window for share in shares for window in share] == together


@pytest.mark.parametrize(
    ("n_tokens", "block_size", "expected"), [(0, 4, 0), (4, 4, 0), (5, 4, 1), (8, 4, 1), (9, 4, 2)]
)
def test_a_window_needs_one_more_id(n_tokens: int, block_size: int, expected: int) -> None:
    assert count_windows(n_tokens, block_size) == expected


@pytest.mark.parametrize(
    ("n_windows", "limit", "expected"), [(10, 4, [0, 2, 5, 7]), (3, 0, [0]), (3, 9, [0, 1, 2])]
)
def test_windows_are_spread_evenly(n_windows: int, limit: int, expected: list[int]) -> None:
    assert spread_windows(n_windows, limit).tolist() == expected


def test_targets_are_the_inputs_shifted_by_one_position() -> None:
    tokens = np.arange(100, 120, dtype=np.uint16)
    x, y = inputs_and_targets(tokens, np.array([0, 8]), 4)
    assert x.tolist() == [[100, 101, 102, 103], [108, 109, 110, 111]]
    assert y.tolist() == [[101, 102, 103, 104], [109, 110, 111, 112]]
    assert x.dtype == y.dtype == np.int64
