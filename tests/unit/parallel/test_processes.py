"""Which process of a run this is."""

from __future__ import annotations

import pytest
import torch

from slm.errors import ConfigError
from slm.parallel.processes import Process, process_group


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_alone(environment: pytest.MonkeyPatch) -> None:
    assert Process.from_environment() == Process(0, 1, 0)
    assert Process().is_main
    environment.setenv("LOCAL_RANK", "3")
    assert Process.from_environment() == Process()


def test_what_torchrun_says(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("RANK", "5")
    environment.setenv("WORLD_SIZE", "8")
    assert Process.from_environment() == Process(5, 8, 5)
    environment.setenv("LOCAL_RANK", "1")
    assert Process.from_environment() == Process(5, 8, 1)
    assert not Process.from_environment().is_main
    assert Process.from_environment_or_alone() == Process(5, 8, 1)


@pytest.mark.parametrize(
    ("rank", "world_size", "local_rank"),
    [("x", "2", "0"), ("-1", "2", "0"), ("0", "", "0"), ("2", "2", "0"), ("0", "0", "0")]
    + [("0", "2", "1.5"), ("\u00b2", "4", "0")],
)
def test_what_makes_no_sense(
    environment: pytest.MonkeyPatch, rank: str, world_size: str, local_rank: str
) -> None:
    environment.setenv("RANK", rank)
    environment.setenv("WORLD_SIZE", world_size)
    environment.setenv("LOCAL_RANK", local_rank)
    with pytest.raises(ConfigError):
        Process.from_environment()
    assert Process.from_environment_or_alone() == Process()


def test_a_group_of_one_is_no_group() -> None:
    with process_group(Process(), "cpu"):
        assert not torch.distributed.is_initialized()
