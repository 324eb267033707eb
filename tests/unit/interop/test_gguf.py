from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from slm.config import GPTConfig
from slm.errors import ConfigError
from slm.interop.gguf import GGUFStorage, gguf_name, has_gguf_form, write_gguf
from slm.model import GPT

gguf = pytest.importorskip("gguf")

MODERN: dict[str, Any] = {
    **{"vocab_size": 40, "block_size": 32, "n_layer": 2, "n_head": 4, "n_kv_head": 2},
    **{"n_embd": 64, "bias": False, "norm": "rmsnorm", "mlp": "swiglu", "position": "rope"},
    "qk_norm": True,
}
TOKENS = [f"w{number}" for number in range(40)]
ROUNDING = {"f32": 0.0, "f16": 1e-3, "q8_0": 1e-2}


@pytest.mark.parametrize("storage", ROUNDING)
def test_all_weights_are_there(tmp_path: Path, storage: GGUFStorage) -> None:
    torch.manual_seed(0)
    model = GPT(GPTConfig(**MODERN, tie_embeddings=False))
    write_gguf(tmp_path / "m", model.config, model.state_dict(), TOKENS, storage=storage)
    written = {tensor.name: tensor for tensor in gguf.GGUFReader(tmp_path / "m").tensors}
    assert written.keys() == {gguf_name(name) for name in model.state_dict()}
    for name, weights in model.state_dict().items():
        found = written[gguf_name(name)]
        values = gguf.quants.dequantize(found.data, found.tensor_type)
        assert values.shape == tuple(weights.shape)
        allowed = ROUNDING[storage] if weights.dim() == 2 else 0.0
        assert np.abs(values - weights.numpy()).max() <= allowed * float(weights.abs().max())


def test_the_shape_is_told(tmp_path: Path) -> None:
    config = GPTConfig(**MODERN, rope_theta=5000.0)
    write_gguf(tmp_path / "m", config, GPT(config).state_dict(), TOKENS)
    fields = gguf.GGUFReader(tmp_path / "m").fields
    told = {name: fields[f"qwen3.{name}"].contents() for name in EXPECTED}
    assert told == EXPECTED
    assert fields["tokenizer.ggml.tokens"].contents() == TOKENS


EXPECTED = {
    "context_length": 32,
    "embedding_length": 64,
    "block_count": 2,
    "feed_forward_length": GPTConfig(**MODERN).mlp_width,
    "attention.head_count": 4,
    "attention.head_count_kv": 2,
    "attention.key_length": 16,
    "rope.freq_base": 5000.0,
}


def test_what_cannot_be_written(tmp_path: Path) -> None:
    gpt2 = GPTConfig(vocab_size=40, block_size=8, n_layer=1, n_head=2, n_embd=8)
    assert not has_gguf_form(gpt2)
    with pytest.raises(ConfigError, match="modern family"):
        write_gguf(tmp_path / "m", gpt2, GPT(gpt2).state_dict(), TOKENS)
    narrow = GPTConfig(**{**MODERN, "n_embd": 24, "head_dim": 16})
    with pytest.raises(ConfigError, match="cannot be stored as q8_0"):
        write_gguf(tmp_path / "m", narrow, GPT(narrow).state_dict(), TOKENS, storage="q8_0")
