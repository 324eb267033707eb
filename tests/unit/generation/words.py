"""A vocabulary with a few words, and a model that expects certain tokens after others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from slm.generation import Generator
from slm.generation.torch_engine import sample_ids as torch_sample
from slm.native.sampling import sample_ids as native_sample
from slm.tokenizer.byte_level import ALL_BYTES
from slm.tokenizer.byte_pair import BytePairTokenizer

WORDS = BytePairTokenizer(
    "words",
    [
        *ALL_BYTES,
        *(b" r", b"an", b" ran", b" l", b"it", b"le", b" lit", b"tle", b" little", b"\n\n"),
        *(b" f", b"ox", b" fox", b" foxes"),
    ],
)
EXPECTED: Mapping[bytes, Mapping[bytes, float]] = {
    b" fox": {b" ran": 9.0, b" little": 8.0, b".": 7.0, b"\n": 6.0, b" lit": 4.0, b" ": -3.0},
    b" ": {b"x": 9.0},
    b" ran": {b".": 9.0, b" ran": 7.0, b"\n": 6.0},
    b" lit": {b"x": 9.0, b"t": -9.0},
    b" little": {b" fox": 9.0, b" little": 6.0},
    b"\n": {b"\n": 9.0, b" fox": 8.0, b"\n\n": 1.0},
    b"\n\n": {b"": 9.0},
    b".": {b"": 5.0, b"\n": 5.0, b" fox": 5.0},
    b"a": {b" fox": 9.0, b" foxes": 4.0},
}


def expected_logits(
    ids: Sequence[int], expected: Mapping[bytes, Mapping[bytes, float]] = EXPECTED
) -> npt.NDArray[np.float32]:
    """[V] after these ids; tokens that nothing is said of have a small logit of their own."""
    logits = np.sin(np.arange(WORDS.vocab_size, dtype=np.float32)) - 2.0
    for content, logit in expected.get(WORDS.token_bytes(ids[-1]), {}).items():
        token_id = next(i for i in range(WORDS.vocab_size) if WORDS.token_bytes(i) == content)
        logits[token_id] = logit
    return logits


class WordEngine:
    """An engine without a model that records what it reads."""

    vocab_size = WORDS.vocab_size
    dtype = "float32"

    def __init__(
        self,
        expected: Mapping[bytes, Mapping[bytes, float]] = EXPECTED,
        *,
        n_slots: int = 8,
        block_size: int = 32,
        native: bool,
    ) -> None:
        self.expected = expected
        self.n_slots = n_slots
        self.block_size = block_size
        self.sample = native_sample if native else torch_sample
        self.contexts: dict[int, list[int]] = {}
        self.prefilled: list[list[int]] = []

    def prefill(self, slots: Sequence[int], contexts: Sequence[Sequence[int]]) -> Any:
        for slot, ids in zip(slots, contexts, strict=True):
            assert slot not in self.contexts
            self.contexts[slot] = list(ids)
            self.prefilled.append(list(ids))
        return self._logits(slots)

    def decode(self, slots: Sequence[int], ids: Sequence[int]) -> Any:
        for slot, token_id in zip(slots, ids, strict=True):
            self.contexts[slot].append(token_id)
        return self._logits(slots)

    def free(self, slots: Sequence[int]) -> None:
        for slot in slots:
            self.contexts.pop(slot, None)

    def _logits(self, slots: Sequence[int]) -> npt.NDArray[np.float32]:
        return np.stack([expected_logits(self.contexts[slot], self.expected) for slot in slots])


def word_generator(*, native: bool, **settings: Any) -> Generator:
    """Continues prompts as `EXPECTED` says."""
    return Generator(WordEngine(native=native, **settings), WORDS)


def ids_of(*tokens: bytes) -> list[int]:
    """The ids of tokens, each given by its bytes; of no bytes is the end-of-text token."""
    table = {WORDS.token_bytes(i): i for i in range(WORDS.vocab_size)}
    return [table[token] for token in tokens]
