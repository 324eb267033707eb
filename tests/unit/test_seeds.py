"""Seeds from numbers: the same for ever, and well spread."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from slm.seeds import mix_seed, seed_everything


@pytest.mark.parametrize(
    ("numbers", "seed"),
    [
        ((0,), 8147104208329303767),
        ((1337,), 6580978248793280517),
        ((1337, 0, 0), 3269731276231068113),
        ((1337, 1, 0), 8663415526776124837),
        ((0, 1337, 0), 898513176470120578),
        ((-1, 2**63), 8933068699926335443),
    ],
)
def test_seeds_stay_as_they_are(numbers: tuple[int, ...], seed: int) -> None:
    """Another value would make old runs go on differently."""
    assert mix_seed(*numbers) == seed


def test_one_number_is_splitmix64() -> None:
    """The first output of SplitMix64 from state 0, as published, without its lowest bit."""
    assert mix_seed(0) == 0xE220A8397B1DCDAF >> 1


@given(st.lists(st.integers(-(2**70), 2**70), min_size=1, max_size=4))
def test_every_seed_suits_pytorch(numbers: list[int]) -> None:
    seed = mix_seed(*numbers)
    assert 0 <= seed < 2**63
    torch.Generator().manual_seed(seed)


def test_seeds_are_well_spread() -> None:
    seeds = [mix_seed(1337, step, rank) for step in range(500) for rank in range(4)]
    assert len(set(seeds)) == len(seeds)
    for bit in range(63):  # each bit is set in half of them, within five standard deviations
        share = sum(seed >> bit & 1 for seed in seeds) / len(seeds)
        assert abs(share - 0.5) < 5 * 0.5 / math.sqrt(len(seeds))
    # One more step changes about half of the bits, whatever the bit.
    flips = Counter(
        bit
        for step in range(500)
        for bit in range(63)
        if (mix_seed(1, step) ^ mix_seed(1, step + 1)) >> bit & 1
    )
    assert all(abs(flips[bit] / 500 - 0.5) < 5 * 0.5 / math.sqrt(500) for bit in range(63))


def test_the_order_and_count_of_numbers_matter() -> None:
    assert len({mix_seed(1, 2), mix_seed(2, 1), mix_seed(1, 2, 0), mix_seed(0, 1, 2)}) == 4


def test_seed_everything() -> None:
    seed_everything(1, 2, 3)
    first = torch.rand(3)
    seed_everything(1, 2, 3)
    assert torch.equal(torch.rand(3), first)
    seed_everything(1, 2, 4)
    assert not torch.equal(torch.rand(3), first)
