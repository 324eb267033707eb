"""Our model computes what transformers' GPT-2 and Qwen3 compute, from the same weights.

Their tensors are renamed into ours; GPT-2 also keeps its matrices transposed, and queries, keys and
values in one.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from slm.config import GPTConfig
from slm.model import GPT

transformers = pytest.importorskip("transformers")

QWEN3_NAMES = {
    "model.embed_tokens.": "token_embedding.",
    "model.layers.": "blocks.",
    ".self_attn.": ".attention.",
    ".input_layernorm.": ".attention_norm.",
    ".post_attention_layernorm.": ".mlp_norm.",
    "model.norm.": "final_norm.",
}
GPT2_NAMES = {
    "transformer.wte.": "token_embedding.",
    "transformer.wpe.": "position_embedding.",
    "transformer.h.": "blocks.",
    ".ln_1.": ".attention_norm.",
    ".ln_2.": ".mlp_norm.",
    "transformer.ln_f.": "final_norm.",
    ".attn.c_proj.": ".attention.o_proj.",
    ".mlp.c_fc.": ".mlp.up_proj.",
    ".mlp.c_proj.": ".mlp.down_proj.",
}


def renamed(name: str, table: dict[str, str]) -> str:
    for theirs, ours in table.items():
        name = name.replace(theirs, ours)
    return name


def from_qwen3(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Nothing but names changes."""
    return {renamed(name, QWEN3_NAMES): tensor for name, tensor in theirs.items()}


def from_gpt2(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Conv1D keeps [in, out]; c_attn is queries, keys and values side by side."""
    ours = {}
    for name, tensor in theirs.items():
        if re.search(r"\.(c_attn|c_proj|c_fc)\.weight$", name):
            tensor = tensor.T
        if ".c_attn." in name:
            for part, piece in zip("qkv", tensor.chunk(3), strict=True):
                ours[
                    renamed(name, GPT2_NAMES).replace(".attn.c_attn.", f".attention.{part}_proj.")
                ] = piece
        else:
            ours[renamed(name, GPT2_NAMES)] = tensor
    return ours


def randomise(model: torch.nn.Module) -> None:
    """Weights of every kind far from their initial values, so that none of them can be left out."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() == 2:
                parameter.copy_(0.3 * noise)
            else:
                parameter.copy_(0.2 * noise + (0.0 if name.endswith("bias") else 1.0))


def compare(ours: GPT, theirs: Any, vocab_size: int, n_tokens: int) -> None:
    ours.eval()
    theirs.eval()
    idx = torch.randint(0, vocab_size, (3, n_tokens), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        their_output = theirs(input_ids=idx, labels=idx)
        logits, _ = ours(idx)
        _, loss = ours(idx[:, :-1], idx[:, 1:])
    assert logits is not None
    assert loss is not None
    assert their_output.logits.std() > 0.5  # they say something
    torch.testing.assert_close(logits, their_output.logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(loss, their_output.loss, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(
    "shape",
    [
        {"n_head": 4, "n_kv_head": 2, "n_embd": 32, "head_dim": 8, "tie_embeddings": True},
        {"n_head": 4, "n_kv_head": 1, "n_embd": 24, "head_dim": 16, "tie_embeddings": False},
        {"n_head": 3, "n_kv_head": 3, "n_embd": 36, "head_dim": 4, "tie_embeddings": False},
        {"n_head": 6, "n_kv_head": 3, "n_embd": 16, "head_dim": 10, "tie_embeddings": True},
    ],
)
def test_the_modern_family_is_qwen3(shape: dict[str, Any]) -> None:
    config = GPTConfig(
        vocab_size=61,
        block_size=40,
        n_layer=3,
        mlp_dim=44,
        dropout=0.3,
        bias=False,
        norm="rmsnorm",
        norm_eps=1e-3,
        position="rope",
        rope_theta=5000.0,
        mlp="swiglu",
        qk_norm=True,
        **shape,
    )
    theirs = transformers.Qwen3ForCausalLM(
        transformers.Qwen3Config(
            vocab_size=config.vocab_size,
            hidden_size=config.n_embd,
            intermediate_size=config.mlp_width,
            num_hidden_layers=config.n_layer,
            num_attention_heads=config.n_head,
            num_key_value_heads=config.kv_heads,
            head_dim=config.head_width,
            max_position_embeddings=config.block_size,
            rms_norm_eps=config.norm_eps,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
            tie_word_embeddings=config.tie_embeddings,
        )
    )
    randomise(theirs)
    weights = from_qwen3(theirs.state_dict())
    if config.tie_embeddings:
        assert weights.pop("lm_head.weight") is not None
    ours = GPT(config)
    ours.load_state_dict(weights, strict=True)
    compare(ours, theirs, config.vocab_size, n_tokens=40)


@pytest.mark.parametrize(
    ("n_layer", "n_head", "n_embd", "tied"),
    [(2, 4, 32, True), (3, 1, 24, True), (1, 5, 20, False)],
)
def test_the_gpt2_family_is_gpt2(n_layer: int, n_head: int, n_embd: int, tied: bool) -> None:
    config = GPTConfig(
        vocab_size=61,
        block_size=32,
        n_layer=n_layer,
        n_head=n_head,
        n_embd=n_embd,
        norm_eps=1e-3,
        tie_embeddings=tied,
    )
    theirs = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=config.vocab_size,
            n_positions=config.block_size,
            n_embd=n_embd,
            n_layer=n_layer,
            n_head=n_head,
            layer_norm_epsilon=config.norm_eps,
            tie_word_embeddings=tied,
            bos_token_id=0,
            eos_token_id=0,
        )
    )
    randomise(theirs)
    weights = from_gpt2(theirs.state_dict())
    if tied:
        assert weights.pop("lm_head.weight") is not None
    ours = GPT(config)
    ours.load_state_dict(weights, strict=True)
    compare(ours, theirs, config.vocab_size, n_tokens=32)
