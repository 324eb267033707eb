"""A tokenizer of bytes with a few longer tokens, and models whose guesses differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from slm.model import GPT
from slm.tokenizer.byte_level import ALL_BYTES
from slm.tokenizer.table import TokenTable

LONGER = (b" the", b" fox", "é".encode(), "🦊".encode()[:2])


class Tokens(TokenTable):
    """256 bytes, a few longer tokens that only ids can name, and the end of text."""

    def __init__(self) -> None:
        super().__init__("test-tokens", [*ALL_BYTES, *LONGER, b""], len(ALL_BYTES) + len(LONGER))

    def encode(self, text: str) -> list[int]:
        return list(text.encode("utf-8"))

    def encode_batch(self, texts: Any) -> Any:
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        return {"kind": "test"}


@pytest.fixture(scope="session")
def tokenizer() -> Tokens:
    return Tokens()


@pytest.fixture(scope="session", params=["gpt2", "modern"])
def model(request: pytest.FixtureRequest, tiny_model: Callable[..., GPT]) -> GPT:
    # More rows than the tokenizer has ids, as where a vocabulary is padded to a round number.
    return tiny_model(request.param, spread=8.0, vocab_size=272, tie_embeddings=False).eval()
