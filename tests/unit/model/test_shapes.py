from __future__ import annotations

import itertools
from typing import Any

import pytest

from slm.config import GPTConfig
from slm.model import GPT
from slm.model.shapes import state_shapes

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
        assert state_shapes(config) == {name: tuple(w.shape) for name, w in state.items()}
