"""The vocabulary of an imported tokenizer, taken apart for programs with their own BPE.

llama.cpp and llama2.c hold two kinds: byte-level BPE with one of a few splits, by its merges, and
SentencePiece's BPE, by a score per token. Everything else is refused, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from slm.errors import ConfigError
from slm.interop.byte_level_splits import ByteLevelSplit, split_of
from slm.tokenizer.imported import SPACE, ImportedTokenizer

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
"""llama.cpp's types of tokens."""

_REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
_PREPEND = {"type": "Prepend", "prepend": SPACE}


@dataclass(frozen=True)
class ForeignVocabulary:
    """What another program needs of a tokenizer."""

    tokens: list[str]
    """By id, in the tokenizer's own letters: spaces are U+2581, bytes `<0x41>`."""
    types: list[int]
    merges: list[tuple[str, str]]
    """In their order."""
    scores: list[float] | None
    """Of each token, for SentencePiece's kind; None: byte-level BPE."""
    add_space: bool
    """Whether a space is put in front of a text."""
    split: ByteLevelSplit | None = None
    """Of byte-level BPE."""


def foreign_vocabulary(tokenizer: ImportedTokenizer, target: str) -> ForeignVocabulary:
    """Take an imported tokenizer apart.

    Args:
        tokenizer: the tokenizer.
        target: what needs it, for the message.

    Raises:
        ConfigError: the target cannot hold it; the message says why.
    """
    definition = tokenizer.definition
    model = definition["model"]
    if tokenizer.style == "wordpiece":
        raise _refused(target, "it is WordPiece, which is not lossless")
    added = definition.get("added_tokens") or []
    if any(not (token.get("special") or _is_plain(token)) for token in added):
        raise _refused(target, "it finds added tokens in a text, and spaces around them")
    if model.get("dropout") or model.get("end_of_word_suffix"):
        raise _refused(target, "it joins pairs in another way")
    vocabulary = tokenizer.vocabulary()
    tokens = [f"<unused{token_id}>" for token_id in range(tokenizer.vocab_size)]
    types = [UNUSED] * len(tokens)
    for text, token_id in vocabulary.items():
        tokens[token_id] = text
        types[token_id] = UNUSED if text.startswith("<duplicate ") else NORMAL
    for token in added:
        types[token["id"]] = CONTROL if token.get("special") else USER_DEFINED
    for token_id in (tokenizer.eot_id, tokenizer.bos_id):
        types[token_id] = CONTROL
    merges = [
        (pair[0], pair[1])
        for pair in (m.split(" ") if isinstance(m, str) else m for m in model["merges"])
    ]
    if tokenizer.style == "byte-level":
        split = split_of(definition)
        if split is None:
            raise _refused(target, "its split of a text into words has no name in GGUF files")
        return ForeignVocabulary(tokens, types, merges, None, add_space=False, split=split)
    if USER_DEFINED in types:
        raise _refused(target, "it finds added tokens in a text before it splits it")
    if model.get("ignore_merges"):
        raise _refused(target, "it joins pairs in another way")
    for byte in range(256):
        if f"<0x{byte:02X}>" in vocabulary:
            types[vocabulary[f"<0x{byte:02X}>"]] = BYTE
        elif byte > 127 or chr(byte).replace(" ", SPACE) not in vocabulary:
            raise _refused(target, "it lacks tokens for some bytes")
    if model.get("unk_token") in vocabulary:
        types[vocabulary[model["unk_token"]]] = UNKNOWN
    add_space = _added_space(definition)
    if add_space is None:
        raise _refused(target, "it treats spaces in a way of its own")
    scores = _scores(vocabulary, merges, types)
    if scores is None:
        raise _refused(target, "its merges follow no order of tokens")
    return ForeignVocabulary(tokens, types, merges, scores, add_space)


def _refused(target: str, reason: str) -> ConfigError:
    return ConfigError(
        f"{target} does not support the model's tokenizer: {reason}",
        hint="export it to hf, which supports any imported tokenizer",
    )


def _is_plain(token: Any) -> bool:
    """Whether an added token is found in a text as it is written, whatever is around it."""
    return not any(token.get(key) for key in ("single_word", "lstrip", "rstrip", "normalized"))


def _added_space(definition: Any) -> bool | None:
    """Whether a space is put in front of a text; None: spaces are treated in another way."""
    steps = definition.get("normalizer") or {}
    steps = steps.get("normalizers", [steps])
    if definition.get("pre_tokenizer") is not None or steps[-1:] != [_REPLACE]:
        return None
    return {0: False, 1: True}.get(len(steps) - 1) if steps[:-1] in ([], [_PREPEND]) else None


def _scores(
    vocabulary: dict[str, int], merges: Sequence[tuple[str, str]], types: Sequence[int]
) -> list[float] | None:
    """A score for each token that orders the pairs as the merges do; None: there is none."""
    scores = [0.0] * len(types)
    last, rank = "", 0
    listed = set(merges)
    if len(listed) != len(merges):
        return None
    ranked: set[str] = set()
    for first, second in merges:
        union = first + second
        if union != last:
            if union in ranked or union not in vocabulary:
                return None
            ranked.add(union)
            last, rank = union, rank + 1
        scores[vocabulary[union]] = float(-rank)
    for text, token_id in vocabulary.items():
        if types[token_id] != NORMAL:
            continue
        for at in range(1, len(text)):
            pair = (text[:at], text[at:])
            if pair[0] in vocabulary and pair[1] in vocabulary and pair not in listed:
                return None
    return scores
