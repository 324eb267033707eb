"""Specifications of tokenizers (`gpt2-8k`, `bpe:4096`, a path), and how they are made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from slm.errors import ConfigError, did_you_mean, shown
from slm.tokenizer.saved import FILE_NAME, load_tokenizer

if TYPE_CHECKING:
    from slm.tokenizer.base import Tokenizer

Kind = Literal["gpt2", "trimmed-gpt2", "bpe", "bytes", "chars", "file"]

EXAMPLES = ("gpt2-8k", "gpt2-4k", "gpt2-16k", "gpt2:8192", "gpt2", "bpe:4096", "bytes", "chars")
_MIN_SIZE = 257
_GPT2_SIZE = 50_257
_USUAL_CHARS = 100
_MAX_SIZE = 1 << 20
_GPT2 = re.compile(r"gpt2(?:-(?P<thousands>[0-9]{1,7})k|:(?P<size>[0-9]{1,9}))")
_BPE = re.compile(r"bpe:(?P<size>[0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class TokenizerSpec:
    """A parsed specification.

    Attributes:
        kind: how the tokenizer is made.
        vocab_size: the number of ids, for `trimmed-gpt2` and `bpe`.
        path: the saved file, for `file`.
    """

    kind: Kind
    vocab_size: int = 0
    path: Path = Path()

    @property
    def needs_corpus(self) -> bool:
        """Whether making it reads the corpus."""
        return self.kind in ("trimmed-gpt2", "bpe", "chars")


def parse_tokenizer(spec: str) -> TokenizerSpec:
    """Parse a specification: a known name, a known name with a size, or an existing path.

    Raises:
        ConfigError: it is none of these, or the size is out of range.
    """
    match spec:
        case "gpt2" | "bytes" | "chars":
            return TokenizerSpec(spec)
    if match := _GPT2.fullmatch(spec):
        size = int(match["size"] or 0) or 1024 * int(match["thousands"] or 0)
        _check_size(spec, size, largest=_GPT2_SIZE)
        return TokenizerSpec("gpt2" if size == _GPT2_SIZE else "trimmed-gpt2", size)
    if match := _BPE.fullmatch(spec):
        _check_size(spec, int(match["size"]), largest=_MAX_SIZE)
        return TokenizerSpec("bpe", int(match["size"]))
    return TokenizerSpec("file", path=_existing(spec))


def needs_corpus(spec: str) -> bool:
    """Whether making this tokenizer reads the corpus.

    Raises:
        ConfigError: the specification is invalid.
    """
    return parse_tokenizer(spec).needs_corpus


def expected_size(spec: str) -> int:
    """The vocabulary size of a tokenizer, or its maximum if it is not made yet.

    For `chars` it is an estimate, since each character that occurs gets an id.

    Raises:
        ConfigError: the specification is invalid.
        TokenizerError: a saved file is damaged.
    """
    parsed = parse_tokenizer(spec)
    match parsed.kind:
        case "gpt2":
            return _GPT2_SIZE
        case "bytes":
            return _MIN_SIZE
        case "chars":
            return _USUAL_CHARS
        case "file":
            return load_tokenizer(parsed.path).vocab_size
    return parsed.vocab_size


def build_tokenizer(spec: str, texts: Callable[[], Iterable[str]]) -> Tokenizer:
    """Make the tokenizer of a specification.

    Args:
        spec: see `parse_tokenizer`.
        texts: returns the corpus; is called only if the tokenizer is trained or trimmed.

    Raises:
        ConfigError: the specification is invalid.
        TokenizerError: GPT-2's table is not available, a saved file is damaged, or a text is
            invalid.
    """
    parsed = parse_tokenizer(spec)
    match parsed.kind:
        case "gpt2":
            from slm.tokenizer.gpt2 import gpt2_tokenizer

            return gpt2_tokenizer()
        case "trimmed-gpt2":
            from slm.tokenizer.gpt2 import trimmed_gpt2

            return trimmed_gpt2(texts(), parsed.vocab_size)
        case "bpe":
            from slm.tokenizer.bpe import train_bpe

            return train_bpe(texts(), parsed.vocab_size)
        case "bytes":
            from slm.tokenizer.byte_level import BytesTokenizer

            return BytesTokenizer()
        case "chars":
            from slm.tokenizer.chars import train_chars

            return train_chars(texts())
        case "file":
            return load_tokenizer(parsed.path)


def _check_size(spec: str, size: int, *, largest: int) -> None:
    if not _MIN_SIZE <= size <= largest:
        raise ConfigError(
            f"the vocabulary size of tokenizer {spec!r} must be between {_MIN_SIZE} (256 bytes and "
            f"end-of-text) and {largest:,}, found {size:,}"
        )


def _existing(spec: str) -> Path:
    path = Path(spec)
    try:
        if path.is_file() or (path / FILE_NAME).is_file():
            return path
    except (OSError, ValueError):
        pass  # the name is too long or contains a null character
    raise ConfigError(
        f"tokenizer {shown(spec)} is neither a known kind nor a file or folder with {FILE_NAME}",
        hint=did_you_mean(spec, EXAMPLES) or f"known kinds: {', '.join(EXAMPLES)}",
    )
