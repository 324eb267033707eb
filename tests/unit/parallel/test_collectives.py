"""Alone, everything between processes is nothing; how two work together is in `tests/e2e`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.distributed
from torch import Tensor, nn

from slm.config import TrainingConfig
from slm.errors import ConfigError, TrainingError
from slm.model import GPT
from slm.parallel.collectives import (
    average_gradients,
    copy_from_main,
    in_step,
    is_sharded,
    largest_over_processes,
    naming_lost_processes,
    share_of_micro_batches,
    sum_over_processes,
)
from slm.parallel.processes import Process
from slm.runs.guarded_step import GuardedStep


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
    batches = [(torch.ones(1, 2), torch.ones(1, 2))]
    assert list(in_step(batches, Process(), "cpu")) == batches
    assert not any(is_sharded(p) for p in layer.parameters())


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of what is sent, between this process and one that has the very same numbers."""
    sent: list[int] = []

    def all_reduce(tensor: Tensor, op: Any = torch.distributed.ReduceOp.SUM) -> None:
        sent.append(tensor.numel())
        if op == torch.distributed.ReduceOp.SUM:
            tensor.mul_(2)

    monkeypatch.setattr(torch.distributed, "all_reduce", all_reduce)
    return sent


def test_gradients_are_sent_in_one_message(messages: list[int]) -> None:
    layers = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2))
    layers(torch.ones(1, 3)).sum().backward()
    before = [p.grad.clone() for p in layers.parameters() if p.grad is not None]
    average_gradients(layers.parameters(), Process(world_size=2))
    assert messages == [3 * 5 + 5 + 5 * 2 + 2]
    after = [p.grad for p in layers.parameters() if p.grad is not None]
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_step_sends_gradients_once_however_many_micro_batches_it_has(
    messages: list[int], tiny_model: Callable[..., GPT], optimizer: str
) -> None:
    model = tiny_model("modern")
    config = TrainingConfig(optimizer=optimizer)
    stepper = GuardedStep(
        model, config, device="cpu", dtype="float32", process=Process(world_size=2)
    )
    ids = torch.arange(16).view(2, 8)
    outcome = stepper.step([(ids, ids + 1)] * 5, 5, 1.0)
    assert outcome.updated
    n_parameters = sum(p.numel() for p in model.parameters())
    # Besides, whether loss and weights are well: a number each.
    assert messages == [n_parameters, 1, 1]


@pytest.mark.parametrize(
    "error",
    [
        torch.distributed.DistNetworkError("the socket was closed"),
        RuntimeError("[gloo/transport/tcp/pair.cc:538] Connection closed by peer"),
    ],
)
def test_a_lost_process_is_named_in_the_midst_of_computing(error: RuntimeError) -> None:
    with (
        pytest.raises(TrainingError, match="process of this run has ended"),
        naming_lost_processes(),
    ):
        raise error


def test_other_errors_keep_their_names() -> None:
    error = RuntimeError("shapes differ")
    with pytest.raises(RuntimeError, match="shapes differ"), naming_lost_processes():
        raise error
