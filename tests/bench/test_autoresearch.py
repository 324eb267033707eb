"""The port of autoresearch: its packing, its schedule, and that it learns."""

from __future__ import annotations

import itertools

import autoresearch
import numpy as np
import pytest
import torch

EOT = 9


def stream(*lengths):
    """Documents of these lengths, whose ids are their numbers."""
    return np.concatenate([[*[number] * length, EOT] for number, length in enumerate(lengths)])


def test_rows_are_filled_with_the_longest_that_fit():
    rows = autoresearch.packed_rows(stream(2, 4, 1, 3), EOT, length=8, n_buffered=4)
    # The longest is 5 ids with its start; 3 are left, for the one of 3.
    assert next(rows).tolist() == [EOT, 1, 1, 1, 1, EOT, 0, 0]


def test_where_nothing_fits_the_shortest_is_cut():
    rows = autoresearch.packed_rows(stream(5, 4), EOT, length=4, n_buffered=2)
    assert next(rows).tolist() == [EOT, 1, 1, 1]


def test_rows_never_end_and_begin_with_a_document():
    rows = autoresearch.packed_rows(stream(2, 4, 1, 3), EOT, length=5, n_buffered=3)
    for row in itertools.islice(rows, 50):
        assert row.shape == (5,)
        assert row[0] == EOT


def test_the_rate_falls_in_the_second_half():
    recipe = autoresearch.Recipe()
    scales = [recipe.lr_scale(progress) for progress in (0.0, 0.5, 0.75, 1.0)]
    assert scales == pytest.approx([1.0, 1.0, 0.5, 0.0])


def test_it_learns():
    torch.manual_seed(0)
    sizes = autoresearch.Sizes(depth=2, aspect_ratio=16, head_dim=16, context=16)
    model = autoresearch.GPT(10, sizes)
    optimizer = autoresearch.MuonAdamW(model, autoresearch.Recipe(), torch.float32)
    ids = torch.randint(10, (4, 17))
    losses = []
    for _ in range(20):
        logits = model(ids[:, :-1])
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        loss.backward()
        optimizer.step(progress=0.0)
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(np.log(10), abs=0.1)
    assert losses[-1] < losses[0] / 2


def test_later_ids_change_nothing_before_them():
    sizes = autoresearch.Sizes(depth=2, aspect_ratio=16, head_dim=16, context=8)
    model = autoresearch.GPT(10, sizes)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        first = torch.randint(10, (1, 8))
        second = first.clone()
        second[0, 5] = (second[0, 5] + 1) % 10
        torch.testing.assert_close(model(first)[:, :5], model(second)[:, :5])
        assert not torch.equal(model(first)[:, 5:], model(second)[:, 5:])


@pytest.mark.parametrize(("depth", "width"), [(4, 256), (5, 384), (1, 128)])
def test_widths_are_multiples_of_a_head(depth, width):
    assert autoresearch.Sizes(depth=depth).width == width
