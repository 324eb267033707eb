"""GPT-Neo of transformers, in and out: here it is a GPT-2 with scaled queries and local windows.

GPT-Neo does not divide the scores by the square root of the head's width, so its query weights are
multiplied by it on the way in. Its queries, keys and values have no biases. Every second layer may
be local, which is `local_window` here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from slm.config import GPTConfig
from slm.errors import ConfigError
from slm.interop.architectures import (
    GPT2_NAMES,
    Floats,
    Weights,
    from_gpt2,
    renamed,
    require_settings,
)

if TYPE_CHECKING:
    from torch import Tensor

NAMES = {
    **GPT2_NAMES,
    "attention.q_proj": "attn.attention.q_proj",
    "attention.k_proj": "attn.attention.k_proj",
    "attention.v_proj": "attn.attention.v_proj",
    "attention.o_proj": "attn.attention.out_proj",
}
"""Our modules to GPT-Neo's; those of a block follow `transformer.h.N.`."""
_PROJECTION = re.compile(r"transformer\.h\.(\d+)\.attn\.attention\.([qkv])_proj\.weight")
_WITHOUT_BIAS = ("q_proj.bias", "k_proj.bias", "v_proj.bias")


def is_gpt_neo(config: GPTConfig) -> bool:
    """Whether the shape has local layers, which is what GPT-2 does not have."""
    return config.local_window is not None and config.position == "learned"


def check(config: GPTConfig, target: str) -> None:
    """Refuse a shape that is not GPT-Neo's.

    Raises:
        ConfigError: the message names the first setting that differs.
    """
    needed = {"norm": "layernorm", "n_kv_head": config.n_head, "qk_norm": False}
    if config.mlp == "swiglu":
        needed["mlp"] = "gelu"
    require_settings(config, target, {**needed, "head_dim": config.n_embd // config.n_head})


def layer_kinds(n_layer: int) -> list[list[object]]:
    """`attention_types` of alternating global and local layers, beginning with a global one."""
    turns: list[list[object]] = [[["global", "local"], n_layer // 2]] if n_layer > 1 else []
    return turns + ([[["global"], 1]] if n_layer % 2 else [])


def settings(config: GPTConfig) -> dict[str, Any]:
    """The fields of `config.json` that only GPT-Neo has."""
    return {
        "max_position_embeddings": config.block_size,
        "hidden_size": config.n_embd,
        "num_layers": config.n_layer,
        "num_heads": config.n_head,
        "intermediate_size": config.mlp_width,
        "attention_types": layer_kinds(config.n_layer),
        "window_size": config.local_window,
        "activation_function": "gelu" if config.mlp == "gelu_exact" else "gelu_new",
        "layer_norm_epsilon": config.norm_eps,
        "resid_dropout": config.dropout,
        "embed_dropout": config.dropout,
        "attention_dropout": config.dropout,
    }


def to_gpt_neo(weights: Weights, config: GPTConfig, target: str) -> dict[str, Floats]:
    """The weights with GPT-Neo's names; biases that the model does not have are zero.

    Args:
        weights: as `GPT.state_dict()` names them.
        config: the shape.
        target: what needs them, for the message.

    Raises:
        ConfigError: queries, keys or values have biases, which training gave them.
    """
    scale = np.float32(1 / math.sqrt(config.head_width))
    result: dict[str, Floats] = {}
    for name, values in weights.items():
        if name.endswith(_WITHOUT_BIAS):
            if values.any():
                raise ConfigError(
                    f"{target} does not support a GPT-Neo with biases of queries, keys or values; "
                    f"{name} is not zero",
                    hint="it was fine-tuned here, which also trains these biases; it can be used "
                    "here",
                )
            continue
        theirs = renamed(name, NAMES, "transformer.h.{}")
        result[theirs] = values * scale if name.endswith("q_proj.weight") else values
        has_bias = not name.startswith(("token_", "position_", "lm_head")) and not theirs.endswith(
            ("q_proj.weight", "k_proj.weight", "v_proj.weight")
        )
        if has_bias and not config.bias:
            result[theirs.replace(".weight", ".bias")] = np.zeros(len(values), dtype=np.float32)
    return result


def from_gpt_neo(stored: Mapping[str, Tensor], config: GPTConfig) -> dict[str, Tensor]:
    """The inverse of `to_gpt_neo`, with biases that are zero; unknown names stay as they are."""
    weights: dict[str, Tensor] = {}
    for name, values in stored.items():
        block = _PROJECTION.fullmatch(name)
        if block is None:
            plain = name.replace(".attn.attention.out_proj.", ".attn.c_proj.")
            weights |= from_gpt2({plain: values}, transposed=False)
            continue
        target = f"blocks.{block[1]}.attention.{block[2]}_proj"
        scale = math.sqrt(config.head_width) if block[2] == "q" else 1.0
        weights[f"{target}.weight"] = values * scale
        weights[f"{target}.bias"] = values.new_zeros(len(values))
    return weights
