"""A model in the formats of karpathy/llama2.c: `model.bin` and `tokenizer.bin`.

Version 0 of `model.bin`, which `run.c` reads: seven int32 (dim, hidden_dim, n_layers, n_heads,
n_kv_heads, vocab_size, seq_len; vocab_size is negative where the output head is its own), then all
weights in float32. Version 1 has a header of 256 bytes and the norms first. `tokenizer.bin`: int32
longest token, then float32 score, int32 length and bytes of each token.

`run.c` fixes three ids: 1 begins and ends a text, and 3 to 258 are the bytes. So the ids are
renumbered, with 0 and 2 unused. It also puts a space in front of every prompt.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from slm.config import GPTConfig
from slm.interop.architectures import Floats, Weights, interleaved_rotary, require_settings
from slm.interop.source import ExportSource
from slm.interop.tokenizer_json import token_bytes
from slm.storage.files import atomic_directory
from slm.tokenizer.base import Tokenizer

TARGET = "llama2c"
BOS_ID = 1
EOS_ID = 2
FIRST_BYTE_ID = 3
MAGIC = 0x616B3432  # "ak42"
HEADER_BYTES = 256
RARE_BYTE = 0xFF
"""A byte that no text holds, so that the model never writes its token."""


def check(source: ExportSource) -> None:
    """Refuse what llama2.c cannot hold.

    Raises:
        ConfigError: the message names the setting, and the hint what would fit.
    """
    config = source.config
    needed = {
        **{"norm": "rmsnorm", "position": "rope", "mlp": "swiglu", "qk_norm": False},
        **{"bias": False, "norm_eps": 1e-5, "rope_theta": 10000.0},
        "head_dim": config.n_embd // config.n_head,
    }
    require_settings(config, TARGET, needed)


def write(source: ExportSource, out: Path, *, version: int = 0, log: Callable[[str], None]) -> None:
    """Write a folder with model.bin and tokenizer.bin; it is complete or absent.

    Args:
        source: the model.
        out: the folder; one that exists is replaced.
        version: of model.bin, 0 or 1.
        log: called with notes.

    Raises:
        ConfigError: see `check`.
        WriteError, NoSpaceError: nothing is left behind.
    """
    check(source)
    tokens, order = renumbered(source.tokenizer)
    with atomic_directory(out) as folder:
        with (folder / "model.bin").open("wb") as stream:
            _write_model(stream, source.config, source.weights(), order, version)
        with (folder / "tokenizer.bin").open("wb") as stream:
            _write_tokenizer(stream, tokens)
    log("ids are renumbered for llama2.c, whose run.c puts a space in front of every prompt")


def renumbered(tokenizer: Tokenizer) -> tuple[list[bytes], list[int]]:
    """The tokens in llama2.c's order, and the id of ours that each of its ids stands for.

    The two ids that are never used stand for a byte that no text holds: its probability is as low
    as a model's can be. A character vocabulary has ASCII characters twice, as characters and as
    bytes; texts are made of the former, so these stay.
    """
    tokens = token_bytes(tokenizer)
    id_of: dict[bytes, int] = {}
    for token_id, token in enumerate(tokens):
        id_of.setdefault(token, token_id)
    byte_ids = [id_of[bytes([byte])] for byte in range(256)]
    rare = byte_ids[RARE_BYTE]
    others = [token_id for token_id, token in enumerate(tokens) if len(token) > 1]
    order = [rare, tokenizer.eot_id, rare, *byte_ids, *others]
    names = [b"<unk>", b"\n<s>\n", b"\n</s>\n", *(tokens[token_id] for token_id in order[3:])]
    names[FIRST_BYTE_ID] = b"<0x00>"  # a string in C ends at a null
    return names, order


def _write_model(
    stream: BinaryIO, config: GPTConfig, weights: Weights, order: Sequence[int], version: int
) -> None:
    is_tied = config.tie_embeddings
    n_ids = len(order)
    dimensions = (
        *(config.n_embd, config.mlp_width, config.n_layer, config.n_head, config.kv_heads),
        *(n_ids if is_tied or version else -n_ids, config.block_size),
    )
    if version:
        header = struct.pack("<Ii7iB", MAGIC, version, *dimensions, is_tied)
        stream.write(header.ljust(HEADER_BYTES, b"\0"))
    else:
        stream.write(struct.pack("<7i", *dimensions))

    def put(values: Floats) -> None:
        stream.write(np.ascontiguousarray(values, dtype="<f4").tobytes())

    def layers(module: str) -> None:
        for layer in range(config.n_layer):
            values = weights[f"blocks.{layer}.{module}.weight"]
            if module in ("attention.q_proj", "attention.k_proj"):
                values = interleaved_rotary(values, config.head_width)
            put(values)

    attention = [f"attention.{part}_proj" for part in "qkvo"]
    mlp = [f"mlp.{part}_proj" for part in ("gate", "down", "up")]
    embedding = weights["token_embedding.weight"][list(order)]
    if version:
        layers("attention_norm")
        layers("mlp_norm")
        put(weights["final_norm.weight"])
        put(embedding)
        for module in (*attention, *mlp):
            layers(module)
    else:
        put(embedding)
        for module in ("attention_norm", *attention, "mlp_norm", *mlp):
            layers(module)
        put(weights["final_norm.weight"])
        # Room for tables of cosines and sines, which run.c skips.
        put(np.zeros((config.block_size, config.head_width), dtype=np.float32))
    if not is_tied:
        put(weights["lm_head.weight"][list(order)])


def _write_tokenizer(stream: BinaryIO, tokens: Sequence[bytes]) -> None:
    stream.write(struct.pack("<i", max(map(len, tokens))))
    for token_id, token in enumerate(tokens):
        # Pairs are joined in the order of their scores.
        score = float(FIRST_BYTE_ID + 255 - token_id) if token_id > FIRST_BYTE_ID + 255 else 0.0
        stream.write(struct.pack("<fi", score, len(token)) + token)
