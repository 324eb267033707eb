"""A vocabulary with a few words, and a model that expects certain tokens after others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from slm.config import GPTConfig
from slm.generation import Generator
from slm.generation.batch_sampling import draw
from slm.generation.slot_decoder import SlotDecoder
from slm.native.sampling import native_draw
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


class ReadingSlots:
    """Slots that note what is in them."""

    def __init__(self, expected: Mapping[bytes, Mapping[bytes, float]] = EXPECTED) -> None:
        self.expected = expected
        self.texts: dict[int, list[int]] = {}
        self.admitted: list[list[int]] = []

    def admit(self, slot: int, ids: Sequence[int]) -> Any:
        self.texts[slot] = list(ids)
        self.admitted.append(list(ids))
        return expected_logits(ids, self.expected)

    def advance(self, slots: Sequence[int], ids: Sequence[int]) -> Any:
        for slot, token_id in zip(slots, ids, strict=True):
            self.texts[slot].append(token_id)
        return np.stack([expected_logits(self.texts[slot], self.expected) for slot in slots])

    def release(self, slot: int) -> None:
        self.texts.pop(slot, None)


class Shaped:
    def __init__(self, block_size: int) -> None:
        self.config = GPTConfig(
            vocab_size=WORDS.vocab_size, block_size=block_size, n_layer=1, n_head=1, n_embd=4
        )


def word_generator(
    slots: ReadingSlots | None = None, *, block_size: int = 32, batch_size: int = 8, native: bool
) -> Generator:
    """Continues texts by what `EXPECTED` says."""
    return Generator(
        Shaped(block_size),
        WORDS,
        batch_size=batch_size,
        decoder=SlotDecoder(slots or ReadingSlots()),
        draw=native_draw if native else draw,
    )


def ids_of(*tokens: bytes) -> list[int]:
    """The ids of tokens, each given by its bytes; of no bytes is the end-of-text token."""
    table = {WORDS.token_bytes(i): i for i in range(WORDS.vocab_size)}
    return [table[token] for token in tokens]
