"""Which parameter goes to which optimizer, with which settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from slm.config import TrainingConfig
from slm.model import GPT
from slm.training.optim import Muon, build_optimizers, set_learning_rates

MakeModel = Callable[..., GPT]


@pytest.mark.parametrize("family", ["gpt2", "modern"])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_every_parameter_is_in_exactly_one_group(
    tiny_model: MakeModel, family: str, tied: bool, optimizer: str
) -> None:
    model = tiny_model(family, tie_embeddings=tied, bias=family == "gpt2")
    config = TrainingConfig(optimizer=optimizer, weight_decay=0.25)
    optimizers = build_optimizers(model, config)
    places = [
        (parameter, name, group)
        for name, opt in optimizers.items()
        for group in opt.param_groups
        for parameter in group["params"]
    ]
    assert len(places) == len(list(model.parameters()))
    assert {p for p, _, _ in places} == set(model.parameters())
    names = {p: name for name, p in model.named_parameters()}
    for parameter, place, group in places:
        is_matrix = parameter.dim() == 2
        assert group["weight_decay"] == (0.25 if is_matrix else 0.0), names[parameter]
        in_block = names[parameter].startswith("blocks.")
        expected = "muon" if optimizer == "muon" and is_matrix and in_block else "adamw"
        assert place == expected, names[parameter]


def test_settings_reach_the_optimizers(tiny_model: MakeModel) -> None:
    config = TrainingConfig(
        optimizer="muon",
        learning_rate=0.5,
        muon_learning_rate=0.25,
        muon_momentum=0.8,
        muon_ns_steps=4,
        beta1=0.7,
        beta2=0.6,
    )
    optimizers = build_optimizers(tiny_model("modern"), config, muon_dtype=torch.float32)
    muon, adamw = optimizers["muon"], optimizers["adamw"]
    assert isinstance(muon, Muon)
    assert muon.dtype == torch.float32
    assert muon.steps == 4
    assert muon.param_groups[0]["momentum"] == 0.8
    assert all(group["betas"] == (0.7, 0.6) for group in adamw.param_groups)
    for scale in (1.0, 0.5, 0.0, 1.0):  # each a share of the peak, not of the one before
        set_learning_rates(optimizers, scale)
        assert [group["lr"] for group in muon.param_groups] == [0.25 * scale]
        assert [group["lr"] for group in adamw.param_groups] == [0.5 * scale] * 2


class Calls(TorchDispatchMode):
    """Notes the names of PyTorch's operations."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.__name__)
        return func(*args, **(kwargs or {}))


def pretended_on(device: str, model: GPT) -> FakeTensorMode:
    """Let the parameters of a model be of a device that need not be there; they have no content."""
    pretence = FakeTensorMode()
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                shape = parameter.detach().to("meta")
                there = FakeTensor(pretence, shape, torch.device(device))
                setattr(module, name, nn.Parameter(there))
    return pretence


@pytest.mark.parametrize(("device", "fused"), [("cpu", True), ("cuda:0", True), ("mps:0", None)])
def test_adamw_is_fused_where_that_is_fast(
    tiny_model: MakeModel, device: str, fused: bool | None
) -> None:
    model = tiny_model("modern")
    pretence = pretended_on(device, model)
    optimizers = build_optimizers(model, TrainingConfig(optimizer="muon"))
    assert [group["fused"] for group in optimizers["adamw"].param_groups] == [fused] * 2
    with pretence, Calls() as calls:
        for parameter in model.parameters():
            assert str(parameter.device) == device
            parameter.grad = torch.zeros_like(parameter)
        for optimizer in optimizers.values():
            optimizer.step()
    assert ("_fused_adamw_.default" in calls.names) is (fused is True)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_decay_shrinks_matrices_only(tiny_model: MakeModel, optimizer: str) -> None:
    model = tiny_model("gpt2", spread=2.0)
    config = TrainingConfig(
        optimizer=optimizer, weight_decay=0.5, learning_rate=0.1, muon_learning_rate=0.1
    )
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    for opt in build_optimizers(model, config).values():
        opt.step()
    for name, parameter in model.named_parameters():
        factor = 1 - 0.1 * 0.5 if parameter.dim() == 2 else 1.0
        torch.testing.assert_close(parameter.detach(), before[name] * factor, msg=name)


def test_frozen_parameters_are_left_out(tiny_model: MakeModel) -> None:
    model = tiny_model("modern")
    model.token_embedding.weight.requires_grad_(False)
    optimizers = build_optimizers(model, TrainingConfig(optimizer="muon"))
    held = [p for o in optimizers.values() for g in o.param_groups for p in g["params"]]
    assert model.token_embedding.weight not in set(held)
    assert all(group["params"] for o in optimizers.values() for group in o.param_groups)
