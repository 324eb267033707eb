"""Small random models of both families."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from slm.config import GPTConfig
from slm.model import GPT

FAMILIES: dict[str, dict[str, Any]] = {
    "gpt2": {},
    "modern": {
        "norm": "rmsnorm",
        "position": "rope",
        "mlp": "swiglu",
        "qk_norm": True,
        "bias": False,
    },
}


def small_model(family: str, *, block_size: int = 16, vocab_size: int = 257) -> GPT:
    """A random model whose predictions differ much from one context to another."""
    torch.manual_seed(0)
    model = GPT(
        GPTConfig(
            vocab_size=vocab_size,
            block_size=block_size,
            n_layer=2,
            n_head=2,
            n_embd=32,
            dropout=0.1,
            tie_embeddings=False,  # tied and random, it would always predict its last token
            **FAMILIES[family],
        )
    )
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.mul_(10.0)
    return model


@pytest.fixture(params=sorted(FAMILIES))
def model(request: pytest.FixtureRequest) -> GPT:
    return small_model(request.param)


@pytest.fixture
def make_model() -> Any:
    return small_model
