"""What a model costs: parameters by part, and arithmetic for each token."""

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
