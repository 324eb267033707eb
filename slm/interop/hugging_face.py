"""A model as a folder of Hugging Face transformers: weights, config, tokenizer and model card."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slm.config import GPTConfig
from slm.errors import CheckpointError, TokenizerError
from slm.interop.architectures import (
    Architecture,
    Floats,
    architecture_of,
    from_gpt2,
    from_llama,
    to_gpt2,
    to_llama,
)
from slm.interop.gpt_neo import check as check_gpt_neo
from slm.interop.gpt_neo import from_gpt_neo, is_gpt_neo, to_gpt_neo
from slm.interop.hugging_face_config import read_config, transformers_config
from slm.interop.imported import LARGEST_JSON_BYTES, ImportedModel, fitted
from slm.interop.source import ExportDtype, ExportSource, stored
from slm.interop.tokenizer_json import (
    added_tokens,
    byte_level_definition,
    to_tokenizers,
    tokenizer_config,
)
from slm.log import Log
from slm.storage.files import atomic_directory
from slm.storage.safe_reading import read_bounded, strict_json
from slm.tokenizer.base import EOT_TEXT, Tokenizer
from slm.tokenizer.imported import ImportedTokenizer

if TYPE_CHECKING:
    from torch import Tensor

TARGET = "hf"


def check(source: ExportSource) -> None:
    """Refuse what transformers cannot hold.

    Raises:
        ConfigError: the shape is of no architecture that transformers has.
    """
    _architecture(source.config)


def _architecture(config: GPTConfig) -> Architecture:
    if is_gpt_neo(config):
        check_gpt_neo(config, TARGET)
        return "gpt_neo"
    return architecture_of(config, TARGET, has_exact_gelu=True)


def _named(weights: Mapping[str, Floats], config: GPTConfig) -> dict[str, Floats]:
    """The weights as transformers names them."""
    architecture = _architecture(config)
    if architecture == "gpt_neo":
        return to_gpt_neo(weights, config, TARGET)
    return (
        to_gpt2(weights, config, transposed=True) if architecture == "gpt2" else to_llama(weights)
    )


def write(source: ExportSource, out: Path, *, dtype: ExportDtype, card: str, log: Log) -> None:
    """Write the folder; it is complete or absent.

    Args:
        source: the model.
        out: the folder; one that exists is replaced.
        dtype: of the weights.
        card: the text of README.md.
        log: called with notes.

    Raises:
        ConfigError: transformers has no such architecture; nothing is written.
        WriteError, NoSpaceError: nothing is left behind.
    """
    from safetensors.torch import save_file

    config = source.config
    architecture = _architecture(config)
    named = _named(source.weights(), config)
    with atomic_directory(out) as folder:
        tensors = {name: stored(values, dtype) for name, values in named.items()}
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        eot_id = source.tokenizer.eot_id
        settings = {**transformers_config(config, architecture, source.tokenizer), "dtype": dtype}
        write_json(folder / "config.json", settings)
        write_json(
            folder / "generation_config.json",
            {
                "bos_token_id": source.tokenizer.bos_id,
                "eos_token_id": eot_id,
                "pad_token_id": eot_id,
                "do_sample": True,
                "temperature": 0.8,
                "top_k": 50,
            },
        )
        to_tokenizers(source.tokenizer).save(str(folder / "tokenizer.json"))
        write_json(
            folder / "tokenizer_config.json", tokenizer_config(source.tokenizer, config.block_size)
        )
        (folder / "README.md").write_text(card, "utf-8")


def write_json(path: Path, data: object) -> None:
    """Write indented JSON."""
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", "utf-8")


# -- reading ---------------------------------------------------------------------------------

_IGNORED = re.compile(r".*\.attn\.(attention\.)?(masked_)?bias|.*rotary_emb\.inv_freq")
"""Buffers that older versions of transformers saved."""
_SHARD = re.compile(r"[A-Za-z0-9][\w.-]*\.(safetensors|bin)")
"""Names of files that an index may list."""


def read(folder: Path, name: str, *, tokenizer: Tokenizer | None = None) -> ImportedModel:
    """Read a folder of transformers.

    Args:
        folder: with config.json, weights as safetensors or `.bin`, and a tokenizer.
        name: what the model is called.
        tokenizer: used in place of the folder's own.

    Raises:
        ConfigError: the architecture is not ours.
        CheckpointError: a file is missing or damaged, or the weights are not those of the config.
        TokenizerError: the tokenizer is missing or cannot be used.
    """
    settings = json_object(folder / "config.json")
    config = read_config(settings, str(folder / "config.json"))
    tokenizer = tokenizer or read_tokenizer(folder, name, settings)
    stored = read_weights(folder)
    if config.position == "learned":
        if settings.get("model_type") == "gpt_neo":
            weights = from_gpt_neo(_with_prefix(stored, "transformer."), config)
        else:
            weights = from_gpt2(_with_prefix(stored, "transformer."), transposed=True)
    else:
        weights = from_llama(_with_prefix(stored, "model."))
    if config.tie_embeddings:
        weights.pop("lm_head.weight", None)
    return ImportedModel(name, config, fitted(weights, config, folder), tokenizer)


def _with_prefix(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Names as a model with a head has them; a bare model's lack the prefix."""
    return {
        name if name.startswith((prefix, "lm_head.")) else prefix + name: values
        for name, values in weights.items()
        if not _IGNORED.fullmatch(name)
    }


def read_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder, from safetensors or, where there are none, from `.bin` files.

    Raises:
        CheckpointError: there are none, or a file is damaged.
    """
    for single, index in (
        ("model.safetensors", "model.safetensors.index.json"),
        ("pytorch_model.bin", "pytorch_model.bin.index.json"),
    ):
        if (folder / index).is_file():
            shards = json_object(folder / index).get("weight_map")
            names = set(shards.values()) if isinstance(shards, dict) else set()
            if not names or not all(isinstance(n, str) and _SHARD.fullmatch(n) for n in names):
                raise CheckpointError(f"{folder / index} names something other than weight files")
            parts = sorted(names)
        elif (folder / single).is_file():
            parts = [single]
        else:
            continue
        missing = [part for part in parts if not (folder / part).is_file()]
        if missing:
            raise CheckpointError(f"{folder / missing[0]} is missing")
        weights: dict[str, Tensor] = {}
        for part in parts:
            weights |= tensors_of(folder / part)
        return weights
    raise CheckpointError(
        f"{folder} contains no weights", hint="it needs model.safetensors or pytorch_model.bin"
    )


def tensors_of(path: Path) -> dict[str, Tensor]:
    """The tensors of a file of safetensors or of plain PyTorch tensors.

    Raises:
        CheckpointError: it is missing or damaged, or holds anything else.
    """
    if path.suffix != ".safetensors":
        from slm.interop.model_file import load_plain_tensors

        return load_plain_tensors(path)
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from None


def read_tokenizer(folder: Path, name: str, settings: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer of a folder, with the ids that begin and end a text.

    Raises:
        TokenizerError: there is none, or it cannot be used.
    """
    path = folder / "tokenizer.json"
    if path.is_file():
        definition = json_object(path)
    elif (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        definition = _gpt2_definition(folder)
    else:
        raise TokenizerError(
            f"{folder} contains no tokenizer.json",
            hint="give one with --tokenizer, such as gpt2 or the path of a tokenizer.json",
        )
    optional = {
        file: json_object(folder / file)
        for file in ("generation_config.json", "tokenizer_config.json")
        if (folder / file).is_file()
    }
    ids = {**settings, **optional.get("generation_config.json", {})}
    config = optional.get("tokenizer_config.json", {})
    definition = _without_ids_from(settings.get("vocab_size"), definition)
    eos, bos = _first_id(ids.get("eos_token_id")), _first_id(ids.get("bos_token_id"))
    if eos is None:
        eos = _id_of(config.get("eos_token"), definition)
    if eos is None and bos is None:
        raise TokenizerError(f"{folder / 'config.json'} names no eos_token_id")
    eot_id = eos if eos is not None else bos
    assert eot_id is not None
    if bos is None:
        bos = _id_of(config.get("bos_token"), definition)
    begins = _adds_bos(definition, config, bos)
    return ImportedTokenizer(name, definition, eot_id=eot_id, bos_id=bos if begins else None)


def _without_ids_from(n_ids: object, definition: dict[str, Any]) -> dict[str, Any]:
    """The definition without added tokens that the model has no embedding for.

    Fine-tuning programs often add a token for padding and leave the model as it is.

    Raises:
        TokenizerError: the added tokens are not a list of objects with id and content.
    """
    added = definition.get("added_tokens") or []
    if not isinstance(added, list) or not all(
        isinstance(token, dict)
        and type(token.get("id")) is int
        and isinstance(token.get("content"), str)
        for token in added
    ):
        raise TokenizerError("its added_tokens are not a list of objects with id and content")
    if type(n_ids) is not int:
        return definition
    return {**definition, "added_tokens": [token for token in added if token["id"] < n_ids]}


def _first_id(value: object) -> int | None:
    first = value[0] if isinstance(value, list) and value else value
    return first if type(first) is int else None


def _id_of(token: object, definition: Mapping[str, Any]) -> int | None:
    """The id of a token that a `tokenizer_config.json` names, by its text or with its settings."""
    content = token.get("content") if isinstance(token, dict) else token
    for added in definition.get("added_tokens") or []:
        if added["content"] == content:
            return _first_id(added["id"])
    model = definition.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if isinstance(vocabulary, dict) and isinstance(content, str):
        return _first_id(vocabulary.get(content))
    return None


def _adds_bos(definition: Mapping[str, Any], config: Mapping[str, Any], bos: int | None) -> bool:
    """Whether the original puts the token `bos` in front of a text."""
    if bos is None:
        return False
    named = {t["content"] for t in definition.get("added_tokens") or [] if t["id"] == bos}
    processor = json.dumps(definition.get("post_processor"))
    return bool(config.get("add_bos_token")) or any(f'"{token}"' in processor for token in named)


def _gpt2_definition(folder: Path) -> dict[str, Any]:
    """A `tokenizer.json` from GPT-2's `vocab.json` and `merges.txt`."""
    path = folder / "merges.txt"
    try:
        lines = read_bounded(path, LARGEST_JSON_BYTES).decode("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise TokenizerError(f"cannot read {path}: {error}") from None
    vocabulary = json_object(folder / "vocab.json")
    merges = [line for line in lines if line and not line.startswith("#version")]
    special = {vocabulary[EOT_TEXT]: EOT_TEXT} if EOT_TEXT in vocabulary else {}
    return byte_level_definition(vocabulary, merges, added_tokens(special, special=True))


def json_object(path: Path) -> dict[str, Any]:
    """A JSON object from a file that nothing is taken for granted of.

    Raises:
        CheckpointError: it cannot be read, or is something else.
    """
    try:
        data = strict_json(read_bounded(path, LARGEST_JSON_BYTES))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from None
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} is not a JSON object")
    return data
