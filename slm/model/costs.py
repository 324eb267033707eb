"""The table of a model's parameters, and its costs: parameters by part, FLOPs per token, memory.

Everything here depends only on the config and does not import torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from slm.config import GPTConfig

FORWARD_PASSES_OF_A_STEP = 3
"""Costs of training on a token, in forward passes: the backward pass takes as much as two."""


def parameter_shapes(config: GPTConfig) -> Mapping[str, tuple[int, ...]]:
    """Name and shape of every entry of `GPT(config).state_dict()`, in its order."""
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


@dataclass(frozen=True)
class Costs:
    """Number of parameters by part, and floating-point operations per token."""

    embedding: int
    """Token embedding, shared with the output head where they are tied."""
    positions: int
    attention: int
    mlp: int
    norms: int
    head: int
    """A separate output head; 0 where tied."""
    forward_flops_per_token: int
    """Multiplications and additions of one token's forward pass at full context."""

    @property
    def parameters(self) -> int:
        """All parameters."""
        return self.embedding + self.positions + self.attention + self.mlp + self.norms + self.head

    @property
    def non_embedding_parameters(self) -> int:
        """Parameters of attention and MLP in all blocks."""
        return self.attention + self.mlp

    @property
    def training_flops_per_token(self) -> int:
        """Forward and backward pass."""
        return FORWARD_PASSES_OF_A_STEP * self.forward_flops_per_token

    def table(self) -> list[tuple[str, int]]:
        """(part, parameters) of every part that has any."""
        parts = [
            ("token embedding", self.embedding),
            ("positions", self.positions),
            ("attention", self.attention),
            ("MLP", self.mlp),
            ("norms", self.norms),
            ("output head", self.head),
        ]
        return [(part, count) for part, count in parts if count]


def model_costs(config: GPTConfig) -> Costs:
    """Count parameters and floating-point operations from the config alone.

    A matrix with n weights takes 2n operations per token. Attention's two multiplications with the
    context take 4 n_head head_width T, halved because a token reads half of the context on average.
    See appendix B of Chowdhery et al. 2022, https://arxiv.org/abs/2204.02311.
    """
    counts = dict.fromkeys(("embedding", "positions", "attention", "mlp", "norms", "head"), 0)
    matrix_weights = 0
    for name, shape in parameter_shapes(config).items():
        counts[_part_of(name)] += math.prod(shape)
        if name.startswith("blocks.") and len(shape) == 2:
            matrix_weights += math.prod(shape)
    head_weights = config.vocab_size * config.n_embd
    context_flops = 2 * config.n_head * config.head_width * config.block_size
    return Costs(
        **counts,
        forward_flops_per_token=2 * (matrix_weights + head_weights)
        + config.n_layer * context_flops,
    )


def _part_of(name: str) -> str:
    """The part of `Costs` that a parameter belongs to."""
    *modules, module, _ = name.split(".")
    if module.endswith("norm"):
        return "norms"
    if modules:
        return modules[-1]  # blocks.0.attention.q_proj.weight, blocks.0.mlp.up_proj.weight
    return {
        "token_embedding": "embedding",
        "position_embedding": "positions",
        "lm_head": "head",
    }[module]


def state_bytes(config: GPTConfig) -> int:
    """A lower bound of the memory for training, whatever the batch, in bytes.

    Four float32 numbers per parameter: the weight, its gradient, and two of AdamW; Muon keeps one
    number less for the matrices inside the blocks.
    """
    costs = model_costs(config)
    return 4 * (4 * costs.parameters - costs.non_embedding_parameters)


def activation_bytes_per_token(config: GPTConfig) -> int:
    """A lower bound of the memory that one token of a micro-batch needs for the backward pass.

    It counts, in bytes, what each block keeps even where everything else is recomputed: in 16-bit
    numbers the inputs of the projections and of the MLP, queries, keys and values, attention's
    output, and the MLP's hidden values; and the residual stream in 32 bits. See Korthikanti et al.
    2022, https://arxiv.org/abs/2205.05198.
    """
    q_width, kv_width = config.n_head * config.head_width, config.kv_heads * config.head_width
    hidden = (2 if config.mlp == "swiglu" else 1) * config.mlp_width
    in_16_bits = 2 * config.n_embd + 2 * q_width + 2 * kv_width + hidden
    return config.n_layer * (2 * in_16_bits + 4 * config.n_embd)
