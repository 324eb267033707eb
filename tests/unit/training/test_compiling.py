"""When the blocks of a run are compiled; nothing is compiled here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from slm.config import TrainingConfig
from slm.errors import DeviceError
from slm.model import GPT, model_costs
from slm.training import compiling
from slm.training.compiling import compile_blocks, eagerly, run_should_compile

MakeModel = Callable[..., GPT]


@pytest.fixture(autouse=True)
def compiler(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Which kinds of devices have a compiler, as the test wishes."""
    there = {"cpu": True, "cuda": True, "mps": False}
    monkeypatch.setattr(compiling, "can_compile", lambda device: there[device.partition(":")[0]])
    return there


def decide(model: GPT, device: str = "cpu", tokens_per_step: int = 4096, **settings: Any) -> bool:
    return run_should_compile(TrainingConfig(**settings), model.config, device, tokens_per_step)


@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:1"])
def test_on_and_off_are_obeyed(tiny_model: MakeModel, device: str) -> None:
    model = tiny_model("modern")
    assert decide(model, device, compile="on", max_steps=1)
    assert not decide(model, device, compile="off", max_minutes=10_000)


def test_on_without_a_compiler_is_an_error(
    tiny_model: MakeModel, compiler: dict[str, bool]
) -> None:
    model = tiny_model("modern")
    compiler["cpu"] = False
    with pytest.raises(DeviceError, match="cpu") as caught:
        decide(model, compile="on")
    assert caught.value.hint is not None
    assert not decide(model, compile="auto", max_minutes=10_000)
    assert not decide(model, compile="off")
    with pytest.raises(DeviceError, match="mps"):
        decide(model, "mps", compile="on")
    assert not decide(model, "mps", compile="auto", max_minutes=10_000)


@pytest.mark.parametrize(("device", "seconds"), [("cpu", 300.0), ("cuda:0", 60.0)])
def test_auto_by_the_clock(tiny_model: MakeModel, device: str, seconds: float) -> None:
    model = tiny_model("modern")
    assert decide(model, device, max_minutes=seconds / 60)
    assert not decide(model, device, max_minutes=seconds / 60 - 0.1, max_steps=2**31 - 1)


@pytest.mark.parametrize(("device", "seconds", "rate"), [("cpu", 300, 1e11), ("cuda", 60, 1e13)])
def test_auto_by_the_steps(tiny_model: MakeModel, device: str, seconds: float, rate: float) -> None:
    model = tiny_model("modern")
    flops_per_step = 4096 * model_costs(model.config).training_flops_per_token
    enough = int(seconds * rate / flops_per_step) + 1
    assert decide(model, device, max_steps=enough)
    assert not decide(model, device, max_steps=enough - 2)


def test_every_block_is_compiled_and_no_name_changes(
    tiny_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self, **options: compiled.append((self, options))
    )
    model = tiny_model("modern")
    names = list(model.state_dict())
    compile_blocks(model)
    assert [block for block, _ in compiled] == list(model.blocks)
    assert list(model.state_dict()) == names


def test_eagerly_runs_the_plain_code(tiny_model: MakeModel) -> None:
    calls = []

    def backend(graph: torch.fx.GraphModule, inputs: Any) -> Any:
        calls.append(graph)
        return graph.forward

    function = torch.compile(lambda x: x + 1, backend=backend)
    with eagerly():
        assert function(torch.ones(1)).item() == 2
    assert calls == []
    assert function(torch.ones(1)).item() == 2
    assert len(calls) == 1
