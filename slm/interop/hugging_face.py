"""A model as a folder of Hugging Face transformers: weights, config, tokenizer and model card."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from slm.config import GPTConfig
from slm.interop.architectures import Architecture, architecture_of, to_gpt2, to_llama
from slm.interop.source import ExportDtype, ExportSource, stored
from slm.interop.tokenizer_json import to_tokenizers, tokenizer_config
from slm.storage.files import atomic_directory

TARGET = "hf"
_CLASSES: Mapping[Architecture, str] = {
    "gpt2": "GPT2LMHeadModel",
    "qwen3": "Qwen3ForCausalLM",
    "llama": "LlamaForCausalLM",
}


def check(source: ExportSource) -> None:
    """Refuse what transformers cannot hold.

    Raises:
        ConfigError: the shape is of no architecture that transformers has.
    """
    architecture_of(source.config, TARGET)


def write(
    source: ExportSource, out: Path, *, dtype: ExportDtype, card: str, log: Callable[[str], None]
) -> None:
    """Write the folder; it is complete or absent.

    Args:
        source: the model.
        out: the folder; one that exists is replaced.
        dtype: of the weights.
        card: the text of README.md.
        log: called with notes.

    Raises:
        ConfigError: transformers has no such architecture.
        WriteError, NoSpaceError: nothing is left behind.
    """
    from safetensors.torch import save_file

    config = source.config
    architecture = architecture_of(config, TARGET)
    weights = source.weights()
    if architecture == "gpt2":
        named = to_gpt2(weights, config, transposed=True)
    else:
        named = to_llama(weights)
    with atomic_directory(out) as folder:
        tensors = {name: stored(values, dtype) for name, values in named.items()}
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        eot_id = source.tokenizer.eot_id
        settings = {**transformers_config(config, architecture, eot_id), "dtype": dtype}
        write_json(folder / "config.json", settings)
        write_json(
            folder / "generation_config.json",
            {
                "bos_token_id": eot_id,
                "eos_token_id": eot_id,
                "pad_token_id": eot_id,
                "do_sample": True,
                "temperature": 0.8,
                "top_k": 50,
            },
        )
        to_tokenizers(source.tokenizer).save(str(folder / "tokenizer.json"))
        write_json(folder / "tokenizer_config.json", tokenizer_config(config.block_size))
        (folder / "README.md").write_text(card, "utf-8")


def transformers_config(
    config: GPTConfig, architecture: Architecture, eot_id: int
) -> dict[str, Any]:
    """The contents of `config.json`."""
    common = {
        "architectures": [_CLASSES[architecture]],
        "model_type": architecture,
        "vocab_size": config.vocab_size,
        "tie_word_embeddings": config.tie_embeddings,
        "initializer_range": 0.02,
        "bos_token_id": eot_id,
        "eos_token_id": eot_id,
        "pad_token_id": eot_id,
        "use_cache": True,
    }
    if architecture == "gpt2":
        return {
            **common,
            "n_positions": config.block_size,
            "n_embd": config.n_embd,
            "n_layer": config.n_layer,
            "n_head": config.n_head,
            "n_inner": config.mlp_width,
            "activation_function": "gelu_new",
            "layer_norm_epsilon": config.norm_eps,
            "resid_pdrop": config.dropout,
            "embd_pdrop": config.dropout,
            "attn_pdrop": config.dropout,
        }
    settings = {
        **common,
        "hidden_size": config.n_embd,
        "intermediate_size": config.mlp_width,
        "num_hidden_layers": config.n_layer,
        "num_attention_heads": config.n_head,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_width,
        "max_position_embeddings": config.block_size,
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "hidden_act": "silu",
        "attention_bias": config.bias,
        "attention_dropout": config.dropout,
    }
    if architecture == "llama":
        settings["mlp_bias"] = config.bias
    return settings


def write_json(path: Path, data: object) -> None:
    """Write indented JSON."""
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", "utf-8")
