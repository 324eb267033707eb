"""Text to token ids and back: GPT-2's vocabulary (full or trimmed), trained BPE, bytes, characters.

`build_tokenizer` makes one from its specification; `save_tokenizer` and `load_tokenizer` keep it.
"""

from slm.tokenizer.base import EOT_TEXT, Ids, Tokenizer
from slm.tokenizer.saved import load_tokenizer, save_tokenizer, tokenizer_from_json
from slm.tokenizer.spec import (
    TokenizerSpec,
    build_tokenizer,
    expected_size,
    needs_corpus,
    parse_tokenizer,
)

__all__ = [
    "EOT_TEXT",
    "Ids",
    "Tokenizer",
    "TokenizerSpec",
    "build_tokenizer",
    "expected_size",
    "load_tokenizer",
    "needs_corpus",
    "parse_tokenizer",
    "save_tokenizer",
    "tokenizer_from_json",
]
