"""Optimizer state goes flat and comes back exactly; what does not fit is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from slm.checkpoint import flatten_optimizer_state, restore_optimizer_state
from slm.errors import CheckpointError
from slm.training.optim import Muon


class Counting(torch.optim.Optimizer):
    """Keeps plain numbers for each parameter, and moves nothing."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {})

    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                state["step"] = state.get("step", 0) + 1
                state["rate"] = state.get("rate", 0.1) / 3
                state["seen"] = True
                state["nothing"] = None
                state["half"] = torch.full_like(parameter, 1 / 3, dtype=torch.bfloat16)


Make = Callable[[list[nn.Parameter]], torch.optim.Optimizer]
OPTIMIZERS: dict[str, Make] = {
    "adamw": torch.optim.AdamW,
    "adamw fused": lambda p: torch.optim.AdamW(p, fused=True),
    "adamw foreach": lambda p: torch.optim.AdamW(p, foreach=True),
    "adamw amsgrad": lambda p: torch.optim.AdamW(p, amsgrad=True),
    "adamw groups": lambda p: torch.optim.AdamW(
        [{"params": p[:2], "weight_decay": 0.1}, {"params": p[2:], "weight_decay": 0.0}]
    ),
    "muon of torch": lambda p: torch.optim.Muon(p[:2]),
    "muon": lambda p: Muon(p[:2], lr=0.02, dtype=torch.float32),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "sgd without state": lambda p: torch.optim.SGD(p, lr=0.1),
    "adagrad": torch.optim.Adagrad,
    "adafactor": torch.optim.Adafactor,
    "radam": torch.optim.RAdam,
    "counting": Counting,
}


def parameters() -> dict[str, nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"a": (3, 4), "a.b": (4, 2), "norm.weight": (4,), "norm.bias": (4,)}
    return {
        name: nn.Parameter(torch.randn(shape, generator=generator))
        for name, shape in shapes.items()
    }


def names_of(named: dict[str, nn.Parameter]) -> dict[Tensor, str]:
    return {parameter: name for name, parameter in named.items()}


def step(optimizer: torch.optim.Optimizer, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.randn(parameter.shape, generator=generator)
    optimizer.step()


def stepped(make: Make) -> tuple[torch.optim.Optimizer, dict[str, nn.Parameter]]:
    named = parameters()
    optimizer = make(list(named.values()))
    for seed in range(3):
        step(optimizer, seed)
    return optimizer, named


def copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in tensors.items()}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_restored_optimizer_goes_on_bit_for_bit(kind: str) -> None:
    optimizer, named = stepped(OPTIMIZERS[kind])
    flat = copied(flatten_optimizer_state(optimizer, names_of(named)))

    twins = {name: nn.Parameter(parameter.detach().clone()) for name, parameter in named.items()}
    twin = OPTIMIZERS[kind](list(twins.values()))
    restore_optimizer_state(twin, names_of(twins), flat)

    again = flatten_optimizer_state(twin, names_of(twins))
    assert again.keys() == flat.keys()
    for name, tensor in flat.items():
        assert again[name].dtype == tensor.dtype
        assert torch.equal(again[name], tensor)
    for seed in range(3, 6):
        step(optimizer, seed)
        step(twin, seed)
    for name, parameter in named.items():
        assert torch.equal(parameter, twins[name])


def test_entries_are_named_by_optimizer_parameter_and_key() -> None:
    optimizer, named = stepped(torch.optim.AdamW)
    flat = flatten_optimizer_state(optimizer, names_of(named))
    assert len(flat) == 3 * len(named)
    assert {"adamw.a.exp_avg", "adamw.a.b.exp_avg_sq", "adamw.norm.bias.step"} <= flat.keys()


def test_plain_numbers_keep_value_and_type() -> None:
    optimizer, named = stepped(Counting)
    flat = flatten_optimizer_state(optimizer, names_of(named))
    assert "counting.a.step:int" in flat
    twin = Counting(list(named.values()))
    restore_optimizer_state(twin, names_of(named), flat)
    state = twin.state[named["a"]]
    assert state["step"] == 3
    assert type(state["step"]) is int
    assert state["rate"] == 0.1 / 3 / 3 / 3
    assert state["seen"] is True
    assert state["half"].dtype == torch.bfloat16


def test_the_restored_state_shares_no_memory_with_what_was_read() -> None:
    optimizer, named = stepped(torch.optim.AdamW)
    flat = copied(flatten_optimizer_state(optimizer, names_of(named)))
    restore_optimizer_state(optimizer, names_of(named), flat)
    flat["adamw.a.exp_avg"].zero_()
    assert optimizer.state[named["a"]]["exp_avg"].abs().sum() > 0


def test_two_optimizers_share_one_flat_state() -> None:
    named = parameters()
    names = names_of(named)
    matrices = [named["a"], named["a.b"]]
    vectors = [named["norm.weight"], named["norm.bias"]]

    def pair() -> list[torch.optim.Optimizer]:
        return [Muon(matrices, lr=0.02, dtype=torch.float32), torch.optim.AdamW(vectors)]

    flat: dict[str, Tensor] = {}
    for optimizer in pair():
        step(optimizer, 1)
        flat |= flatten_optimizer_state(optimizer, names)
    for optimizer in pair():
        restore_optimizer_state(optimizer, names, flat)
        assert len(optimizer.state) == 2


def test_a_fresh_state_restores_a_fresh_optimizer() -> None:
    named = parameters()
    fresh = torch.optim.AdamW(list(named.values()))
    restore_optimizer_state(fresh, names_of(named), {})
    assert not fresh.state


def spoil_missing(flat: dict[str, Tensor]) -> None:
    del flat["adamw.a.exp_avg"]


def spoil_missing_parameter(flat: dict[str, Tensor]) -> None:
    for key in ("step", "exp_avg", "exp_avg_sq"):
        del flat[f"adamw.norm.bias.{key}"]


def spoil_extra(flat: dict[str, Tensor]) -> None:
    flat["adamw.other.exp_avg"] = torch.zeros(3)


def spoil_shape(flat: dict[str, Tensor]) -> None:
    flat["adamw.a.exp_avg"] = torch.zeros(4, 3)


def spoil_dimensions(flat: dict[str, Tensor]) -> None:
    flat["adamw.norm.bias.exp_avg"] = torch.zeros(1, 4)


def spoil_number(flat: dict[str, Tensor]) -> None:
    flat["adamw.a.step:int"] = torch.zeros(3, 4)


def spoil_number_type(flat: dict[str, Tensor]) -> None:
    flat["adamw.a.step:eval"] = torch.zeros(())


@pytest.mark.parametrize(
    ("spoil", "named_in_message"),
    [
        (spoil_missing, "adamw.a.exp_avg"),
        (spoil_missing_parameter, "adamw.norm.bias"),
        (spoil_extra, "adamw.other.exp_avg"),
        (spoil_shape, "a.exp_avg' has shape [4, 3]"),
        (spoil_dimensions, "norm.bias.exp_avg"),
        (spoil_number, "a.step:int"),
        (spoil_number_type, "a.step:eval"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    spoil: Callable[[dict[str, Tensor]], None], named_in_message: str
) -> None:
    optimizer, named = stepped(torch.optim.AdamW)
    flat = flatten_optimizer_state(optimizer, names_of(named))
    spoil(flat)
    twin = torch.optim.AdamW(list(named.values()))
    with pytest.raises(CheckpointError) as caught:
        restore_optimizer_state(twin, names_of(named), flat)
    assert named_in_message in caught.value.message
    assert not twin.state


def test_a_running_optimizer_is_not_reset_by_an_empty_state() -> None:
    optimizer, named = stepped(torch.optim.AdamW)
    with pytest.raises(CheckpointError, match="lacks"):
        restore_optimizer_state(optimizer, names_of(named), {})


def test_the_state_of_another_optimizer_is_refused() -> None:
    optimizer, named = stepped(torch.optim.AdamW)
    flat = flatten_optimizer_state(optimizer, names_of(named))
    narrower = torch.optim.AdamW([named["a"]])
    with pytest.raises(CheckpointError, match="do not belong"):
        restore_optimizer_state(narrower, names_of(named), flat)


def test_what_is_neither_tensor_nor_number_cannot_be_saved() -> None:
    optimizer, named = stepped(torch.optim.AdamW)
    optimizer.state[named["a"]]["history"] = [1, 2]
    with pytest.raises(CheckpointError, match=r"adamw\.a\.history is a list"):
        flatten_optimizer_state(optimizer, names_of(named))
