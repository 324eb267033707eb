"""A model in the formats of karpathy/llama2.c: `model.bin` and `tokenizer.bin`.

Version 0 of `model.bin`, which `run.c` reads: seven int32 (dim, hidden_dim, n_layers, n_heads,
n_kv_heads, vocab_size, seq_len; vocab_size is negative where the output head is its own), then all
weights in float32. Version 1 has a header of 256 bytes and the norms first. `tokenizer.bin`: int32
longest token, then float32 score, int32 length and bytes of each token.

`run.c` fixes three ids: 1 begins and ends a text, and 3 to 258 are the bytes. So the ids are
renumbered, with 0 and 2 unused. It also puts a space in front of every prompt.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import torch

from slm.config import GPTConfig
from slm.errors import CheckpointError, ConfigError, TokenizerError
from slm.interop.architectures import (
    Floats,
    Weights,
    halved_rotary,
    interleaved_rotary,
    require_settings,
)
from slm.interop.foreign_vocabulary import foreign_vocabulary
from slm.interop.imported import ImportedModel, fitted
from slm.interop.sentencepiece import sentencepiece_tokenizer
from slm.interop.source import ExportSource
from slm.interop.tokenizer_json import token_bytes
from slm.log import Log
from slm.model.costs import parameter_shapes
from slm.storage.files import atomic_directory
from slm.storage.safe_reading import read_bounded
from slm.tokenizer.base import Tokenizer
from slm.tokenizer.imported import SPACE, ImportedTokenizer

if TYPE_CHECKING:
    from torch import Tensor

TARGET = "llama2c"
BOS_ID = 1
FIRST_BYTE_ID = 3
MAGIC = 0x616B3432  # "ak42"
HEADER_BYTES = 256
LARGEST_TOKENIZER_BYTES = 64 << 20
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
    if isinstance(source.tokenizer, ImportedTokenizer):
        _foreign_tokens(source.tokenizer)


def write(source: ExportSource, out: Path, *, version: int = 0, log: Log) -> None:
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
    scores: list[float] | None = None
    if isinstance(source.tokenizer, ImportedTokenizer):
        tokens, scores = _foreign_tokens(source.tokenizer)
        order = list(range(source.config.vocab_size))
        tokens += [b""] * (len(order) - len(tokens))
    else:
        tokens, order = renumbered(source.tokenizer)
    with atomic_directory(out) as folder:
        with (folder / "model.bin").open("wb") as stream:
            _write_model(stream, source.config, source.weights(), order, version)
        with (folder / "tokenizer.bin").open("wb") as stream:
            _write_tokenizer(stream, tokens, scores)
    if scores is None:
        log("ids are renumbered for llama2.c, whose run.c puts a space in front of every prompt")


def _foreign_tokens(tokenizer: ImportedTokenizer) -> tuple[list[bytes], list[float]]:
    """Tokens and scores of a tokenizer that numbers its ids as `run.c` does.

    Raises:
        ConfigError: it does not.
    """
    foreign = foreign_vocabulary(tokenizer, TARGET)
    at_bytes = foreign.tokens[FIRST_BYTE_ID : FIRST_BYTE_ID + 256]
    fits = len(at_bytes) == 256 and all(
        token in (f"<0x{byte:02X}>", chr(byte).replace(" ", SPACE))
        for byte, token in enumerate(at_bytes)
    )
    if foreign.scores is None or not foreign.add_space or tokenizer.bos_id != BOS_ID or not fits:
        raise ConfigError(
            f"{TARGET} does not support the model's tokenizer: its first ids differ from run.c's",
            hint="export it to hf, which supports any imported tokenizer",
        )
    texts = [text.replace(SPACE, " ") for text in foreign.tokens]
    return [text.encode("utf-8") for text in texts], foreign.scores


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


def _write_tokenizer(
    stream: BinaryIO, tokens: Sequence[bytes], scores: Sequence[float] | None
) -> None:
    stream.write(struct.pack("<i", max(map(len, tokens))))
    for token_id, token in enumerate(tokens):
        # Pairs are joined in the order of their scores.
        score = float(FIRST_BYTE_ID + 255 - token_id) if token_id > FIRST_BYTE_ID + 255 else 0.0
        if scores is not None:
            score = scores[token_id] if token_id < len(scores) else 0.0
        stream.write(struct.pack("<fi", score, len(token)) + token)


# -- reading ---------------------------------------------------------------------------------------


def is_model(path: Path) -> bool:
    """Whether a file begins as version 0 or 1 of `model.bin` does."""
    try:
        with path.open("rb") as stream:
            head = stream.read(36)
    except OSError:
        return False
    if len(head) < 36:
        return False
    magic, version = struct.unpack("<Ii", head[:8])
    if magic == MAGIC:
        return bool(version == 1)
    dim, hidden_dim, n_layers, n_heads, n_kv_heads, _, seq_len = struct.unpack("<7i", head[:28])
    sizes = (dim, hidden_dim, n_layers, n_heads, n_kv_heads, seq_len)
    return all(0 < size < 1 << 20 for size in sizes) and dim % n_heads == 0


def read(path: Path, name: str, *, tokenizer_path: Path | None = None) -> ImportedModel:
    """Read `model.bin` of version 0 or 1, and `tokenizer.bin`.

    Args:
        path: the model.
        name: what it is called.
        tokenizer_path: the tokenizer; None: `tokenizer.bin` or `tok*.bin` next to the model.

    Raises:
        CheckpointError: the file is damaged: its size is not what its header says.
        TokenizerError: the tokenizer is missing or damaged.
    """
    try:
        content = np.memmap(path, dtype=np.uint8, mode="r")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from None
    config, start, version = _read_header(bytes(content[:HEADER_BYTES]), path)
    shapes = parameter_shapes(config)
    n_floats = sum(math.prod(shape) for shape in shapes.values())
    skipped = 0 if version else config.block_size * config.head_width
    needed = start + 4 * (n_floats + skipped)
    if len(content) != needed:
        raise CheckpointError(
            f"{path} has {len(content):,} bytes; its header says {needed:,}",
            hint="it is damaged, or not a model of llama2.c",
        )
    floats = content[start:].view("<f4")
    weights: dict[str, Tensor] = {}
    at = 0

    def take(names: Sequence[str]) -> None:
        nonlocal at
        for weight in names:
            size = math.prod(shapes[weight])
            values = floats[at : at + size].reshape(shapes[weight]).astype(np.float32)
            at += size
            if weight.endswith(("q_proj.weight", "k_proj.weight")):
                values = halved_rotary(values, config.head_width)
            weights[weight] = torch.from_numpy(np.ascontiguousarray(values))

    def layers(module: str) -> list[str]:
        return [f"blocks.{layer}.{module}.weight" for layer in range(config.n_layer)]

    attention = [f"attention.{part}_proj" for part in "qkvo"]
    mlp = [f"mlp.{part}_proj" for part in ("gate", "down", "up")]
    if version:
        take([*layers("attention_norm"), *layers("mlp_norm"), "final_norm.weight"])
        order = ["token_embedding.weight"]
        order += [weight for module in (*attention, *mlp) for weight in layers(module)]
    else:
        modules = ("attention_norm", *attention, "mlp_norm", *mlp)
        order = ["token_embedding.weight"]
        order += [weight for module in modules for weight in layers(module)]
        order.append("final_norm.weight")
    take(order)
    at += skipped
    if not config.tie_embeddings:
        take(["lm_head.weight"])
    tokenizer = read_tokenizer(tokenizer_path or _tokenizer_near(path), name, config.vocab_size)
    return ImportedModel(name, config, fitted(weights, config, path), tokenizer)


def _read_header(head: bytes, path: Path) -> tuple[GPTConfig, int, int]:
    """The shape, where the weights begin, and the version."""
    version, is_tied, start, sizes_at = 0, True, 28, 0
    if struct.unpack("<I", head[:4])[0] == MAGIC:
        version, start, sizes_at = struct.unpack("<i", head[4:8])[0], HEADER_BYTES, 8
    sizes = struct.unpack("<7i", head[sizes_at : sizes_at + 28])
    dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len = sizes
    if version == 0:
        is_tied, vocab_size = vocab_size > 0, abs(vocab_size)
    elif version == 1:
        is_tied = bool(head[36])
    else:
        raise CheckpointError(
            f"{path} has version {version} of llama2.c's format", hint="versions 0 and 1 are read"
        )
    try:
        config = GPTConfig(
            vocab_size=vocab_size,
            block_size=seq_len,
            n_layer=n_layers,
            n_head=n_heads,
            n_kv_head=n_kv_heads,
            n_embd=dim,
            mlp_dim=hidden_dim,
            dropout=0.0,
            bias=False,
            norm="rmsnorm",
            norm_eps=1e-5,
            position="rope",
            mlp="swiglu",
            tie_embeddings=is_tied,
        )
    except ConfigError as error:
        raise CheckpointError(f"{path} has an invalid header: {error.message}") from None
    return config, start, version


def _tokenizer_near(path: Path) -> Path:
    """The tokenizer that is next to a model.

    Raises:
        TokenizerError: there is none, or more than one.
    """
    folder = path.parent
    found = [folder / "tokenizer.bin"] if (folder / "tokenizer.bin").is_file() else []
    found = found or sorted(folder.glob("tok*.bin"))
    if len(found) == 1:
        return found[0]
    problem = "no tokenizer.bin" if not found else "several tokenizers"
    raise TokenizerError(f"{folder} holds {problem}", hint="name it with --tokenizer PATH")


def read_tokenizer(path: Path, name: str, vocab_size: int) -> ImportedTokenizer:
    """Read `tokenizer.bin`.

    Args:
        path: the file.
        name: what the tokenizer is called.
        vocab_size: number of tokens in the file.

    Raises:
        TokenizerError: it is missing or damaged, or has another number of tokens.
    """
    try:
        content = read_bounded(path, LARGEST_TOKENIZER_BYTES)
    except (OSError, ValueError) as error:
        raise TokenizerError(
            f"cannot read the tokenizer {path}: {error}",
            hint="name the path of llama2.c's tokenizer.bin",
        ) from None
    tokens: list[tuple[str, float]] = []
    at = 4
    while at < len(content):
        if at + 8 > len(content):
            raise TokenizerError(f"{path} is damaged: it ends within a token")
        score, length = struct.unpack_from("<fi", content, at)
        at += 8
        if not 0 <= length <= len(content) - at:
            raise TokenizerError(f"{path} is damaged: token {len(tokens)} has {length} bytes")
        token = content[at : at + length]
        # Our own exports name a byte by itself.
        is_part = token == bytes([(len(tokens) - FIRST_BYTE_ID) & 0xFF]) and token > b"\x7f"
        text = f"<0x{token[0]:02X}>" if is_part else token.decode("utf-8", "replace")
        tokens.append((text, score))
        at += length
    if len(tokens) != vocab_size:
        raise TokenizerError(f"{path} has {len(tokens)} tokens, and the model {vocab_size}")
    return sentencepiece_tokenizer(name, tokens, eot_id=BOS_ID)
