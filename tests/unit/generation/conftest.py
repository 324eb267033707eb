"""Small random models of both families, a byte tokenizer, and a scripted engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from slm.config import GPTConfig
from slm.generation.torch_engine import sample_ids
from slm.model import GPT
from slm.tokenizer.base import Ids, fingerprint_of

FAMILIES: dict[str, dict[str, Any]] = {
    "gpt2": {},
    "modern": {
        "norm": "rmsnorm",
        "position": "rope",
        "mlp": "swiglu",
        "qk_norm": True,
        "bias": False,
        "n_kv_head": 1,
    },
}


class ByteTokenizer:
    """256 bytes and the end of text, and after them a few tokens of several bytes."""

    name = "test-bytes"

    def __init__(self, longer: Sequence[bytes] = ()) -> None:
        self._bytes = [bytes([value]) for value in range(256)] + [*longer, b""]

    @property
    def vocab_size(self) -> int:
        return len(self._bytes)

    @property
    def eot_id(self) -> int:
        return len(self._bytes) - 1

    @property
    def bos_id(self) -> int:
        return self.eot_id

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.to_json())

    def encode(self, text: str) -> list[int]:
        return list(text.encode("utf-8"))

    def encode_batch(self, texts: Sequence[str]) -> list[Ids]:
        return [np.array(self.encode(text), dtype=np.uint32) for text in texts]

    def token_bytes(self, token_id: int) -> bytes:
        return self._bytes[token_id]

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        return b"".join(self._bytes[token_id] for token_id in ids)

    def decode(self, ids: Sequence[int]) -> str:
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def to_json(self) -> dict[str, Any]:
        return {"tokens": [token.hex() for token in self._bytes]}


class ScriptedEngine:
    """Makes one id by far the likeliest at each step: those of a script, for every sequence."""

    n_slots = 32
    block_size = 64
    dtype = "float32"

    def __init__(self, script: Sequence[int], vocab_size: int) -> None:
        self.script = list(script)
        self.vocab_size = vocab_size
        self.n_given = 0

    def prefill(self, slots: Sequence[int], contexts: Sequence[Sequence[int]]) -> Tensor:
        return self._logits(len(slots))

    def decode(self, slots: Sequence[int], ids: Sequence[int]) -> Tensor:
        assert ids == [self.script[self.n_given - 1]] * len(slots)
        return self._logits(len(slots))

    def free(self, slots: Sequence[int]) -> None:
        pass

    def sample(self, *arguments: Any) -> list[int]:
        return sample_ids(*arguments)

    def _logits(self, n_sequences: int) -> Tensor:
        logits = torch.zeros(n_sequences, self.vocab_size)
        logits[:, self.script[self.n_given]] = 100.0
        self.n_given += 1
        return logits


def small_model(family: str, *, block_size: int = 16, vocab_size: int = 264) -> GPT:
    """A random model with widely spread logits, so that rounding decides nothing."""
    torch.manual_seed(0)
    config = GPTConfig(
        vocab_size=vocab_size,
        block_size=block_size,
        n_layer=2,
        n_head=2,
        n_embd=32,
        dropout=0.1,
        tie_embeddings=False,  # tied and random, it would repeat its last token for ever
        **FAMILIES[family],
    )
    model = GPT(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2:
                parameter.mul_(30.0 if name == "lm_head.weight" else 10.0)
    return model


@pytest.fixture
def tokenizer() -> ByteTokenizer:
    return ByteTokenizer()


@pytest.fixture(params=sorted(FAMILIES))
def model(request: pytest.FixtureRequest) -> GPT:
    return small_model(request.param)


@pytest.fixture
def make_model() -> Any:
    return small_model


@pytest.fixture
def make_tokenizer() -> Any:
    return ByteTokenizer


@pytest.fixture
def scripted() -> Any:
    return ScriptedEngine
