"""A model of the GPT-2 family as nanoGPT's `ckpt.pt`.

nanoGPT's `sample.py` reads GPT-2's full vocabulary by itself. For characters it reads `meta.pkl`
from the folder of a data set, which is written next to the model.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import torch

from slm.errors import ConfigError
from slm.interop.architectures import require_settings, to_gpt2
from slm.interop.source import ExportSource
from slm.storage.files import atomic_directory
from slm.tokenizer.chars import CharsTokenizer

TARGET = "nanogpt"
CHECKPOINT = "ckpt.pt"
META = "meta.pkl"


def check(source: ExportSource) -> None:
    """Refuse what nanoGPT cannot hold.

    Raises:
        ConfigError: the message names the setting, and the hint what would fit.
    """
    config = source.config
    needed = {
        **{"norm": "layernorm", "position": "learned", "mlp": "gelu", "qk_norm": False},
        **{"n_kv_head": config.n_head, "head_dim": config.n_embd // config.n_head},
        **{"mlp_dim": 4 * config.n_embd, "norm_eps": 1e-5, "tie_embeddings": True},
    }
    require_settings(config, TARGET, needed)
    tokenizer = source.tokenizer
    if tokenizer.name != "gpt2" and not isinstance(tokenizer, CharsTokenizer):
        raise ConfigError(
            f"{TARGET} cannot hold the tokenizer {tokenizer.name}",
            hint="it reads gpt2 and chars; the target hf holds every tokenizer",
        )


def write(source: ExportSource, out: Path, *, log: Callable[[str], None]) -> None:
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
        torch.save(content, folder / CHECKPOINT)
        if isinstance(tokenizer, CharsTokenizer):
            (folder / META).write_bytes(_meta(tokenizer))
            log(f"copy {META} to data/{source.name}/ of nanoGPT, where its sample.py looks for it")
    log(
        "nanoGPT's GELU is exact and ours the tanh approximation, as GPT-2's: "
        "logits differ by about 0.001"
    )


def _meta(tokenizer: CharsTokenizer) -> bytes:
    """Characters and ids; nanoGPT has no name for the bytes and the end of a text."""
    characters = tokenizer.characters
    other = [chr(0xE000 + n) for n in range(tokenizer.vocab_size - len(characters) - 1)]
    names = [*characters, *other, "\n\n"]
    return pickle.dumps(
        {
            "vocab_size": len(names),
            "itos": dict(enumerate(names)),
            "stoi": {name: token_id for token_id, name in enumerate(names)},
        },
        protocol=2,
    )
