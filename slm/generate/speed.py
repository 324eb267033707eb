"""How fast a model's shape generates on this machine, everything included: draws, text, Python."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from slm.config import GPTConfig
from slm.generate.backend import native_generator, plain_generator
from slm.generate.generator import Generator
from slm.generate.options import GenerationOptions
from slm.model.shapes import state_shapes
from slm.tokenizer.base import Ids, fingerprint_of

PROMPT_TOKENS = 7
"""With the end-of-text token before them, 8."""
EDGE_TOKENS = 32
"""At the beginning and the end of a text, to see whether a token's cost grows."""


class EndlessTokenizer:
    """One letter a token, and an end of text that is never sampled: every text has full length."""

    name = "endless"

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size - 1
        self.eot_id = vocab_size - 1

    @property
    def fingerprint(self) -> str:
        """See `Tokenizer`."""
        return fingerprint_of(self.to_json())

    def encode(self, text: str) -> list[int]:
        """A letter's id is its code, as far as there are ids."""
        return [ord(letter) % self.vocab_size for letter in text]

    def encode_batch(self, texts: Sequence[str]) -> list[Ids]:
        """See `encode`."""
        return [np.array(self.encode(text), dtype=np.uint32) for text in texts]

    def token_bytes(self, token_id: int) -> bytes:
        """Always one letter."""
        return b"a"

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """One letter for each id."""
        return b"a" * len(ids)

    def decode(self, ids: Sequence[int]) -> str:
        """One letter for each id."""
        return "a" * len(ids)

    def to_json(self) -> dict[str, Any]:
        """See `Tokenizer`."""
        return {"kind": self.name, "vocab_size": self.vocab_size}


@dataclass(frozen=True)
class Speed:
    """What one text alone, and several together, take."""

    tokens_per_second: float
    """Of one text."""
    first_token_milliseconds: float
    """From a prompt of `PROMPT_TOKENS` to the first token, the model being loaded."""
    first_tokens_microseconds: float
    """A token at the beginning of the text; median of `EDGE_TOKENS`."""
    last_tokens_microseconds: float
    """A token at its end."""
    streams: int
    together_tokens_per_second: float
    """Of that many texts together."""


def measure_generation(
    config: GPTConfig,
    *,
    dtype: str = "auto",
    streams: int = 64,
    new_tokens: int | None = None,
    say: Callable[[str], None] | None = None,
) -> Speed:
    """Generate with random weights of a shape: speed does not depend on their values.

    Args:
        config: the shape.
        dtype: as `build_generator` takes it.
        streams: texts that run together.
        new_tokens: length of each text; None: what the context holds.
        say: see `build_generator`.
    """
    generator = random_generator(config, dtype=dtype, batch_size=streams, say=say)
    length = new_tokens or max(1, config.block_size - PROMPT_TOKENS - 1)
    options = GenerationOptions(max_new_tokens=length, seed=0)
    prompt = "Once up"[:PROMPT_TOKENS]
    for _ in generator.stream(prompt, options):  # fills caches and wakes threads
        pass
    moments = [time.perf_counter()]
    moments += [time.perf_counter() for _ in generator.stream(prompt, options)]
    seconds = [later - earlier for earlier, later in itertools.pairwise(moments)]
    generator.complete([prompt] * streams, GenerationOptions(max_new_tokens=8, seed=0))
    started_at = time.perf_counter()
    completions = generator.complete([prompt] * streams, options)
    together = time.perf_counter() - started_at
    return Speed(
        tokens_per_second=len(seconds) / sum(seconds),
        first_token_milliseconds=1e3 * seconds[0],
        first_tokens_microseconds=1e6 * statistics.median(seconds[1 : EDGE_TOKENS + 1] or seconds),
        last_tokens_microseconds=1e6 * statistics.median(seconds[-EDGE_TOKENS:]),
        streams=streams,
        together_tokens_per_second=sum(c.new_tokens for c in completions) / together,
    )


def random_generator(
    config: GPTConfig, *, dtype: str, batch_size: int, say: Callable[[str], None] | None = None
) -> Generator:
    """With random weights and an `EndlessTokenizer`: as `slm generate` has it on a CPU.

    Raises:
        DeviceError: a CPU cannot compute in the format that was asked for.
    """
    rng = np.random.default_rng(0)

    def weights() -> dict[str, npt.NDArray[np.float32]]:
        return {
            name: rng.standard_normal(shape, dtype=np.float32) * (0.02 if len(shape) == 2 else 1.0)
            for name, shape in state_shapes(config).items()
        }

    tokenizer = EndlessTokenizer(config.vocab_size)
    native = native_generator(
        config, weights, tokenizer, dtype=dtype, batch_size=batch_size, say=say
    )
    if native is not None:
        return native
    from slm.model import GPT

    return plain_generator(GPT(config), tokenizer, dtype, batch_size)
