"""Models in GGUF files: shape, weights and tokenizer of llama.cpp's GPT-2, Llama and Qwen3."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeGuard, TypeVar

import torch
from torch import Tensor

from slm.config import GPTConfig
from slm.errors import CheckpointError, ConfigError, TokenizerError, shown
from slm.interop.architectures import halved_rotary
from slm.interop.byte_level_splits import SPLITS, split_named
from slm.interop.foreign_vocabulary import CONTROL, NORMAL, UNKNOWN, USER_DEFINED
from slm.interop.gguf import NAMES
from slm.interop.gguf_file import GGUFFile
from slm.interop.imported import ImportedModel, fitted
from slm.interop.sentencepiece import sentencepiece_tokenizer
from slm.interop.tokenizer_json import added_tokens, beginning, byte_level_definition
from slm.tokenizer.base import Tokenizer
from slm.tokenizer.imported import ImportedTokenizer

T = TypeVar("T")


def read(path: Path, name: str) -> ImportedModel:
    """Read a GGUF file.

    Args:
        path: the file.
        name: what the model is called.

    Raises:
        ConfigError: an architecture or a dtype that is not supported; the message names it.
        CheckpointError: the file is damaged.
        TokenizerError: its tokenizer cannot be used.
    """
    file = GGUFFile(path)
    fields, tensors = file.fields, file.tensors
    architecture = fields.get("general.architecture")
    if architecture not in ("gpt2", "llama", "qwen3"):
        raise ConfigError(
            f"{path} holds a {shown(architecture)}, which is not a supported architecture",
            hint="supported: gpt2, llama and qwen3",
        )
    try:
        config = _shape(fields, architecture, tensors)
    except (KeyError, TypeError, ConfigError) as error:
        raise CheckpointError(f"{path} lacks or misstates {error}") from None
    weights: dict[str, Tensor] = {}
    for tensor_name in tensors:
        values = torch.from_numpy(file.values(tensor_name))
        if tensor_name == "rope_freqs.weight":
            if not bool((values == 1.0).all()):
                raise ConfigError(
                    f"{path} has scaled rotary positions ({tensor_name}), which are not supported"
                )
            continue
        weights |= _named(tensor_name, values, config, architecture)
    if config.tie_embeddings:
        weights.pop("lm_head.weight", None)
    return ImportedModel(name, config, fitted(weights, config, path), _tokenizer(fields, name))


def _shape(fields: dict[str, Any], architecture: str, tensors: dict[str, Any]) -> GPTConfig:
    def get(key: str, default: Any = None) -> Any:
        value = fields.get(f"{architecture}.{key}", default)
        if value is None:
            raise KeyError(f"{architecture}.{key}")
        return value

    n_head, width = get("attention.head_count"), get("embedding_length")
    common = {
        "vocab_size": len(fields["tokenizer.ggml.tokens"]),
        "block_size": get("context_length"),
        "n_layer": get("block_count"),
        "n_head": n_head,
        "n_embd": width,
        "mlp_dim": get("feed_forward_length"),
        "tie_embeddings": "output.weight" not in tensors,
        "dropout": 0.0,
    }
    if architecture == "gpt2":
        return GPTConfig(**common, norm_eps=get("attention.layer_norm_epsilon"))
    scaling = fields.get(f"{architecture}.rope.scaling.type", "none")
    if scaling != "none":
        raise ConfigError(f"rope.scaling.type, which is {shown(scaling)}")
    return GPTConfig(
        **common,
        n_kv_head=get("attention.head_count_kv", n_head),
        head_dim=get("attention.key_length", width // max(1, n_head)),
        norm="rmsnorm",
        norm_eps=get("attention.layer_norm_rms_epsilon"),
        position="rope",
        rope_theta=get("rope.freq_base", 10000.0),
        mlp="swiglu",
        qk_norm=architecture == "qwen3",
        bias="blk.0.attn_q.bias" in tensors,
    )


def _named(name: str, values: Tensor, config: GPTConfig, architecture: str) -> dict[str, Tensor]:
    """A tensor in our names; unknown ones keep theirs."""
    module, _, kind = name.rpartition(".")
    ours = {theirs: our for our, theirs in NAMES.items()}
    parts = module.split(".")
    prefix = ""
    if parts[0] == "blk" and len(parts) == 3:
        prefix, module = f"blocks.{parts[1]}.", parts[2]
    if module == "attn_qkv" and len(values) and len(values) % 3 == 0:
        return {
            f"{prefix}attention.{part}_proj.{kind}": third
            for part, third in zip("qkv", values.chunk(3), strict=True)
        }
    is_rotated = architecture == "llama" and module in ("attn_q", "attn_k")
    if is_rotated and len(values) % config.head_width == 0:  # other shapes are refused later
        values = torch.from_numpy(halved_rotary(values.numpy(), config.head_width))
    return {f"{prefix}{ours[module]}.{kind}" if module in ours else name: values}


def _tokenizer(fields: dict[str, Any], name: str) -> Tokenizer:
    """The tokenizer of a file: byte-level BPE, or SentencePiece's BPE."""
    model, tokens = fields.get("tokenizer.ggml.model"), fields.get("tokenizer.ggml.tokens")
    eos, bos = (fields.get(f"tokenizer.ggml.{key}_token_id") for key in ("eos", "bos"))
    eot_id = eos if eos is not None else bos
    if not _all_are(tokens, str) or type(eot_id) is not int or type(bos) not in (int, type(None)):
        raise TokenizerError("the file names no tokens or no end of a text")
    if model == "llama":
        scores = fields.get("tokenizer.ggml.scores")
        if not _all_are(scores, float) or len(scores) != len(tokens):
            raise TokenizerError("the file has no score for each token")
        space = fields.get("tokenizer.ggml.add_space_prefix", True)
        pairs = list(zip(tokens, scores, strict=True))
        begins = bool(bos is not None and fields.get("tokenizer.ggml.add_bos_token", True))
        usual = [UNKNOWN, CONTROL, CONTROL, *([NORMAL] * len(tokens))][: len(tokens)]
        types = fields.get("tokenizer.ggml.token_type", usual)
        if not _all_are(types, int) or len(types) != len(tokens):
            raise TokenizerError("the file has no type for each token")
        special = {i for i, kind in enumerate(types) if kind in (UNKNOWN, CONTROL)}
        return sentencepiece_tokenizer(
            name,
            pairs,
            eot_id=eot_id,
            bos_id=bos if begins else None,
            add_space=bool(space),
            adds_beginning=begins,
            special=special,
            unknown_id=types.index(UNKNOWN) if UNKNOWN in types else None,
        )
    split = split_named(fields.get("tokenizer.ggml.pre", "default"))
    if model != "gpt2" or split is None:
        named = shown(fields.get("tokenizer.ggml.pre"))
        known = ", ".join(split.name for split in SPLITS)
        raise TokenizerError(
            f"its tokenizer is {shown(model)} with the split {named}",
            hint=f"supported: llama, and gpt2 with one of the splits {known}",
        )
    types = fields.get("tokenizer.ggml.token_type", [NORMAL] * len(tokens))
    merges = fields.get("tokenizer.ggml.merges", [])
    if not _all_are(types, int) or len(types) != len(tokens) or not _all_are(merges, str):
        raise TokenizerError("the file has no type for each token, or no list of merges")
    vocabulary = {token: token_id for token_id, token in enumerate(tokens)}
    added = []
    for kind, is_special in ((CONTROL, True), (USER_DEFINED, False)):
        contents = {i: token for i, token in enumerate(tokens) if types[i] == kind}
        added += added_tokens(contents, special=is_special)
    definition = byte_level_definition(vocabulary, _known(merges, set(tokens)), added, split)
    begins = bos is not None and fields.get("tokenizer.ggml.add_bos_token", split.begins_texts)
    if begins and bos is not None and 0 <= bos < len(tokens):  # other ids are refused below
        definition["post_processor"] = beginning(tokens[bos], bos)
    return ImportedTokenizer(name, definition, eot_id=eot_id, bos_id=bos if begins else None)


def _all_are(values: Any, kind: type[T]) -> TypeGuard[list[T]]:
    """Whether this is a list with values of one type."""
    return isinstance(values, list) and all(type(value) is kind for value in values)


def _known(merges: list[str], tokens: set[str]) -> list[str]:
    """The merges whose union is a token; ours has one that is not where there are none."""
    return [merge for merge in merges if merge.replace(" ", "", 1) in tokens]
