"""Alone, everything between processes is nothing; how two work together is in `tests/e2e`."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from slm.config import TrainingConfig
from slm.errors import ConfigError
from slm.runtime import Process
from slm.train.distributed import (
    average_gradients,
    copy_from_main,
    largest_over_processes,
    share_of_micro_batches,
    sum_over_processes,
)


@pytest.mark.parametrize(("total", "world_size", "share"), [(4, 1, 4), (4, 2, 2), (6, 6, 1)])
def test_micro_batches_are_shared_evenly(total: int, world_size: int, share: int) -> None:
    config = TrainingConfig(gradient_accumulation_steps=total)
    assert share_of_micro_batches(config, Process(world_size=world_size)) == share


@pytest.mark.parametrize(("total", "world_size"), [(3, 2), (1, 2), (4, 8)])
def test_or_refused(total: int, world_size: int) -> None:
    config = TrainingConfig(gradient_accumulation_steps=total)
    with pytest.raises(ConfigError, match=f"{total} .*{world_size}") as caught:
        share_of_micro_batches(config, Process(world_size=world_size))
    assert caught.value.hint is not None
    assert f"processes that divides {total}" in caught.value.hint
    possible = int(caught.value.hint.rpartition("=")[2])
    assert possible % world_size == 0
    assert possible - total < world_size


def test_alone_nothing_changes() -> None:
    layer = nn.Linear(2, 2)
    layer(torch.ones(1, 2)).sum().backward()
    before = [p.detach().clone() for p in layer.parameters()]
    gradients = [p.grad.clone() for p in layer.parameters() if p.grad is not None]
    copy_from_main(layer, Process())
    average_gradients(layer.parameters(), Process())
    assert all(torch.equal(p, b) for p, b in zip(layer.parameters(), before, strict=True))
    found = [p.grad for p in layer.parameters() if p.grad is not None]
    assert all(torch.equal(g, b) for g, b in zip(found, gradients, strict=True))
    assert sum_over_processes([1.5, 2.0], Process(), "cpu") == [1.5, 2.0]
    assert largest_over_processes([1.5, 2.0], Process(), "cpu") == [1.5, 2.0]
