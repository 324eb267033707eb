"""What `model_costs` says of a shape is what the model of that shape has and does."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from slm.config import GPTConfig
from slm.model import GPT, model_costs
from slm.model.costs import activation_bytes_per_token, parameter_shapes, state_bytes

PARTS = {
    "embedding": ("token_embedding.",),
    "positions": ("position_embedding.",),
    "attention": tuple(f".attention.{p}_proj." for p in "qkvo"),
    "mlp": (".mlp.",),
    "norms": ("_norm.",),
    "head": ("lm_head.",),
}


@st.composite
def configs(draw: st.DrawFn) -> GPTConfig:
    n_kv_head, group, half_width = (draw(st.integers(1, 4)) for _ in range(3))
    n_head, head_dim = n_kv_head * group, 2 * half_width
    own_width = draw(st.booleans())
    return GPTConfig(
        vocab_size=draw(st.integers(2, 40)),
        block_size=draw(st.integers(1, 20)),
        n_layer=draw(st.integers(1, 3)),
        n_head=n_head,
        n_kv_head=None if group == 1 and draw(st.booleans()) else n_kv_head,
        n_embd=draw(st.integers(1, 24)) if own_width else n_head * head_dim,
        head_dim=head_dim if own_width else None,
        mlp_dim=draw(st.none() | st.integers(1, 50)),
        bias=draw(st.booleans()),
        norm=draw(st.sampled_from(["layernorm", "rmsnorm"])),
        position=draw(st.sampled_from(["learned", "rope"])),
        mlp=draw(st.sampled_from(["gelu", "swiglu"])),
        qk_norm=draw(st.booleans()),
        tie_embeddings=draw(st.booleans()),
    )


@settings(max_examples=60, deadline=None)
@given(config=configs())
def test_parameters_are_counted_by_part(config: GPTConfig) -> None:
    costs = model_costs(config)
    parameters = {name: p.numel() for name, p in GPT(config).named_parameters()}
    assert costs.parameters == sum(parameters.values())
    for part, marks in PARTS.items():
        found = sum(n for name, n in parameters.items() if any(mark in name for mark in marks))
        assert getattr(costs, part) == found, part
    assert sum(count for _, count in costs.table()) == costs.parameters
    assert all(count > 0 for _, count in costs.table())


@pytest.mark.parametrize("family", ["gpt2", "modern"])
def test_flops_are_those_that_torch_counts(
    tiny_config: Callable[..., GPTConfig], family: str
) -> None:
    config = tiny_config(family)
    model, n_tokens = GPT(config), 3 * config.block_size
    model.use_kernel("plain")
    idx = torch.zeros(3, config.block_size, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        logits, _ = model(idx)
    costs = model_costs(config)
    # The plain kernel computes all T x T scores; half of them are masked, and not counted by us.
    masked = config.n_layer * 2 * config.n_head * config.head_width * config.block_size
    assert counter.get_total_flops() == n_tokens * (costs.forward_flops_per_token + masked)
    with FlopCounterMode(display=False) as backward_counter:
        logits.sum().backward()
    total = counter.get_total_flops() + backward_counter.get_total_flops()
    # The first layer's inputs need no gradient, but its weights do: so nearly three times.
    assert total == pytest.approx(
        n_tokens * (costs.training_flops_per_token + 3 * masked), rel=0.01
    )


@pytest.mark.parametrize("family", ["gpt2", "modern"])
def test_memory_is_at_least_what_is_said(
    tiny_config: Callable[..., GPTConfig], family: str
) -> None:
    config = tiny_config(family, n_layer=4, n_embd=64, block_size=64)
    model = GPT(config)
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    idx = torch.zeros(8, config.block_size, dtype=torch.long)
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    with (
        torch.autocast("cpu", dtype=torch.bfloat16),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        _, loss = model(idx, idx)
    assert loss is not None
    measured = sum(size for place, size in kept.items() if place not in weights)
    said = idx.numel() * activation_bytes_per_token(config)
    assert said <= measured <= 5 * said


@pytest.mark.parametrize("family", ["gpt2", "modern"])
def test_the_state_of_training_is_at_least_what_is_said(
    tiny_config: Callable[..., GPTConfig], family: str
) -> None:
    config = tiny_config(family)
    model = GPT(config)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer = torch.optim.AdamW(model.parameters())
    optimizer.step()
    moments = [t for state in optimizer.state.values() for t in state.values()]
    measured = 2 * sum(p.nbytes for p in model.parameters()) + sum(t.nbytes for t in moments)
    assert 0.7 * measured <= state_bytes(config) <= measured


CHOICES: dict[str, list[Any]] = {
    "norm": ["layernorm", "rmsnorm"],
    "position": ["learned", "rope"],
    "mlp": ["gelu", "swiglu"],
    "bias": [False, True],
    "qk_norm": [False, True],
    "tie_embeddings": [False, True],
}


@pytest.mark.parametrize("norm", CHOICES["norm"])
def test_those_of_the_model_for_every_choice(norm: str) -> None:
    for values in itertools.product(*(CHOICES[name] for name in CHOICES if name != "norm")):
        chosen = dict(zip([name for name in CHOICES if name != "norm"], values, strict=True))
        config = GPTConfig(
            **{"vocab_size": 13, "block_size": 6, "n_layer": 2, "n_head": 4, "n_kv_head": 2},
            **{"n_embd": 16, "head_dim": 6, "norm": norm, **chosen},
        )
        state = GPT(config).state_dict()
        assert parameter_shapes(config) == {name: tuple(w.shape) for name, w in state.items()}
