"""Which architecture of other programs a model is, and what each program calls the weights.

| ours | elsewhere |
|---|---|
| layernorm, learned positions, gelu | GPT-2; GPT-Neo with `local_window` (`gpt_neo.py`) |
| rmsnorm, rope, swiglu, QK-norm, no biases | Qwen3 |
| rmsnorm, rope, swiglu, no QK-norm | Llama |

Weights of the other programs' GPT-2 hold query, key and value in one matrix; all else is renaming.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from slm.config import GPTConfig
from slm.errors import CheckpointError, ConfigError, shown

if TYPE_CHECKING:
    from torch import Tensor

Architecture = Literal["gpt2", "gpt_neo", "qwen3", "llama"]
Floats = npt.NDArray[np.float32]
Weights = Mapping[str, Floats]

LLAMA_NAMES = {
    "token_embedding": "model.embed_tokens",
    "final_norm": "model.norm",
    "lm_head": "lm_head",
    "attention_norm": "input_layernorm",
    "attention.q_proj": "self_attn.q_proj",
    "attention.k_proj": "self_attn.k_proj",
    "attention.v_proj": "self_attn.v_proj",
    "attention.o_proj": "self_attn.o_proj",
    "attention.q_norm": "self_attn.q_norm",
    "attention.k_norm": "self_attn.k_norm",
    "mlp_norm": "post_attention_layernorm",
    "mlp.gate_proj": "mlp.gate_proj",
    "mlp.up_proj": "mlp.up_proj",
    "mlp.down_proj": "mlp.down_proj",
}
"""Modules of Llama and Qwen3 in transformers; those of a block follow `model.layers.N.`."""

GPT2_NAMES = {
    "token_embedding": "transformer.wte",
    "position_embedding": "transformer.wpe",
    "final_norm": "transformer.ln_f",
    "lm_head": "lm_head",
    "attention_norm": "ln_1",
    "attention.o_proj": "attn.c_proj",
    "mlp_norm": "ln_2",
    "mlp.up_proj": "mlp.c_fc",
    "mlp.down_proj": "mlp.c_proj",
}
"""Modules of GPT-2 in transformers and nanoGPT; those of a block follow `transformer.h.N.`."""
GPT2_QKV = "attn.c_attn"
"""GPT-2's module for query, key and value together."""

_BLOCK = re.compile(r"blocks\.(\d+)\.(.+)")


def architecture_of(
    config: GPTConfig, target: str, *, has_exact_gelu: bool = False
) -> Architecture:
    """The architecture of a model's shape.

    Args:
        config: the shape.
        target: what needs it, for the message.
        has_exact_gelu: whether the target's GPT-2 can have the exact GELU, too.

    Raises:
        ConfigError: other programs have no such architecture; the message names the settings.
    """
    if has_exact_gelu and config.mlp == "gelu_exact":
        config = config.changed(mlp="gelu")
    if (config.norm, config.position) == ("layernorm", "learned"):
        require(config, target, "gpt2")
        return "gpt2"
    architecture: Architecture = "qwen3" if config.qk_norm else "llama"
    require(config, target, architecture)
    return architecture


def require(config: GPTConfig, target: str, architecture: Architecture) -> None:
    """Refuse a shape that differs from an architecture.

    Raises:
        ConfigError: it differs; the message names the first setting, and the hint what would fit.
    """
    needed: dict[str, object]
    if architecture == "gpt2":
        needed = {
            "norm": "layernorm",
            "position": "learned",
            "mlp": "gelu",
            "local_window": None,
            "qk_norm": False,
            "n_kv_head": config.n_head,
            "head_dim": config.n_embd // config.n_head,
        }
    else:
        needed = {"norm": "rmsnorm", "position": "rope", "mlp": "swiglu", "local_window": None}
        needed["qk_norm"] = architecture == "qwen3"
        if architecture == "qwen3":
            needed["bias"] = False
    require_settings(config, target, needed)


def require_settings(config: GPTConfig, target: str, needed: Mapping[str, object]) -> None:
    """Refuse a shape whose settings are not the needed ones.

    Raises:
        ConfigError: the message names the first setting that differs.
    """
    if "head_dim" in needed and config.n_embd % config.n_head:
        raise ConfigError(
            f"{target} does not support a model with n_embd={config.n_embd} and "
            f"n_head={config.n_head}",
            hint="it supports models whose n_embd is a multiple of n_head",
        )
    found = {**config.__dict__, "n_kv_head": config.kv_heads, "head_dim": config.head_width}
    found["mlp_dim"] = config.mlp_width
    for name, value in needed.items():
        if found[name] != value:
            raise ConfigError(
                f"{target} does not support a model with {name}={_plain(found[name])}",
                hint="it supports models with "
                + ", ".join(f"{key}={_plain(wanted)}" for key, wanted in needed.items()),
            )


def _plain(value: object) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def renamed(name: str, names: Mapping[str, str], block: str) -> str:
    """Another program's name of one of our weights.

    Args:
        name: ours, such as `blocks.0.mlp.up_proj.weight`.
        names: our modules to theirs.
        block: what precedes the modules of a block, with `{}` for its number.
    """
    module, _, kind = name.rpartition(".")
    if match := _BLOCK.fullmatch(module):
        return f"{block.format(match[1])}.{names[match[2]]}.{kind}"
    return f"{names[module]}.{kind}"


def to_llama(weights: Weights) -> dict[str, Floats]:
    """The weights with the names of transformers' Llama and Qwen3."""
    return {renamed(n, LLAMA_NAMES, "model.layers.{}"): w for n, w in weights.items()}


def to_gpt2(weights: Weights, config: GPTConfig, *, transposed: bool) -> dict[str, Floats]:
    """The weights in GPT-2's layout; biases that the model does not have are zero.

    Args:
        weights: as `GPT.state_dict()` names them.
        config: the shape.
        transposed: whether matrices are [inputs, outputs], as in transformers; nanoGPT has them as
            we do.
    """
    result: dict[str, Floats] = {}
    for name, values in weights.items():
        module, _, kind = name.rpartition(".")
        block = _BLOCK.fullmatch(module)
        if block and block[2] in ("attention.q_proj", "attention.k_proj", "attention.v_proj"):
            if block[2] != "attention.q_proj":
                continue
            parts = [weights[name.replace("q_proj", f"{part}_proj")] for part in "qkv"]
            target = f"transformer.h.{block[1]}.{GPT2_QKV}.{kind}"
            values = np.concatenate(parts)
        else:
            target = renamed(name, GPT2_NAMES, "transformer.h.{}")
        is_matrix = block is not None and values.ndim == 2
        result[target] = np.ascontiguousarray(values.T) if is_matrix and transposed else values
        if kind == "weight" and not config.bias and _has_bias(target):
            outputs = len(values) if is_matrix or values.ndim == 1 else 0
            result[target.replace(".weight", ".bias")] = np.zeros(outputs, dtype=np.float32)
    return result


def _has_bias(name: str) -> bool:
    """Whether the module of a weight has a bias in GPT-2: all but embeddings and head have."""
    return not name.startswith(("transformer.wte", "transformer.wpe", "lm_head"))


def from_llama(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `to_llama`; unknown names stay as they are."""
    ours = {theirs: our for our, theirs in LLAMA_NAMES.items()}
    return {_named_back(n, ours, r"model\.layers\.(\d+)\.(.+)"): w for n, w in weights.items()}


def from_gpt2(weights: Mapping[str, Tensor], *, transposed: bool) -> dict[str, Tensor]:
    """The inverse of `to_gpt2`; unknown names stay as they are.

    Raises:
        CheckpointError: a joined matrix of query, key and value cannot be cut into three.
    """
    ours = {theirs: our for our, theirs in GPT2_NAMES.items()}
    result: dict[str, Tensor] = {}
    for name, values in weights.items():
        block = re.fullmatch(r"transformer\.h\.(\d+)\.(.+)\.(weight|bias)", name)
        if block and values.ndim == 2 and transposed:
            values = values.T
        if block and block[2] == GPT2_QKV:
            if values.ndim == 0 or not len(values) or len(values) % 3:
                raise CheckpointError(f"{shown(name)} is not query, key and value together")
            for part, third in zip("qkv", values.chunk(3), strict=True):
                result[f"blocks.{block[1]}.attention.{part}_proj.{block[3]}"] = third
        else:
            result[_named_back(name, ours, r"transformer\.h\.(\d+)\.(.+)")] = values
    return result


def _named_back(name: str, ours: Mapping[str, str], block: str) -> str:
    module, _, kind = name.rpartition(".")
    if (match := re.fullmatch(block, module)) and match[2] in ours:
        return f"blocks.{match[1]}.{ours[match[2]]}.{kind}"
    return f"{ours[module]}.{kind}" if module in ours else name


def interleaved_rotary(values: Floats, head_dim: int) -> Floats:
    """Rows of a query or key matrix in the order of Llama's original code.

    There a rotary pair is two neighbors (2i, 2i + 1); here and in transformers it is two halves
    (i, i + D/2).

    Args:
        values: [heads * D, C], or a bias [heads * D].
        head_dim: D.
    """
    heads = values.reshape(-1, 2, head_dim // 2, *values.shape[1:])
    return heads.swapaxes(1, 2).reshape(values.shape)


def halved_rotary(values: Floats, head_dim: int) -> Floats:
    """The inverse of `interleaved_rotary`."""
    heads = values.reshape(-1, head_dim // 2, 2, *values.shape[1:])
    return heads.swapaxes(1, 2).reshape(values.shape)
