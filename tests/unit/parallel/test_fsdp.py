"""One process has the whole of everything; what several have of it is in `tests/e2e`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from slm.api import Trainer
from slm.errors import ConfigError
from slm.model import GPT
from slm.parallel.fsdp import (
    clip_by_norm,
    gathered,
    load_whole,
    local,
    on_whole_matrices,
    place_model,
    shares_of_state,
    total_norm,
)
from slm.parallel.processes import Process


def test_one_process_has_the_whole(tiny_model: Callable[..., GPT]) -> None:
    model, other = tiny_model("modern"), tiny_model("modern", seed=1)
    placed = place_model(model, "cpu", sharding="fsdp", dtype="float16", process=Process())
    assert placed is model
    assert type(model) is GPT
    parameters = dict(model.named_parameters())
    assert all(local(p) is p for p in parameters.values())
    state = {"adamw.final_norm.weight.exp_avg": torch.ones(32), "adamw.odd": torch.ones(2)}
    assert shares_of_state(state, parameters) == state
    assert gathered(state, Process()) == state
    load_whole(model, other.state_dict())
    assert all(
        torch.equal(p, q) for p, q in zip(model.parameters(), other.parameters(), strict=True)
    )
    weight = model.blocks[0].mlp.up_proj.weight
    assert isinstance(weight, nn.Parameter)
    assert torch.equal(on_whole_matrices(torch.sin, weight[None], weight), weight[None].sin())


def test_weights_of_another_model_are_refused_as_ever(tiny_model: Callable[..., GPT]) -> None:
    model = tiny_model("modern")
    with pytest.raises(RuntimeError, match=r"Missing key.*final_norm"):
        load_whole(model, {k: w for k, w in model.state_dict().items() if k != "final_norm.weight"})
    with pytest.raises(RuntimeError, match=r"Unexpected key.*odd"):
        load_whole(model, {**model.state_dict(), "odd": torch.ones(2)})


def test_the_norm_is_pytorchs(tiny_model: Callable[..., GPT]) -> None:
    models = [tiny_model("modern") for _ in range(2)]
    for model in models:
        for seed, parameter in enumerate(model.parameters()):
            torch.manual_seed(seed)
            parameter.grad = torch.randn_like(parameter)
    gradients = [p.grad for p in models[0].parameters() if p.grad is not None]
    norm = total_norm(gradients)
    clip_by_norm(models[0].parameters(), 0.5, norm)
    assert torch.equal(norm, nn.utils.clip_grad_norm_(models[1].parameters(), 0.5))
    assert float(total_norm(gradients)) == pytest.approx(0.5)
    for mine, theirs in zip(*(model.parameters() for model in models), strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        assert torch.equal(mine.grad, theirs.grad)
    assert float(total_norm([])) == 0.0


def test_processes_must_be_connected_before_they_share(tiny_model: Callable[..., GPT]) -> None:
    with pytest.raises(ConfigError, match="connected") as caught:
        place_model(
            tiny_model("modern"),
            "cpu",
            sharding="fsdp",
            dtype="float32",
            process=Process(world_size=2),
        )
    assert caught.value.hint is not None
    assert "process_group" in caught.value.hint


def test_alone_the_setting_changes_nothing(make_trainer: Callable[..., Trainer]) -> None:
    weights = []
    for sharding in ("off", "fsdp"):
        trainer = make_trainer(sharding=sharding, max_steps=2, optimizer="muon")
        assert not trainer.is_sharded
        torch.manual_seed(0)
        trainer.train()
        weights.append(trainer.model.state_dict())
    assert all(torch.equal(weights[0][name], w) for name, w in weights[1].items())
