from __future__ import annotations

import math
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from slm.generation import GenerationOptions, filter_logits, sample
from slm.generation.sampling import (
    keep_min_p,
    keep_top_k,
    keep_top_p,
    penalize_repetition,
)
from slm.generation.torch_engine import sample_ids

OFF = {"temperature": 1.0, "top_k": None}
logit_rows = st.lists(
    st.integers(-40, 40).map(lambda value: value / 8), min_size=2, max_size=12
).map(lambda row: torch.tensor([row]))


def kept(logits: Tensor) -> set[int]:
    return set((logits[0] > -math.inf).nonzero().flatten().tolist())


@given(logit_rows, st.integers(1, 14))
def test_top_k_keeps_the_k_largest(logits: Tensor, k: int) -> None:
    row = logits[0].tolist()
    filtered = keep_top_k(logits, k)
    found = kept(filtered)
    assert sorted(row[i] for i in found) == sorted(row)[-k:]
    assert all(filtered[0, i] == row[i] for i in found)


@given(logit_rows, st.floats(0.01, 0.99))
def test_top_p_keeps_the_smallest_set_that_reaches_p(logits: Tensor, p: float) -> None:
    probabilities = logits[0].double().softmax(0).tolist()
    found = kept(keep_top_p(logits, p))
    mass = sum(probabilities[i] for i in found)
    least = min(probabilities[i] for i in found)
    dropped = [q for i, q in enumerate(probabilities) if i not in found]
    assert mass >= p - 1e-5
    assert mass - least < p + 1e-5
    assert all(q <= least + 1e-12 for q in dropped)


@given(logit_rows, st.floats(0.0, 1.0))
def test_min_p_keeps_what_is_not_much_less_likely_than_the_best(logits: Tensor, p: float) -> None:
    probabilities = logits[0].double().softmax(0)
    ratios = (probabilities / probabilities.max()).tolist()
    found = kept(keep_min_p(logits, p))
    assert {i for i, ratio in enumerate(ratios) if ratio > p + 1e-5} <= found
    assert found <= {i for i, ratio in enumerate(ratios) if ratio >= p - 1e-5}
    assert int(logits.argmax()) in found


def test_repetition_penalty_lowers_seen_tokens_whatever_their_sign() -> None:
    logits = torch.tensor([[2.0, -2.0, 2.0, -2.0]])
    seen = torch.tensor([[True, True, False, False]])
    assert penalize_repetition(logits, 2.0, seen).tolist() == [[1.0, -4.0, 2.0, -2.0]]


@given(logit_rows)
def test_filters_that_are_off_change_nothing(logits: Tensor) -> None:
    assert torch.equal(filter_logits(logits, GenerationOptions(**OFF)), logits)


def test_filters_leave_their_argument_alone() -> None:
    logits = torch.randn(3, 20, generator=torch.Generator().manual_seed(0))
    before = logits.clone()
    options = GenerationOptions(
        temperature=0.5, top_k=5, top_p=0.5, min_p=0.1, repetition_penalty=1.5
    )
    filter_logits(logits, options, seen=torch.ones(3, 20, dtype=torch.bool))
    assert torch.equal(logits, before)


def test_order_is_penalty_temperature_top_k_top_p_min_p() -> None:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(4, 30, generator=generator) * 3
    seen = torch.rand(4, 30, generator=generator) < 0.3
    options = GenerationOptions(
        temperature=0.7, top_k=9, top_p=0.8, min_p=0.05, repetition_penalty=1.3
    )
    expected = penalize_repetition(logits, 1.3, seen) / 0.7
    expected = keep_min_p(keep_top_p(keep_top_k(expected, 9), 0.8), 0.05)
    assert torch.equal(filter_logits(logits, options, seen), expected)


def test_filters_agree_with_transformers() -> None:
    processors = pytest.importorskip("transformers.generation.logits_process")
    logits = torch.randn(6, 50, generator=torch.Generator().manual_seed(1)) * 4
    ids = torch.randint(0, 50, (6, 11), generator=torch.Generator().manual_seed(2))
    expected = logits
    for processor in (
        processors.RepetitionPenaltyLogitsProcessor(1.4),
        processors.TemperatureLogitsWarper(0.6),
        processors.TopKLogitsWarper(20),
        processors.TopPLogitsWarper(0.9),
        processors.MinPLogitsWarper(0.03),
    ):
        expected = processor(ids, expected)
    options = GenerationOptions(
        temperature=0.6, top_k=20, top_p=0.9, min_p=0.03, repetition_penalty=1.4
    )
    seen = torch.zeros(6, 50, dtype=torch.bool).scatter(1, ids, True)
    torch.testing.assert_close(filter_logits(logits, options, seen), expected)


@pytest.mark.parametrize("top_k", [None, 8, 50])
@pytest.mark.parametrize("penalty", [1.0, 1.5])
def test_sampling_follows_the_filtered_distribution(top_k: int | None, penalty: float) -> None:
    n_draws = 20_000
    logits = torch.randn(1, 12, generator=torch.Generator().manual_seed(5)) * 2
    options = GenerationOptions(
        temperature=1.3, top_k=top_k, top_p=0.95, repetition_penalty=penalty
    )
    rng = random.Random(0)
    uniforms = [1.0 - rng.random() for _ in range(n_draws)]
    text = [int(logits.argmax())]
    ids = sample_ids(logits.expand(n_draws, -1), [options] * n_draws, uniforms, [text] * n_draws)
    counts = torch.tensor(ids).bincount(minlength=12).double()
    seen = torch.zeros(1, 12, dtype=torch.bool)
    seen[0, text] = True
    expected = filter_logits(logits, options, seen)[0].double().softmax(0) * n_draws
    possible = expected > 0
    assert counts[~possible].sum() == 0
    chi_square = ((counts - expected)[possible] ** 2 / expected[possible]).sum()
    # The 99.99th percentile of chi-square with at most 11 degrees of freedom is 37.4.
    assert int(possible.sum()) > 3
    assert chi_square < 37.4


@settings(deadline=None)
@given(
    logit_rows,
    st.one_of(st.floats(0.0, 1.0, exclude_min=True), st.sampled_from([1.0, 5e-324, 1 - 2**-53])),
    st.integers(1, 12),
)
def test_a_filtered_token_is_never_sampled(logits: Tensor, uniform: float, k: int) -> None:
    filtered = keep_top_k(logits, k)
    sampled = int(sample(filtered, torch.tensor([uniform], dtype=torch.float64)))
    assert sampled in kept(filtered)


def test_a_row_does_not_depend_on_the_rows_beside_it() -> None:
    logits = torch.randn(8, 100, generator=torch.Generator().manual_seed(0))
    uniforms = torch.rand(8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    together = sample(logits, uniforms)
    alone = [int(sample(logits[i : i + 1], uniforms[i : i + 1])) for i in range(8)]
    assert together.tolist() == alone
