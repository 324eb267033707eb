"""A model as a GGUF file, which llama.cpp and the programs built on it read.

All architectures of ours are llama.cpp's own: Qwen3, Llama and GPT-2. The tokenizer goes into the
file with its vocabulary, merges and split, and gives our ids. The format:
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from slm.config import GPTConfig
from slm.errors import ConfigError, MissingExtraError
from slm.interop.architectures import (
    Architecture,
    Floats,
    Weights,
    architecture_of,
    interleaved_rotary,
    renamed,
)
from slm.interop.byte_level_splits import GPT2, ByteLevelSplit
from slm.interop.foreign_vocabulary import (
    BYTE,
    CONTROL,
    NORMAL,
    UNKNOWN,
    UNUSED,
    foreign_vocabulary,
)
from slm.interop.tokenizer_json import (
    byte_fallback_tokens,
    byte_level_merges,
    byte_level_symbols,
    token_bytes,
)
from slm.log import Log
from slm.storage.files import atomic_path
from slm.tokenizer.base import EOT_TEXT, Tokenizer
from slm.tokenizer.byte_pair import BytePairTokenizer
from slm.tokenizer.chars import CharsTokenizer
from slm.tokenizer.imported import ImportedTokenizer

if TYPE_CHECKING:
    from slm.interop.source import ExportSource

GGUFDtype = Literal["float32", "float16", "bfloat16", "q8_0"]
"""How matrices are stored; q8_0 has 8 bits per weight, and a scale for each 32 of them."""

TARGET = "gguf"
_QUANTIZED_GROUP = 32
_FILE_TYPES = {"float32": 0, "float16": 1, "q8_0": 7, "bfloat16": 32}
"""llama.cpp's numbers for the dtype of most tensors."""

NAMES = {
    "token_embedding": "token_embd",
    "position_embedding": "position_embd",
    "final_norm": "output_norm",
    "lm_head": "output",
    "attention_norm": "attn_norm",
    "attention.q_proj": "attn_q",
    "attention.k_proj": "attn_k",
    "attention.v_proj": "attn_v",
    "attention.qkv_proj": "attn_qkv",
    "attention.o_proj": "attn_output",
    "attention.q_norm": "attn_q_norm",
    "attention.k_norm": "attn_k_norm",
    "mlp_norm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""Our modules to llama.cpp's; those of a block follow `blk.N.`."""

_SPACE = "\u2581"
"""SentencePiece's sign for a space."""


def check(source: ExportSource, dtype: GGUFDtype) -> None:
    """Refuse what a GGUF file cannot hold.

    Raises:
        ConfigError: the shape is of no architecture that llama.cpp has, its matrices do not fit the
            dtype, or the tokenizer does not fit.
    """
    config = source.config
    architecture_of(config, TARGET)
    if dtype == "q8_0":
        rows = {"n_embd": config.n_embd, "n_head * head_dim": config.n_head * config.head_width}
        for name, width in {**rows, "mlp_dim": config.mlp_width}.items():
            if width % _QUANTIZED_GROUP:
                raise ConfigError(
                    f"q8_0 stores groups of {_QUANTIZED_GROUP} weights, and {name} is {width}",
                    hint="use --dtype float16",
                )
    tokenizer = source.tokenizer
    if isinstance(tokenizer, ImportedTokenizer):
        foreign_vocabulary(tokenizer, TARGET)
    if isinstance(tokenizer, CharsTokenizer) and _SPACE in tokenizer.characters:
        raise ConfigError(
            f"gguf does not support a character vocabulary with {_SPACE} (U+2581), its space",
            hint="train with --tokenizer bytes or bpe:4096",
        )


def write(source: ExportSource, out: Path, *, dtype: GGUFDtype, log: Log) -> None:
    """Write a model and its tokenizer as one file, which is complete or absent.

    Args:
        source: the model.
        out: the file.
        dtype: of the matrices; vectors always are in float32.
        log: called with notes.

    Raises:
        ConfigError: see `check`.
        MissingExtraError: the package gguf is not installed.
        WriteError, NoSpaceError: nothing is left behind.
    """
    check(source, dtype)
    try:
        from gguf import GGUFWriter
    except ModuleNotFoundError:
        raise MissingExtraError("gguf", extra="export", purpose="writing a GGUF file") from None
    config = source.config
    architecture = architecture_of(config, TARGET)
    with atomic_path(out) as partial:
        writer = GGUFWriter(partial, architecture)
        writer.add_name(source.name)
        _add_shape(writer, config, architecture)
        writer.add_file_type(_FILE_TYPES[dtype])
        _add_tokenizer(writer, source.tokenizer, config.vocab_size)
        for name, values in gguf_weights(source.weights(), config, architecture).items():
            _add_tensor(writer, name, values, dtype)
        try:
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
        except OSError as error:
            if error.errno is not None:
                raise
            # NumPy says how much was not written, but not why.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        finally:
            writer.close()  # also of a file that is given up


def gguf_weights(
    weights: Weights, config: GPTConfig, architecture: Architecture
) -> dict[str, Floats]:
    """The weights as llama.cpp names and orders them.

    Llama's rotary pairs are neighbors there; Qwen3's are halves, as ours. GPT-2's query, key and
    value are one matrix, and each of its modules has a bias.
    """
    result: dict[str, Floats] = {}
    for name, values in weights.items():
        module = name.rpartition(".")[0]
        if architecture == "gpt2" and module.endswith(("q_proj", "k_proj", "v_proj")):
            if not module.endswith("q_proj"):
                continue
            parts = [weights[name.replace("q_proj", f"{part}_proj")] for part in "qkv"]
            values, name = np.concatenate(parts), name.replace("q_proj", "qkv_proj")
        elif architecture == "llama" and module.endswith(("q_proj", "k_proj")):
            values = interleaved_rotary(values, config.head_width)
        target = renamed(name, NAMES, "blk.{}")
        result[target] = values
        is_module_with_bias = module.startswith("blocks.") or module == "final_norm"
        if architecture == "gpt2" and not config.bias and is_module_with_bias:
            result[target.replace(".weight", ".bias")] = np.zeros(len(values), dtype=np.float32)
    return result


def _add_shape(writer: Any, config: GPTConfig, architecture: Architecture) -> None:
    writer.add_context_length(config.block_size)
    writer.add_embedding_length(config.n_embd)
    writer.add_block_count(config.n_layer)
    writer.add_feed_forward_length(config.mlp_width)
    writer.add_head_count(config.n_head)
    writer.add_vocab_size(config.vocab_size)
    if architecture == "gpt2":
        writer.add_layer_norm_eps(config.norm_eps)
        return
    writer.add_head_count_kv(config.kv_heads)
    writer.add_key_length(config.head_width)
    writer.add_value_length(config.head_width)
    writer.add_rope_dimension_count(config.head_width)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_layer_norm_rms_eps(config.norm_eps)


def _add_tokenizer(writer: Any, tokenizer: Tokenizer, vocab_size: int) -> None:
    writer.add_bos_token_id(tokenizer.bos_id)
    writer.add_eos_token_id(tokenizer.eot_id)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    n_unused = vocab_size - tokenizer.vocab_size
    unused = [f"<unused{vocab_size - number}>" for number in range(n_unused, 0, -1)]
    if isinstance(tokenizer, ImportedTokenizer):
        foreign = foreign_vocabulary(tokenizer, TARGET)
        writer.add_token_list([*foreign.tokens, *unused])
        writer.add_token_types([*foreign.types, *([UNUSED] * n_unused)])
        if foreign.scores is None:
            _add_merges(writer, foreign.merges, foreign.tokens[0], foreign.split or GPT2)
        else:
            writer.add_tokenizer_model("llama")
            writer.add_token_scores([*foreign.scores, *([0.0] * n_unused)])
            writer.add_add_space_prefix(foreign.add_space)
            if UNKNOWN in foreign.types:
                writer.add_unk_token_id(foreign.types.index(UNKNOWN))
        return
    if isinstance(tokenizer, CharsTokenizer):
        tokens = [token.replace(" ", _SPACE) for token in byte_fallback_tokens(tokenizer)]
        n_characters = len(tokenizer.characters)
        types = [NORMAL] * n_characters + [BYTE] * 256
        writer.add_tokenizer_model("llama")
        writer.add_token_scores([0.0] * vocab_size)
        writer.add_add_space_prefix(False)
    else:
        tokens = byte_level_symbols(token_bytes(tokenizer))
        types = [NORMAL] * len(tokens)
        pairs = byte_level_merges(tokenizer) if isinstance(tokenizer, BytePairTokenizer) else []
        _add_merges(writer, pairs, tokens[0])
    writer.add_token_list([*tokens, EOT_TEXT, *unused])
    writer.add_token_types([*types, CONTROL, *([UNUSED] * n_unused)])


def _add_merges(
    writer: Any, pairs: Sequence[tuple[str, str]], token: str, split: ByteLevelSplit = GPT2
) -> None:
    """Add byte-level BPE."""
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(split.name)
    # llama.cpp refuses a file without merges. The union of this one is not a token, so the two
    # bytes stay apart.
    merges = [f"{first} {second}" for first, second in pairs]
    writer.add_token_merges(merges or [f"{token} {token}"])


def _add_tensor(writer: Any, name: str, values: Floats, dtype: GGUFDtype) -> None:
    from gguf import GGMLQuantizationType, quants

    kinds: Mapping[str, Any] = {
        "bfloat16": GGMLQuantizationType.BF16,
        "q8_0": GGMLQuantizationType.Q8_0,
    }
    values = np.ascontiguousarray(values)
    if values.ndim == 1 or dtype == "float32" or name == "position_embd.weight":
        writer.add_tensor(name, values)
    elif dtype == "float16":
        writer.add_tensor(name, values.astype(np.float16))
    else:
        kind = kinds[dtype]
        writer.add_tensor(name, quants.quantize(values, kind), raw_dtype=kind)
