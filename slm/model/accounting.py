"""What a model costs: parameters by part, arithmetic for each token, memory while it trains."""

from __future__ import annotations

from dataclasses import dataclass

from slm.config import GPTConfig


@dataclass(frozen=True)
class Costs:
    """Parameters (numbers, not bytes) and floating-point operations of a model."""

    embedding: int
    """Token embedding, shared with the output head where they are tied."""
    positions: int
    attention: int
    mlp: int
    norms: int
    head: int
    """An output head of its own; 0 where tied."""
    forward_flops_per_token: int
    """Multiplications and additions of one token's forward pass at full context."""

    @property
    def parameters(self) -> int:
        """All parameters."""
        return self.embedding + self.positions + self.attention + self.mlp + self.norms + self.head

    @property
    def in_blocks(self) -> int:
        """Those of the blocks, without their norms."""
        return self.attention + self.mlp

    @property
    def training_flops_per_token(self) -> int:
        """Forward and backward pass: three times the forward pass."""
        return 3 * self.forward_flops_per_token

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


def costs_of(config: GPTConfig) -> Costs:
    """Parameters and arithmetic of a model, from its shape alone.

    A matrix product with n weights takes 2n operations a token. Attention's two products with the
    context take 4 n_head head_width T, halved as a token sees half of the context on average. See
    appendix B of Chowdhery et al. 2022, https://arxiv.org/abs/2204.02311.
    """
    width, head = config.n_embd, config.head_width
    q_width, kv_width = config.n_head * head, config.kv_heads * head
    projections = width * (2 * q_width + 2 * kv_width)
    projection_biases = q_width + 2 * kv_width + width if config.bias else 0
    matrices = 2 if config.mlp == "gelu" else 3
    mlp = matrices * width * config.mlp_width
    mlp_biases = (matrices - 1) * config.mlp_width + width if config.bias else 0
    norm_width = width * (2 if config.norm == "layernorm" and config.bias else 1)
    head_norms = 2 * head if config.qk_norm else 0
    vocabulary = config.vocab_size * width
    context_flops = 2 * q_width * config.block_size
    return Costs(
        embedding=vocabulary,
        positions=config.block_size * width if config.position == "learned" else 0,
        attention=config.n_layer * (projections + projection_biases),
        mlp=config.n_layer * (mlp + mlp_biases),
        norms=(2 * config.n_layer + 1) * norm_width + config.n_layer * head_norms,
        head=0 if config.tie_embeddings else vocabulary,
        forward_flops_per_token=2 * (config.n_layer * (projections + mlp) + vocabulary)
        + config.n_layer * context_flops,
    )


def state_bytes(config: GPTConfig) -> int:
    """Memory that a model's training needs at the least, whatever the batch, in bytes.

    Four float32 numbers a parameter: the weight, its gradient, and AdamW's two; Muon keeps one of
    these less for the matrices inside the blocks.
    """
    costs = costs_of(config)
    return 4 * (4 * costs.parameters - costs.attention - costs.mlp)


def activation_bytes_per_token(config: GPTConfig) -> int:
    """Memory that a token of a micro-batch needs at the least for the backward pass, in bytes.

    What each block keeps even where all else is computed again: in 16-bit numbers the inputs of the
    projections and of the MLP, queries, keys and values, attention's output, and the MLP's hidden
    values; and the residual stream in 32 bits. See Korthikanti et al. 2022,
    https://arxiv.org/abs/2205.05198.
    """
    q_width, kv_width = config.n_head * config.head_width, config.kv_heads * config.head_width
    hidden = (1 if config.mlp == "gelu" else 2) * config.mlp_width
    in_16_bits = 2 * config.n_embd + 2 * q_width + 2 * kv_width + hidden
    return config.n_layer * (2 * in_16_bits + 4 * config.n_embd)
