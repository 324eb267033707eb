from __future__ import annotations

import importlib.util
import json
import subprocess
from types import SimpleNamespace
from typing import Any

import pytest

from slm.bench.baselines import BASELINES, Baseline, GenerationTask, measure_in_turn, speed_ratios
from slm.config import GPTConfig
from slm.errors import install_command

SHAPE: dict[str, Any] = {"vocab_size": 300, "block_size": 24, "n_layer": 1, "n_head": 2}
MODERN: dict[str, Any] = {
    **{"bias": False, "norm": "rmsnorm", "mlp": "swiglu", "position": "rope", "qk_norm": True}
}
TASK = GenerationTask(GPTConfig(**SHAPE, **MODERN, n_embd=32), streams=3)
A = Baseline("slm", "a", 8, "ours")
B = Baseline("other", "b", 8, "hugging_face")


def by_name(name: str) -> Baseline:
    return next(baseline for baseline in BASELINES if baseline.name == name)


def test_a_task_goes_through_json() -> None:
    assert GenerationTask.from_json(json.loads(json.dumps(TASK.to_json()))) == TASK
    assert TASK.new_tokens == 16


def test_they_take_turns_and_the_median_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    speeds = {"slm a": [10.0, 90.0, 20.0], "other b": [5.0, 4.0, 1.0]}
    turns: list[str] = []

    def run(command: list[str], input: str, **how: Any) -> Any:
        turns.append(command[-1])
        assert GenerationTask.from_json(json.loads(input)) == TASK
        one = speeds[command[-1]].pop(0)
        figures = {"one": one, "together": 2 * one}
        return SimpleNamespace(returncode=0, stdout=f"a remark\n{json.dumps(figures)}\n", stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    logged: list[str] = []
    results = measure_in_turn([A, B], TASK, 3, log=logged.append)
    assert turns == ["slm a", "other b"] * 3
    assert logged[2] == "round 2 of 3: slm a"
    assert results.figures["slm a"] == {"one": 20.0, "together": 40.0}
    assert results.absent == {}
    (ratio,) = speed_ratios([A, B], results.figures)
    assert (ratio.ours, ratio.baseline, ratio.one, ratio.together) == ("slm a", "other b", 5.0, 5.0)


def test_one_that_fails_is_named_once_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **how: Any) -> Any:
        if command[-1] == "other b":
            return SimpleNamespace(returncode=1, stdout="", stderr="Traceback\nKeyError: 7\n")
        return SimpleNamespace(returncode=0, stdout='{"one": 1.0, "together": 1.0}', stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    logged: list[str] = []
    results = measure_in_turn([B, A], TASK, 2, log=logged.append)
    assert results.absent == {"other b": "failed: KeyError: 7"}
    assert list(results.figures) == ["slm a"]
    assert len([line for line in logged if "other b" in line]) == 1
    assert speed_ratios([A, B], results.figures) == []


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    results = measure_in_turn([by_name("llama.cpp q8_0")], TASK, 1, log=pytest.fail)
    command = install_command("peers", "xllamacpp", "gguf")
    assert results.absent == {"llama.cpp q8_0": f"not installed; install it with: {command}"}


def test_a_family_that_the_baselines_do_not_have() -> None:
    for name in ("llama.cpp f16", "transformers float32"):
        baseline = by_name(name)
        if all(importlib.util.find_spec(package) for package in baseline.packages):
            assert "architectures" in str(baseline.obstacle(GPTConfig(norm="rmsnorm")))
    assert by_name("slm float32").obstacle(GPTConfig()) is None


def test_equal_sizes_are_compared() -> None:
    figures = {baseline.name: {"one": 1.0, "together": 1.0} for baseline in BASELINES}
    assert [(ratio.ours, ratio.baseline) for ratio in speed_ratios(BASELINES, figures)] == [
        ("slm float32", "llama.cpp f32"),
        ("slm float32", "transformers float32"),
        ("slm bfloat16", "llama.cpp f16"),
        ("slm int8", "llama.cpp q8_0"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["slm float32", "llama.cpp f16", "transformers float32"])
def test_a_baseline_in_its_own_process(name: str) -> None:
    baseline = by_name(name)
    if baseline.obstacle(TASK.model) is not None:
        pytest.skip(f"{name} is not installed")
    results = measure_in_turn([baseline], TASK, 1, log=lambda text: None)
    assert results.absent == {}
    figures = results.figures[name]
    assert figures["one"] > 0
    assert figures["together"] > 0
    assert figures["memory_mb"] > 10
