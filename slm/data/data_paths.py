"""The default path of prepared data."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from slm.config import DataConfig
from slm.data.file_source import existing_path
from slm.data.sources import is_builtin
from slm.errors import command_line

CACHE = Path("data")
"""Relative to the working directory."""
DECISIVE = tuple(
    f"data.{key}" for key in ("source", "tokenizer", "limit", "validation_fraction", "corpus_seed")
)
"""The settings that determine the token files."""


def default_data_dir(data: DataConfig) -> Path:
    """The folder of these data, such as `data/tinystories-bpe-4096-1a2b3c`.

    A pure function of all settings that determine the token files, so runs with equal settings
    share a folder, and runs with others never replace it. If the text itself has changed, the data
    in the folder are replaced.
    """
    source, tokenizer = identity_of(data.source), identity_of(data.tokenizer)
    decisive = [source, tokenizer, data.limit, data.validation_fraction, data.corpus_seed]
    digest = hashlib.blake2b(json.dumps(decisive).encode("utf-8"), digest_size=3).hexdigest()
    return CACHE / f"{_slug(source)}-{_slug(tokenizer)}-{digest}"


def prepare_command(data: DataConfig) -> str:
    """The command that prepares these data in their default folder."""
    words: list[object] = ["slm", "prepare", "--source", data.source, "--tokenizer", data.tokenizer]
    for flag, key in (
        ("--limit", "limit"),
        ("--validation-fraction", "validation_fraction"),
        ("--seed", "corpus_seed"),
    ):
        value = getattr(data, key)
        if value != DataConfig.model_fields[key].default:
            words += [flag, value]
    return command_line(*words)


def identity_of(spec: str) -> str:
    """A specification, or the absolute path if it is an existing file or folder."""
    path = None if is_builtin(spec) else existing_path(spec)
    return spec if path is None else path.resolve().as_posix()


def _slug(identity: str) -> str:
    last = identity.rstrip("/").rpartition("/")[2]
    stem = last.removesuffix(Path(last).suffix) or last
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:40] or "text"
