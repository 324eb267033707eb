"""llama.cpp tells the same texts from the GGUF file that we write as our model does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from slm.config import GPTConfig
from slm.generation import TorchEngine
from slm.interop.gguf import write_gguf
from slm.model import GPT

pytest.importorskip("gguf")
pytest.importorskip("xllamacpp")

N_TOKENS = 40


def test_greedy_texts_are_equal(tmp_path: Path) -> None:
    from slm.bench.baselines.llama_cpp import open_server

    torch.manual_seed(0)
    config = GPTConfig(
        **{"vocab_size": 200, "block_size": 64, "n_layer": 2, "n_head": 4, "n_kv_head": 2},
        **{"n_embd": 64, "dropout": 0.0, "bias": False, "norm": "rmsnorm", "mlp": "swiglu"},
        **{"position": "rope", "qk_norm": True, "tie_embeddings": False},
    )
    model = GPT(config).eval()
    with torch.no_grad():  # widely spread, so that rounding decides nothing
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.mul_(10.0)
    tokens = [f"w{number}" for number in range(config.vocab_size)]
    write_gguf(tmp_path / "m.gguf", config, model.state_dict(), tokens, storage="f32")
    prompt = [3, 77, 150, 8]
    server = open_server(tmp_path / "m.gguf", streams=1, positions=config.block_size)
    answer = server.handle_completions(
        {"prompt": prompt, "max_tokens": N_TOKENS, "temperature": 0.0, "ignore_eos": True}
    )
    engine = TorchEngine(model, 1)
    told: list[int] = []
    logits = engine.prefill([0], [prompt])
    for _ in range(N_TOKENS):
        told.append(int(logits[:, :-1].argmax()))  # llama.cpp never ends a text here
        logits = engine.decode([0], told[-1:])

    assert answer["choices"][0]["text"] == "".join(tokens[i] for i in told)
