"""A model as a GGUF file, which llama.cpp reads.

The modern family has exactly Qwen3's shape, so this is a renaming of tensors. The format:
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from slm.config import GPTConfig
from slm.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from torch import Tensor

GGUFStorage = Literal["f32", "f16", "q8_0"]
GGUF_STORAGES: tuple[GGUFStorage, ...] = get_args(GGUFStorage)
"""How matrices are stored; q8_0 has 8 bits a weight, and a scale for 32 of them."""

_WHOLE = {
    "token_embedding.weight": "token_embd.weight",
    "final_norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
_OF_BLOCK = {
    "attention_norm.weight": "attn_norm.weight",
    "attention.q_proj.weight": "attn_q.weight",
    "attention.k_proj.weight": "attn_k.weight",
    "attention.v_proj.weight": "attn_v.weight",
    "attention.o_proj.weight": "attn_output.weight",
    "attention.q_norm.weight": "attn_q_norm.weight",
    "attention.k_norm.weight": "attn_k_norm.weight",
    "mlp_norm.weight": "ffn_norm.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
}


def has_gguf_form(config: GPTConfig) -> bool:
    """Whether models of this shape can be written: those of the modern family, as Qwen3's."""
    return (
        (config.norm, config.position, config.mlp) == ("rmsnorm", "rope", "swiglu")
        and config.qk_norm
        and not config.bias
    )


def gguf_name(name: str) -> str:
    """What llama.cpp calls one of our weights."""
    block = re.fullmatch(r"blocks\.(\d+)\.(.+)", name)
    return f"blk.{block[1]}.{_OF_BLOCK[block[2]]}" if block else _WHOLE[name]


def write_gguf(
    path: Path,
    config: GPTConfig,
    weights: Mapping[str, Tensor],
    tokens: Sequence[str],
    *,
    storage: GGUFStorage = "f16",
) -> None:
    """Write a model of the modern family.

    Args:
        path: the file.
        config: its shape.
        weights: as `GPT.state_dict()` gives them.
        tokens: what each id stands for, in the way of GPT-2's table; the last one ends a text.
        storage: how matrices are stored; norms always are in float32.

    Raises:
        ConfigError: a model of another family, or rows that `storage` cannot cut into its groups.
        MissingExtraError: the package gguf is not installed.
    """
    if not has_gguf_form(config):
        raise ConfigError(
            "only models of the modern family can be written as GGUF",
            hint="they have norm=rmsnorm, position=rope, mlp=swiglu, qk_norm=true, bias=false",
        )
    try:
        from gguf import GGUFWriter
    except ModuleNotFoundError:
        raise MissingExtraError("gguf", extra="peers", purpose="writing a GGUF file") from None
    writer = GGUFWriter(path, "qwen3")
    writer.add_context_length(config.block_size)
    writer.add_embedding_length(config.n_embd)
    writer.add_block_count(config.n_layer)
    writer.add_feed_forward_length(config.mlp_width)
    writer.add_head_count(config.n_head)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_key_length(config.head_width)
    writer.add_value_length(config.head_width)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(list(tokens))
    writer.add_token_types([1] * len(tokens))
    writer.add_token_merges([" ".join(tokens[:2])])  # without any, llama.cpp refuses the file
    writer.add_eos_token_id(len(tokens) - 1)
    for name, tensor in weights.items():
        _add_tensor(writer, name, tensor, storage)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tensor(writer: Any, name: str, tensor: Tensor, storage: GGUFStorage) -> None:
    import numpy as np
    from gguf import GGMLQuantizationType, QuantError, quants

    values = tensor.detach().float().cpu().numpy()
    if values.ndim == 1 or storage == "f32":
        writer.add_tensor(gguf_name(name), values)
    elif storage == "f16":
        writer.add_tensor(gguf_name(name), values.astype(np.float16))
    else:
        kind = GGMLQuantizationType.Q8_0
        try:
            stored = quants.quantize(values, kind)
        except QuantError as error:
            raise ConfigError(
                f"{name} cannot be stored as {storage}: {error}", hint="use f16"
            ) from None
        writer.add_tensor(gguf_name(name), stored, raw_dtype=kind)
