"""Our own generator, with sampling, text decoding and Python overhead included."""

from __future__ import annotations

from slm.bench.baselines.registry import Figures, GenerationTask
from slm.bench.generation import measure_generation


def measure(task: GenerationTask, dtype: str) -> Figures:
    """See `Baseline.measure`."""
    speed = measure_generation(
        task.model, dtype=dtype, streams=task.streams, new_tokens=task.new_tokens
    )
    return {
        "one": speed.tokens_per_second,
        "together": speed.together_tokens_per_second,
        "first_token_milliseconds": speed.first_token_milliseconds,
        "first_tokens_microseconds": speed.first_tokens_microseconds,
        "last_tokens_microseconds": speed.last_tokens_microseconds,
    }
