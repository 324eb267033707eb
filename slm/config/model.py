"""The shape of a model."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from slm.config.group import ContextLength, Positive, SettingsGroup
from slm.errors import ConfigError

DEFAULT_BLOCK_SIZE = 256


class GPTConfig(SettingsGroup):
    """The shape of a model.

    The defaults are the GPT-2 family: LayerNorm, learned positions, a GELU MLP, biases, dropout.
    The modern family (`norm="rmsnorm"`, `position="rope"`, `mlp="swiglu"`, `qk_norm=True`,
    `bias=False`) has exactly the shape of Qwen3.
    """

    vocab_size: Annotated[int, Field(ge=2, le=2**24)] = 8192
    """Number of token ids; in training, the tokenizer's."""
    block_size: ContextLength = DEFAULT_BLOCK_SIZE
    """Context length in tokens."""
    n_layer: Annotated[int, Field(ge=1, le=1024)] = 6
    """Number of transformer blocks."""
    n_head: Annotated[int, Field(ge=1, le=1024)] = 6
    """Number of query heads."""
    n_kv_head: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Number of key and value heads (grouped-query attention); default: n_head."""
    n_embd: Annotated[int, Field(ge=1, le=65536)] = 384
    """Width of the residual stream."""
    head_dim: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Width of a head; default: n_embd / n_head."""
    mlp_dim: Annotated[int, Field(ge=1, le=2**20)] | None = None
    """Hidden width of the MLP; default: 4 n_embd for gelu, 8/3 n_embd, rounded up to a multiple of
    64, for swiglu."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Dropout probability in training."""
    bias: bool = True
    """Biases in linear layers and LayerNorm."""
    norm: Literal["layernorm", "rmsnorm"] = "layernorm"
    """Kind of normalization."""
    norm_eps: Annotated[float, Field(gt=0.0, le=0.1)] = 1e-5
    """Added to the variance before its square root."""
    position: Literal["learned", "rope"] = "learned"
    """Positions: a learned embedding, or rotary embeddings (RoPE) of queries and keys."""
    rope_theta: Annotated[float, Field(gt=1.0, le=1e9)] = 10000.0
    """Base of the rotary wavelengths."""
    mlp: Literal["gelu", "gelu_exact", "swiglu"] = "gelu"
    """Kind of MLP; gelu is the tanh approximation, as in GPT-2."""
    local_window: Positive | None = None
    """Positions that every second block attends to, including its own; default: all."""
    qk_norm: bool = False
    """RMSNorm of each query and key head, before the rotary embeddings."""
    tie_embeddings: bool = True
    """The output head shares the token embedding's matrix."""

    @model_validator(mode="after")
    def _shapes_fit(self) -> GPTConfig:
        if self.head_dim is None and self.n_embd % self.n_head:
            divisors = [n for n in range(1, self.n_embd + 1) if self.n_embd % n == 0]
            nearest = min(divisors, key=lambda n: abs(n - self.n_head))
            raise ConfigError(
                f"n_embd {self.n_embd} is not divisible by n_head {self.n_head}",
                hint=f"try n_head={nearest}",
            )
        if self.n_head % self.kv_heads:
            raise ConfigError(
                f"n_head {self.n_head} is not divisible by n_kv_head {self.n_kv_head}",
                hint="each key head is used by the same number of query heads",
            )
        if self.position == "rope" and self.head_width % 2:
            raise ConfigError(
                f"rotary positions need an even head width, found {self.head_width}",
                hint="choose n_embd / n_head, or head_dim, even",
            )
        return self

    @property
    def kv_heads(self) -> int:
        """Number of key and value heads."""
        return self.n_head if self.n_kv_head is None else self.n_kv_head

    @property
    def head_width(self) -> int:
        """Width of one head."""
        return self.n_embd // self.n_head if self.head_dim is None else self.head_dim

    @property
    def mlp_width(self) -> int:
        """Hidden width of the MLP."""
        if self.mlp_dim is not None:
            return self.mlp_dim
        if self.mlp != "swiglu":
            return 4 * self.n_embd
        return 64 * math.ceil(self.n_embd * 8 / 3 / 64)


ModelConfig = GPTConfig
"""The original's name for the model's settings."""
