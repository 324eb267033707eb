"""How fast a model shape generates here, with sampling, text decoding and Python included."""

from __future__ import annotations

import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from slm.config import GPTConfig, RunConfig
from slm.config.origins import FROM_TOKENIZER
from slm.generation.backend import generator_from_weights
from slm.generation.generator import Generator
from slm.generation.options import GenerationOptions
from slm.log import Log
from slm.model.costs import parameter_shapes
from slm.tokenizer.base import Ids, fingerprint_of

if TYPE_CHECKING:
    from slm.model import GPT

PROMPT_TOKENS = 7
"""8 with the end-of-text token before them."""
EDGE_TOKENS = 32
"""Timed at the beginning and at the end of a sequence, to see whether the cost per token grows."""


class EndlessTokenizer:
    """One letter per token and no end of text, so that every sequence has full length."""

    name = "endless"

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size - 1
        self.eot_id = self.bos_id = vocab_size - 1

    @property
    def fingerprint(self) -> str:
        """See `Tokenizer`."""
        return fingerprint_of(self.to_json())

    def encode(self, text: str) -> list[int]:
        """Each character's code, modulo the vocabulary size."""
        return [ord(letter) % self.vocab_size for letter in text]

    def encode_batch(self, texts: Sequence[str]) -> list[Ids]:
        """See `encode`."""
        return [np.array(self.encode(text), dtype=np.uint32) for text in texts]

    def token_bytes(self, token_id: int) -> bytes:
        """One letter, whatever the id."""
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
    """Speed of a single sequence and of a batch."""

    tokens_per_second: float
    """Of one sequence."""
    first_token_milliseconds: float
    """From a prompt of `PROMPT_TOKENS` to the first token, with the model loaded."""
    first_tokens_microseconds: float
    """Per token at the beginning; median of `EDGE_TOKENS`."""
    last_tokens_microseconds: float
    """Per token at the end."""
    streams: int
    together_tokens_per_second: float
    """Of `streams` sequences together."""


def measure_generation(
    config: GPTConfig,
    *,
    dtype: str = "auto",
    streams: int = 64,
    new_tokens: int | None = None,
    log: Log | None = None,
) -> Speed:
    """Generate with random weights, whose values do not matter for the speed.

    Args:
        config: the model shape.
        dtype: see `build_generator`.
        streams: number of sequences in the batch.
        new_tokens: length of each sequence; None: the rest of the context.
        log: see `build_generator`.
    """
    generator = random_generator(config, dtype=dtype, batch_size=streams, log=log)
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
    config: GPTConfig, *, dtype: str, batch_size: int, log: Log | None = None
) -> Generator:
    """A generator with random weights and an `EndlessTokenizer`, built as `slm generate` builds it.

    Raises:
        DeviceError: this CPU cannot compute with the dtype.
    """
    rng = np.random.default_rng(0)

    def weights() -> dict[str, npt.NDArray[np.float32]]:
        return {
            name: rng.standard_normal(shape, dtype=np.float32) * (0.02 if len(shape) == 2 else 1.0)
            for name, shape in parameter_shapes(config).items()
        }

    def build_model() -> GPT:
        from slm.model import GPT

        return GPT(config)

    return generator_from_weights(
        config,
        weights,
        build_model,
        EndlessTokenizer(config.vocab_size),
        dtype=dtype,
        batch_size=batch_size,
        log=log,
    )


def seconds_to_first_token(settings: RunConfig, starts: int) -> float:
    """Median seconds from the start of `slm generate` to the first token that it prints.

    A checkpoint of this shape is written for it, with random weights and bytes as tokens.
    """
    import torch

    from slm.checkpoint import TrainState, save_checkpoint
    from slm.model import GPT
    from slm.tokenizer.byte_level import BytesTokenizer

    tokenizer = BytesTokenizer()
    size = max(settings.model.vocab_size, tokenizer.vocab_size)
    settings = settings.with_values({"model.vocab_size": size}, FROM_TOKENIZER)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "random")
        save_checkpoint(
            path,
            model_state=GPT(settings.model).state_dict(),
            config=settings,
            tokenizer=tokenizer,
            state=TrainState(),
        )
        return statistics.median(_time_to_first_token(path) for _ in range(starts))


def _time_to_first_token(checkpoint: Path) -> float:
    prompt = "Once upon a time"
    command = [sys.executable, "-m", "slm", "generate", "--checkpoint", str(checkpoint), prompt]
    started_at = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.read(len(prompt) + 1)
        seconds = time.perf_counter() - started_at
        process.terminate()
    return seconds
