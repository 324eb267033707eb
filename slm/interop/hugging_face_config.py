"""The `config.json` of transformers: our shape in its words, and the reverse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slm.config import GPTConfig
from slm.errors import ConfigError, shown
from slm.interop import gpt_neo
from slm.interop.architectures import Architecture
from slm.tokenizer.base import Tokenizer

_CLASSES: Mapping[Architecture, str] = {
    "gpt2": "GPT2LMHeadModel",
    "gpt_neo": "GPTNeoForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "llama": "LlamaForCausalLM",
}


SUPPORTED = ("GPT2LMHeadModel", "GPTNeoForCausalLM", "LlamaForCausalLM", "Qwen3ForCausalLM")


def transformers_config(
    config: GPTConfig, architecture: Architecture, tokenizer: Tokenizer
) -> dict[str, Any]:
    """The contents of `config.json`."""
    common = {
        "architectures": [_CLASSES[architecture]],
        "model_type": architecture,
        "vocab_size": config.vocab_size,
        "tie_word_embeddings": config.tie_embeddings,
        "initializer_range": 0.02,
        "bos_token_id": tokenizer.bos_id,
        "eos_token_id": tokenizer.eot_id,
        "pad_token_id": tokenizer.eot_id,
        "use_cache": True,
    }
    if architecture == "gpt_neo":
        return {**common, **gpt_neo.settings(config)}
    if architecture == "gpt2":
        return {
            **common,
            "n_positions": config.block_size,
            "n_embd": config.n_embd,
            "n_layer": config.n_layer,
            "n_head": config.n_head,
            "n_inner": config.mlp_width,
            "activation_function": "gelu" if config.mlp == "gelu_exact" else "gelu_new",
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


def read_config(settings: Mapping[str, Any], where: str) -> GPTConfig:
    """The shape that a `config.json` of transformers means.

    Args:
        settings: its content.
        where: the file, for messages.

    Raises:
        ConfigError: an architecture, or a setting of one, that is not ours; the message names it.
    """
    classes = settings.get("architectures")
    name = classes[0] if isinstance(classes, list) and classes else settings.get("model_type")
    reader = {
        **{"GPT2LMHeadModel": _gpt2_shape, "gpt2": _gpt2_shape},
        **{"GPTNeoForCausalLM": _gpt_neo_shape, "gpt_neo": _gpt_neo_shape},
        **{"LlamaForCausalLM": _llama_shape, "llama": _llama_shape},
        **{"Qwen3ForCausalLM": _llama_shape, "qwen3": _llama_shape},
    }.get(name if isinstance(name, str) else "")
    if reader is None:
        raise ConfigError(
            f"{where} describes a {shown(name)}, which is not a supported architecture",
            hint=f"supported: {', '.join(SUPPORTED)}",
        )
    given = _Settings(settings, where)
    try:
        return GPTConfig(dropout=0.0, **reader(given))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error.message}", hint=error.hint) from None


class _Settings:
    """The settings of a `config.json`, each checked as it is read."""

    def __init__(self, settings: Mapping[str, Any], where: str) -> None:
        self._settings = settings
        self._where = where

    def integer(self, name: str, default: int | None = None) -> int:
        """An integer; without a default it must be there."""
        value = self._settings.get(name)
        value = default if value is None else value
        if type(value) is not int:
            raise ConfigError(f"{self._where}: {name} must be an integer, found {shown(value)}")
        return value

    def number(self, name: str, default: float) -> float:
        """A number."""
        value = self._settings.get(name)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"{self._where}: {name} must be a number, found {shown(value)}")
        try:
            return float(value)
        except OverflowError:
            raise ConfigError(f"{self._where}: {name} is too large") from None

    def within(self, settings: Mapping[str, Any]) -> _Settings:
        """Settings inside these."""
        return _Settings(settings, self._where)

    def get(self, name: str, default: Any = None) -> Any:
        """Any value."""
        value = self._settings.get(name)
        return default if value is None else value

    def require(self, name: str, *allowed: Any) -> None:
        """Refuse a value that changes the arithmetic in a way that is not ours."""
        value = self._settings.get(name)
        if value not in allowed:
            raise ConfigError(
                f"{self._where}: {name} is {shown(value)}, which is not supported",
                hint=f"supported: {' or '.join(map(shown, allowed))}",
            )


def _gpt2_shape(given: _Settings) -> dict[str, Any]:
    given.require("scale_attn_weights", None, True)
    given.require("scale_attn_by_inverse_layer_idx", None, False)
    given.require("add_cross_attention", None, False)
    width = given.integer("n_embd", 768)
    return {
        "vocab_size": given.integer("vocab_size", 50257),
        "block_size": given.integer("n_positions", 1024),
        "n_layer": given.integer("n_layer", 12),
        "n_head": given.integer("n_head", 12),
        "n_embd": width,
        "mlp_dim": given.integer("n_inner", 4 * width),
        "mlp": _gelu(given, "activation_function", "gelu_new"),
        "norm_eps": given.number("layer_norm_epsilon", 1e-5),
        "tie_embeddings": bool(given.get("tie_word_embeddings", True)),
    }


def _gpt_neo_shape(given: _Settings) -> dict[str, Any]:
    n_layer = given.integer("num_layers", 24)
    types = given.get("attention_types")
    is_global = types == [[["global"], n_layer]]
    if not is_global and types != gpt_neo.layer_kinds(n_layer):
        raise ConfigError(
            f"attention_types are {shown(types)}, which is not supported",
            hint="supported: global layers, and alternating global and local layers",
        )
    width = given.integer("hidden_size", 2048)
    block_size = given.integer("max_position_embeddings", 2048)
    return {
        "vocab_size": given.integer("vocab_size", 50257),
        "block_size": block_size,
        "n_layer": n_layer,
        "n_head": given.integer("num_heads", 16),
        "n_embd": width,
        "mlp_dim": given.integer("intermediate_size", 4 * width),
        "mlp": _gelu(given, "activation_function", "gelu_new"),
        "norm_eps": given.number("layer_norm_epsilon", 1e-5),
        "local_window": None if is_global else given.integer("window_size", 256),
        "tie_embeddings": bool(given.get("tie_word_embeddings", True)),
    }


def _gelu(given: _Settings, name: str, default: str) -> str:
    given.require(name, None, "gelu_new", "gelu_pytorch_tanh", "gelu")
    return "gelu_exact" if given.get(name, default) == "gelu" else "gelu"


def _llama_shape(given: _Settings) -> dict[str, Any]:
    given.require("hidden_act", None, "silu")
    given.require("use_sliding_window", None, False)
    rope = given.get("rope_parameters") or given.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default")) if isinstance(rope, dict) else rope
    if kind != "default":
        raise ConfigError(
            f"rotary positions of the kind {shown(kind)} are not supported",
            hint="only the default without scaling is supported",
        )
    is_qwen = "qwen3" in (given.get("model_type"), str(given.get("architectures")).lower()[2:7])
    biases = {bool(given.get("attention_bias", False)), bool(given.get("mlp_bias", False))}
    if len(biases) > 1 or (is_qwen and True in biases):
        raise ConfigError(
            "attention_bias and mlp_bias differ", hint="supported: biases everywhere or nowhere"
        )
    n_head, width = given.integer("num_attention_heads"), given.integer("hidden_size")
    theta = given.number("rope_theta", 10000.0)
    if isinstance(rope, dict) and "rope_theta" in rope:
        theta = given.within(rope).number("rope_theta", theta)
    return {
        "vocab_size": given.integer("vocab_size"),
        "block_size": given.integer("max_position_embeddings", 2048),
        "n_layer": given.integer("num_hidden_layers"),
        "n_head": n_head,
        "n_kv_head": given.integer("num_key_value_heads", n_head),
        "n_embd": width,
        "head_dim": given.integer("head_dim", 128 if is_qwen else width // max(1, n_head)),
        "mlp_dim": given.integer("intermediate_size"),
        "norm": "rmsnorm",
        "norm_eps": given.number("rms_norm_eps", 1e-6),
        "position": "rope",
        "rope_theta": theta,
        "mlp": "swiglu",
        "qk_norm": is_qwen,
        "bias": True in biases,
        "tie_embeddings": bool(given.get("tie_word_embeddings", False)),
    }
