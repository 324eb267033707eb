"""The figures are present and add up; how large they are, only `bench/` and people judge."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from slm.bench import training
from slm.bench.training import Ceiling, measure_ceiling, seconds_by_part
from slm.config import TrainingConfig
from slm.model import GPT
from slm.parallel.processes import Process
from slm.planning import timing
from slm.runs.guarded_step import GuardedStep

MakeModel = Callable[..., GPT]


def test_the_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "MATRIX_SIZE", 64)
    monkeypatch.setattr(training, "MEMORY_BYTES", 1 << 16)
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
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(training, "MEMORY_BYTES", 1 << 10)
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
    stepper = GuardedStep(model, config, device="cpu", dtype=dtype, process=Process())
    before = {name: weights.detach().clone() for name, weights in model.named_parameters()}
    ids = torch.randint(97, (2, 9))
    parts = seconds_by_part(stepper, (ids[:, :-1], ids[:, 1:]), 100.0, micro_batches=3, repeats=1)
    assert sum(parts.values()) == pytest.approx(100.0)
    assert all(seconds > 0 for seconds in parts.values())
    assert set(parts) >= {"attention", "mlp", "norms", "head and loss", "optimizer", "rest"}
    for name, weights in model.named_parameters():
        assert weights.grad is None
        torch.testing.assert_close(weights.detach(), before[name], atol=1e-4, rtol=1e-2)
