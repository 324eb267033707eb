"""Our own generator: draws, text and Python included."""

from __future__ import annotations

from slm.generate.speed import measure_generation
from slm.peers.contenders import Figures, Task


def measure(task: Task, dtype: str) -> Figures:
    """See `Contender.measure`."""
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
