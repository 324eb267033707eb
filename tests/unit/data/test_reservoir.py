"""A sample of a stream is uniform, and the same for the same seed."""

from __future__ import annotations

from collections import Counter

from slm.data.reservoir import Reservoir


def sample(n_items: int, size: int, seed: int) -> list[int]:
    reservoir: Reservoir[int] = Reservoir(size, seed)
    for item in range(n_items):
        reservoir.add(item)
    assert reservoir.n_seen == n_items
    return reservoir.items


def test_a_short_stream_is_kept_whole() -> None:
    assert sample(0, 3, seed=0) == []
    assert sample(3, 3, seed=0) == [0, 1, 2]


def test_equal_seeds_keep_the_same_items() -> None:
    assert sample(100, 10, seed=1) == sample(100, 10, seed=1) != sample(100, 10, seed=2)
    assert len(set(sample(100, 10, seed=1))) == 10


def test_each_item_is_kept_equally_often() -> None:
    """20 items, 5 kept: 500 of 2,000 samples, with a standard deviation of 19."""
    kept = Counter(item for seed in range(2000) for item in sample(20, 5, seed))
    assert len(kept) == 20
    assert all(abs(count - 500) < 100 for count in kept.values())
