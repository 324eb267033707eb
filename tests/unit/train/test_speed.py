"""What is measured is there and adds up; how large it is, only `bench/` and people may judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from slm.config import TrainingConfig
from slm.model import GPT
from slm.runtime import Process
from slm.train import speed
from slm.train.speed import Ceiling, best_seconds, measure_ceiling, seconds_by_part, step_seconds
from slm.train.step import Stepper

MakeModel = Callable[..., GPT]


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Work that takes these seconds, one after the other, by a clock of its own."""
    durations: list[float] = []
    now = [0.0]
    monkeypatch.setattr(speed.time, "perf_counter", lambda: now[0])

    def turn() -> None:
        now[0] += durations.pop(0)

    monkeypatch.setattr(speed, "turn", turn, raising=False)
    yield durations
    assert durations == []


def test_a_step_is_the_median_after_the_warm_up(ticking: list[float]) -> None:
    ticking += [9.0, 9.0, 1.0, 5.0, 2.0]
    assert step_seconds(speed.turn, "cpu", warm_up=2, steps=3) == 2.0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("durations", "expected"),
    [
        ([9.0, 4.0, 2.0], 3.0),  # two at least
        ([9.0, 1.0, 1.0, 2.0], 1.0),
        ([0.1, 0.5, 0.6, 0.7, 0.8], 0.65),  # no more than four
    ],
)
def test_steps_end_when_they_have_taken_long_enough(
    ticking: list[float], durations: list[float], expected: float
) -> None:
    ticking += durations
    found = step_seconds(speed.turn, "cpu", warm_up=1, steps=4, enough_seconds=3.0)  # type: ignore[attr-defined]
    assert found == pytest.approx(expected)


def test_the_best_is_the_least_but_the_first(ticking: list[float]) -> None:
    ticking += [0.5, 3.0, 2.0, 4.0]
    assert best_seconds(speed.turn, "cpu", repeats=3) == 2.0  # type: ignore[attr-defined]


def test_the_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "PRODUCT_SIZE", 64)
    monkeypatch.setattr(speed, "MEMORY_BYTES", 1 << 16)
    found = measure_ceiling("cpu")
    assert min(found.bfloat16_gflops, found.float32_gflops, found.memory_gb_per_second) > 0
    assert Ceiling(4.0, 1.0, 2.0).of("bfloat16") == Ceiling(4.0, 1.0, 2.0).of("float16") == 4.0
    assert Ceiling(4.0, 1.0, 2.0).of("float32") == 1.0


def test_a_format_that_is_emulated_is_timed_in_small(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    asked: list[tuple[int, torch.dtype]] = []

    def multiply(left: torch.Tensor, right: torch.Tensor, *, out: torch.Tensor) -> None:
        asked.append((left.size(0), left.dtype))
        gflops = 0.5 if left.dtype == torch.bfloat16 else 50.0
        now[0] += 2 * left.size(0) ** 3 / gflops / 1e9

    monkeypatch.setattr(torch, "mm", multiply)
    monkeypatch.setattr(speed.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(speed, "MEMORY_BYTES", 1 << 10)
    monkeypatch.setattr(torch.Tensor, "sum", lambda self: now.__setitem__(0, now[0] + 1.0))
    found = measure_ceiling("cpu")
    assert found.bfloat16_gflops == pytest.approx(0.5)
    assert found.float32_gflops == pytest.approx(50.0)
    assert max(size for size, dtype in asked if dtype == torch.bfloat16) == 512
    assert max(size for size, dtype in asked if dtype == torch.float32) == 2048


@pytest.mark.parametrize("family", ["gpt2", "modern"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_parts_add_up_to_the_whole(tiny_model: MakeModel, family: str, dtype: str) -> None:
    model = tiny_model(family)
    config = TrainingConfig(optimizer="muon", learning_rate=1e-6, muon_learning_rate=1e-6)
    stepper = Stepper(model, config, device="cpu", dtype=dtype, process=Process())
    before = {name: weights.detach().clone() for name, weights in model.named_parameters()}
    ids = torch.randint(97, (2, 9))
    parts = seconds_by_part(stepper, (ids[:, :-1], ids[:, 1:]), 100.0, micro_batches=3, repeats=1)
    assert sum(parts.values()) == pytest.approx(100.0)
    assert all(seconds > 0 for seconds in parts.values())
    assert set(parts) >= {"attention", "mlp", "norms", "head and loss", "optimizer", "rest"}
    for name, weights in model.named_parameters():
        assert weights.grad is None
        torch.testing.assert_close(weights.detach(), before[name], atol=1e-4, rtol=1e-2)
