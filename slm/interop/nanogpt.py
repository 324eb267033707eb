"""A model of the GPT-2 family as nanoGPT's `ckpt.pt`.

nanoGPT's `sample.py` reads GPT-2's full vocabulary by itself. For characters it reads `meta.pkl`
from the folder of a dataset, which is written next to the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slm.config import GPTConfig
from slm.errors import (
    CheckpointError,
    ConfigError,
    TokenizerError,
    UsageError,
    shell_path,
    shown,
)
from slm.interop.architectures import from_gpt2, require_settings, to_gpt2
from slm.interop.imported import ImportedModel, fitted
from slm.interop.model_file import MODEL_FORMAT, load_plain, save_plain
from slm.interop.plain_pickle import dumps, loads
from slm.interop.source import ExportSource
from slm.log import Log
from slm.model import GPT
from slm.storage.files import atomic_directory
from slm.storage.safe_reading import read_bounded
from slm.tokenizer.base import Tokenizer
from slm.tokenizer.chars import CharsTokenizer
from slm.tokenizer.gpt2 import gpt2_tokenizer
from slm.tokenizer.imported import ImportedTokenizer

TARGET = "nanogpt"
CHECKPOINT = "ckpt.pt"
META = "meta.pkl"
_NAMELESS = (*(chr(0xE000 + byte) for byte in range(256)), "\n\n")
"""What `meta.pkl` calls the ids of a character vocabulary of ours that are not characters."""
LARGEST_META_BYTES = 16 << 20


def check(source: ExportSource) -> None:
    """Refuse what nanoGPT cannot hold.

    Raises:
        ConfigError: the message names the setting, and the hint what would fit.
    """
    config = source.config
    needed = {
        **{"norm": "layernorm", "position": "learned", "qk_norm": False},
        "mlp": "gelu_exact" if config.mlp == "gelu_exact" else "gelu",
        **{"n_kv_head": config.n_head, "head_dim": config.n_embd // config.n_head},
        **{"mlp_dim": 4 * config.n_embd, "norm_eps": 1e-5, "tie_embeddings": True},
    }
    require_settings(config, TARGET, needed)
    tokenizer = source.tokenizer
    if not isinstance(tokenizer, CharsTokenizer) and not _is_gpt2(tokenizer):
        raise ConfigError(
            f"{TARGET} does not support the tokenizer {tokenizer.name}",
            hint="it reads gpt2 and chars; the target hf supports every tokenizer",
        )


def write(source: ExportSource, out: Path, *, log: Log) -> None:
    """Write a folder with ckpt.pt, and meta.pkl for characters; it is complete or absent.

    Args:
        source: the model.
        out: the folder; one that exists is replaced.
        log: called with notes.

    Raises:
        ConfigError: see `check`.
        WriteError, NoSpaceError: nothing is left behind.
    """
    check(source)
    config, tokenizer = source.config, source.tokenizer
    named = to_gpt2(source.weights(), config, transposed=False)
    weights = {name: torch.from_numpy(values) for name, values in named.items()}
    weights["lm_head.weight"] = weights["transformer.wte.weight"]
    content = {
        "model": weights,
        "model_args": {
            "n_layer": config.n_layer,
            "n_head": config.n_head,
            "n_embd": config.n_embd,
            "block_size": config.block_size,
            "bias": True,
            "vocab_size": config.vocab_size,
            "dropout": config.dropout,
        },
        "iter_num": source.state.step,
        "best_val_loss": source.state.best_validation_loss,
        "config": {"dataset": source.name},
    }
    with atomic_directory(out) as folder:
        with (folder / CHECKPOINT).open("wb") as stream:
            save_plain(content, stream)
        if isinstance(tokenizer, CharsTokenizer):
            (folder / META).write_bytes(_meta(tokenizer))
            log(f"copy {META} to data/{source.name}/ of nanoGPT, where its sample.py looks for it")
    if config.mlp == "gelu_exact":
        return
    log(
        "nanoGPT's GELU is exact and ours the tanh approximation, as GPT-2's: "
        "logits differ by about 0.001"
    )


def _is_gpt2(tokenizer: Tokenizer) -> bool:
    """Whether a tokenizer has GPT-2's full vocabulary, which nanoGPT has by itself."""
    if not isinstance(tokenizer, ImportedTokenizer):
        return tokenizer.name == "gpt2"
    ours = gpt2_tokenizer()
    ids = range(ours.vocab_size)
    return tokenizer.vocab_size == len(ids) and all(
        tokenizer.token_bytes(token_id) == ours.token_bytes(token_id) for token_id in ids
    )


def _meta(tokenizer: CharsTokenizer) -> bytes:
    """Characters and ids; nanoGPT has no name for the bytes and the end of a text."""
    names = [*tokenizer.characters, *_NAMELESS]
    stoi = {name: token_id for token_id, name in enumerate(names)}
    return dumps({"vocab_size": len(names), "itos": dict(enumerate(names)), "stoi": stoi})


# -- reading ---------------------------------------------------------------------------------------


def read(path: Path, name: str, *, tokenizer_path: Path | None = None) -> ImportedModel:
    """Read `ckpt.pt`, and `meta.pkl` next to it for characters.

    A character vocabulary of nanoGPT has neither bytes nor an end-of-text token. They are added,
    with the embedding of the line break and with the output of the least probable character.

    Args:
        path: the checkpoint.
        name: what the model is called.
        tokenizer_path: `meta.pkl` or its folder, or `gpt2`; None: next to the checkpoint, or else
            GPT-2's vocabulary.

    Raises:
        UsageError: it is a `best_model.pt` of ours, or there is no such tokenizer.
        CheckpointError: the file is damaged, holds anything but plain values, or is not nanoGPT's.
        TokenizerError: the vocabulary is damaged, or does not fit.
    """
    content = load_plain(path)
    if isinstance(content, dict) and content.get("format") == MODEL_FORMAT:
        raise UsageError(
            f"{path} is a model of slm already",
            hint=f"its run has the same model as a checkpoint: name the folder "
            f"{shell_path(path.parent)}",
        )
    found = isinstance(content, dict) and {"model", "model_args"} <= content.keys()
    if not found or not all(isinstance(content[key], dict) for key in ("model", "model_args")):
        raise CheckpointError(
            f"{path} is not a checkpoint of nanoGPT",
            hint="of files that PyTorch saved, only nanoGPT's ckpt.pt can be imported by itself",
        )
    config = _shape(content["model_args"], path)
    stored = {
        str(key).removeprefix("_orig_mod."): values
        for key, values in content["model"].items()
        if isinstance(values, Tensor) and not str(key).endswith(".attn.bias")
    }
    stored.pop("lm_head.weight", None)
    weights = from_gpt2(stored, transposed=False)
    meta = _meta_of(path, tokenizer_path)
    fitting = fitted(weights, config, path)
    if meta is not None:
        return _with_characters(name, config, fitting, _read_meta(meta))
    tokenizer = gpt2_tokenizer()
    if tokenizer.vocab_size > config.vocab_size:
        raise TokenizerError(
            f"{path} has {config.vocab_size} ids, fewer than GPT-2's vocabulary",
            hint="name the meta.pkl of its dataset with --tokenizer PATH",
        )
    return ImportedModel(name, config, fitting, tokenizer)


def _meta_of(path: Path, given: Path | None) -> Path | None:
    """The file with the characters of a vocabulary; None: it is GPT-2's.

    Raises:
        UsageError: the given one does not exist.
    """
    if given is None:
        beside = path.with_name(META)
        return beside if beside.is_file() else None
    for file in (given, given / META):
        if file.is_file():
            return file
    if str(given) == "gpt2":
        return None
    raise UsageError(
        f"{given} is not a tokenizer of nanoGPT",
        hint=f"name a {META}, the folder that has it, or gpt2",
    )


def _shape(arguments: Mapping[str, Any], path: Path) -> GPTConfig:
    names = ("n_layer", "n_head", "n_embd", "block_size", "bias", "vocab_size", "dropout")
    try:
        return GPTConfig(**{key: arguments[key] for key in names}, mlp="gelu_exact")
    except (KeyError, ConfigError) as error:
        raise CheckpointError(f"{path} has invalid model_args: {error}") from None


def _with_characters(
    name: str, config: GPTConfig, weights: Mapping[str, Tensor], characters: list[str]
) -> ImportedModel:
    """The model with our character vocabulary, which also has bytes and an end-of-text token."""
    ours = "".join(characters).removesuffix("".join(_NAMELESS))
    if len(ours) < len(characters) == config.vocab_size:
        return ImportedModel(name, config, weights, CharsTokenizer(ours))
    if len(characters) != config.vocab_size or list(characters) != sorted(set(characters)):
        raise TokenizerError(
            f"{META} has {len(characters)} characters, and the model {config.vocab_size} ids, "
            "or they are not in the order of their code points"
        )
    tokenizer = CharsTokenizer(characters)
    if len(tokenizer.characters) != len(characters):
        raise TokenizerError(f"{META} has tokens of several characters")
    model = GPT(config).eval()
    model.load_state_dict(dict(weights))
    begin = characters.index("\n") if "\n" in characters else 0
    with torch.inference_mode():
        logits, _ = model(torch.tensor([[begin]]))
    assert logits is not None
    embedding = weights["token_embedding.weight"]
    n_new = tokenizer.vocab_size - len(characters)
    larger = config.changed(vocab_size=tokenizer.vocab_size, tie_embeddings=False)
    extended = {
        **weights,
        "token_embedding.weight": _extended(embedding, begin, n_new),
        "lm_head.weight": _extended(embedding, int(logits[0, -1].argmin()), n_new),
    }
    note = f"{n_new} ids were added: the bytes of other characters, and the end-of-text token"
    return ImportedModel(name, larger, extended, tokenizer, (note,))


def _extended(rows: Tensor, repeated: int, times: int) -> Tensor:
    return torch.cat((rows, rows[repeated].expand(times, -1)))


def _read_meta(path: Path) -> list[str]:
    """The characters of `meta.pkl` in the order of their ids."""
    try:
        content = read_bounded(path, LARGEST_META_BYTES)
        data = loads(content)
        ids = data["stoi"]
        characters = sorted(ids, key=ids.__getitem__)
        if sorted(ids.values()) != list(range(len(ids))):
            raise ValueError("its ids are not 0, 1, 2, ...")
        "".join(characters).encode("utf-8")
    except Exception as error:  # damage makes the reader fail in all kinds of ways
        raise TokenizerError(f"cannot use {path}: {shown(str(error))}") from None
    return characters
