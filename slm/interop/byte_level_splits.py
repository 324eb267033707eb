"""The ways in which byte-level BPE splits a text into words, under llama.cpp's names.

A `tokenizer.json` describes its way; a GGUF file names it. The names and what they mean are those
of llama.cpp's `llama-vocab.cpp`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,%s}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
GPT2_SPLIT = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": True,
}


def _by_pattern(pattern: str) -> dict[str, Any]:
    split = {
        "type": "Split",
        "pattern": {"Regex": pattern},
        "behavior": "Isolated",
        "invert": False,
    }
    return {"type": "Sequence", "pretokenizers": [split, {**GPT2_SPLIT, "use_regex": False}]}


@dataclass(frozen=True)
class ByteLevelSplit:
    """A way to split a text into words."""

    name: str
    """In GGUF files."""
    pre_tokenizer: Mapping[str, Any]
    """In a `tokenizer.json`."""
    ignores_merges: bool = False
    """Whether a word that is a token stays whole, whatever the merges would make of it."""
    begins_texts: bool = False
    """Whether a file that does not say so puts the token that begins a text in front of it."""
    may_compose: bool = False
    """Whether models with it may compose characters first (NFC), which llama.cpp leaves out."""


GPT2 = ByteLevelSplit("gpt-2", GPT2_SPLIT)
SPLITS = (
    GPT2,
    ByteLevelSplit("qwen2", _by_pattern(_WORDS.replace("{1,%s}", "")), may_compose=True),
    ByteLevelSplit("llama-bpe", _by_pattern(_WORDS % 3), ignores_merges=True, begins_texts=True),
    ByteLevelSplit(
        "smollm",
        {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, GPT2_SPLIT],
        },
    ),
)
_BY_NAME = {split.name: split for split in SPLITS} | {"gpt2": GPT2, "default": GPT2}


def split_named(name: object) -> ByteLevelSplit | None:
    """The split that a GGUF file names; None: it is not supported."""
    return _BY_NAME.get(name) if isinstance(name, str) else None


def split_of(definition: Mapping[str, Any]) -> ByteLevelSplit | None:
    """The split that a `tokenizer.json` describes; None: it has no name here."""
    normalizer = definition.get("normalizer")
    found = _normal(definition.get("pre_tokenizer") or {})
    ignores_merges = bool(definition["model"].get("ignore_merges"))
    for split in SPLITS:
        is_known = normalizer is None or (split.may_compose and normalizer == {"type": "NFC"})
        if (
            is_known
            and _normal(split.pre_tokenizer) == found
            and split.ignores_merges == ignores_merges
        ):
            return split
    return None


def _normal(step: Mapping[str, Any]) -> Any:
    """A step without what does not change ids: offsets, and a sequence around a single step."""
    steps = step.get("pretokenizers")
    if isinstance(steps, list) and step.get("type") == "Sequence":
        normal = [_normal(each) if isinstance(each, dict) else each for each in steps]
        return normal[0] if len(normal) == 1 else normal
    defaults = {"use_regex": True} if step.get("type") == "ByteLevel" else {}
    return {**defaults, **{key: step[key] for key in step if key != "trim_offsets"}}
