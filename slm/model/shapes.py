"""Names and shapes of a model's weights, from its config alone.

Making the model on PyTorch's `meta` device would say the same, but loads a second's worth of
modules for it.
"""

from __future__ import annotations

from collections.abc import Mapping

from slm.config import GPTConfig


def state_shapes(config: GPTConfig) -> Mapping[str, tuple[int, ...]]:
    """Name and shape of every entry of `GPT(config).state_dict()`."""
    width, head = config.n_embd, config.head_width
    q_width, kv_width = config.n_head * head, config.kv_heads * head
    shapes: dict[str, tuple[int, ...]] = {"token_embedding.weight": (config.vocab_size, width)}

    def linear(name: str, outputs: int, inputs: int) -> None:
        shapes[f"{name}.weight"] = (outputs, inputs)
        if config.bias:
            shapes[f"{name}.bias"] = (outputs,)

    def norm(name: str) -> None:
        shapes[f"{name}.weight"] = (width,)
        if config.norm == "layernorm" and config.bias:
            shapes[f"{name}.bias"] = (width,)

    if config.position == "learned":
        shapes["position_embedding.weight"] = (config.block_size, width)
    for layer in range(config.n_layer):
        block = f"blocks.{layer}"
        norm(f"{block}.attention_norm")
        linear(f"{block}.attention.q_proj", q_width, width)
        linear(f"{block}.attention.k_proj", kv_width, width)
        linear(f"{block}.attention.v_proj", kv_width, width)
        linear(f"{block}.attention.o_proj", width, q_width)
        if config.qk_norm:
            shapes[f"{block}.attention.q_norm.weight"] = (head,)
            shapes[f"{block}.attention.k_norm.weight"] = (head,)
        norm(f"{block}.mlp_norm")
        if config.mlp == "swiglu":
            linear(f"{block}.mlp.gate_proj", config.mlp_width, width)
        linear(f"{block}.mlp.up_proj", config.mlp_width, width)
        linear(f"{block}.mlp.down_proj", width, config.mlp_width)
    norm("final_norm")
    if not config.tie_embeddings:
        shapes["lm_head.weight"] = (config.vocab_size, width)
    return shapes
