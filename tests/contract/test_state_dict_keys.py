"""Names and shapes of the weights: checkpoints of earlier versions depend on them."""

from __future__ import annotations

from slm.config import GPTConfig
from slm.model import GPT

SHAPE = {"vocab_size": 11, "block_size": 4, "n_layer": 1, "n_head": 2, "n_embd": 8}

GPT2_KEYS = {
    "token_embedding.weight": (11, 8),
    "position_embedding.weight": (4, 8),
    "blocks.0.attention_norm.weight": (8,),
    "blocks.0.attention_norm.bias": (8,),
    "blocks.0.attention.q_proj.weight": (8, 8),
    "blocks.0.attention.q_proj.bias": (8,),
    "blocks.0.attention.k_proj.weight": (8, 8),
    "blocks.0.attention.k_proj.bias": (8,),
    "blocks.0.attention.v_proj.weight": (8, 8),
    "blocks.0.attention.v_proj.bias": (8,),
    "blocks.0.attention.o_proj.weight": (8, 8),
    "blocks.0.attention.o_proj.bias": (8,),
    "blocks.0.mlp_norm.weight": (8,),
    "blocks.0.mlp_norm.bias": (8,),
    "blocks.0.mlp.up_proj.weight": (32, 8),
    "blocks.0.mlp.up_proj.bias": (32,),
    "blocks.0.mlp.down_proj.weight": (8, 32),
    "blocks.0.mlp.down_proj.bias": (8,),
    "final_norm.weight": (8,),
    "final_norm.bias": (8,),
}

MODERN_KEYS = {
    "token_embedding.weight": (11, 8),
    "blocks.0.attention_norm.weight": (8,),
    "blocks.0.attention.q_proj.weight": (8, 8),
    "blocks.0.attention.k_proj.weight": (4, 8),
    "blocks.0.attention.v_proj.weight": (4, 8),
    "blocks.0.attention.o_proj.weight": (8, 8),
    "blocks.0.attention.q_norm.weight": (4,),
    "blocks.0.attention.k_norm.weight": (4,),
    "blocks.0.mlp_norm.weight": (8,),
    "blocks.0.mlp.gate_proj.weight": (16, 8),
    "blocks.0.mlp.up_proj.weight": (16, 8),
    "blocks.0.mlp.down_proj.weight": (8, 16),
    "final_norm.weight": (8,),
}


def shapes(**settings):
    model = GPT(GPTConfig(**SHAPE, **settings))
    return {name: tuple(weights.shape) for name, weights in model.state_dict().items()}


def test_gpt2_family():
    assert shapes() == GPT2_KEYS


def test_modern_family():
    found = shapes(
        norm="rmsnorm",
        position="rope",
        mlp="swiglu",
        mlp_dim=16,
        qk_norm=True,
        bias=False,
        n_kv_head=1,
    )

    assert found == MODERN_KEYS


def test_an_untied_head_adds_one_matrix():
    assert shapes(tie_embeddings=False) == {**GPT2_KEYS, "lm_head.weight": (11, 8)}
