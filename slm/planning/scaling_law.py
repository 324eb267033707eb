"""A scaling law: bits per byte by model size and amount of text, fitted to the project's own runs.

    bits per byte = floor + size_factor / parameters ^ size_exponent
                          + data_factor / bytes ^ data_exponent

The form is that of Hoffmann et al. 2022 (https://arxiv.org/abs/2203.15556, section 3.3), with
parameters counted inside the blocks, and text in bytes, so that the vocabulary may differ. Repeated
text counts for less: see `effective_bytes`. `bench/law.py` makes the runs and the fit, which takes
public models into account. Its data and its picture are in docs/explanation/scaling-law.md. It
holds for stories like those of TinyStories.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


def effective_bytes(seen: float, unique: float, repeats_worth: float) -> float:
    """The bytes of new text worth as much as `seen` bytes read from a text of `unique` bytes.

    Muennighoff et al. 2023, https://arxiv.org/abs/2305.16264, equation 5.

    Args:
        seen: bytes read in all.
        unique: bytes of text that exist.
        repeats_worth: of a law.
    """
    if seen <= unique:
        return seen
    repeats = seen / unique - 1.0
    return unique * (1.0 + repeats_worth * (1.0 - math.exp(-repeats / repeats_worth)))


MOST_BITS = 8.0
"""Bits per byte of uniform guessing; the law does not hold where it predicts more."""


@dataclass(frozen=True)
class ScalingLaw:
    """The constants of the law; the defaults fit the runs in docs/explanation/law.json."""

    floor: float = 0.007983
    size_factor: float = 2.451
    size_exponent: float = 0.14
    data_factor: float = 28.78
    data_exponent: float = 0.25
    repeats_worth: float = 4.0
    """All epochs after the first together are worth at most this many; Muennighoff et al. found 15,
    for larger models."""

    def bits_per_byte(self, parameters: float, seen: float, unique: float) -> float:
        """Bits per byte of held-out text at the end of a run.

        Args:
            parameters: those inside the blocks.
            seen: bytes of text read in all.
            unique: bytes of text that exist.
        """
        size: float = self.size_factor / parameters**self.size_exponent
        new = effective_bytes(seen, unique, self.repeats_worth)
        data: float = self.data_factor / new**self.data_exponent
        return min(MOST_BITS, self.floor + size + data)


SCALING_LAW = ScalingLaw()
"""The law that plans use."""

RELATIVE_ERROR = 0.05
"""Of a plan's bits per byte; two of three plans were nearer to their outcome."""
MOST_PARAMETERS = 4_014_080
MOST_BYTES = 367e6
FEWEST_BYTES = 3.8e6
"""Of the runs that the law was fitted to: parameters inside the blocks, and text read."""

SECONDS_PER_FLOP = {"eager": 5.52e-12, "compiled": 4.06e-12}
SECONDS_PER_TOKEN = {"eager": 0.3e-6, "compiled": 6.3e-6}
"""Of a training step on the reference machine: per floating-point operation, and in addition."""


def seconds_per_token(flops_per_token: float, *, compiled: bool) -> float:
    """Time of a training step per token on the reference machine.

    Args:
        flops_per_token: as `model_costs` counts them; of a teacher, of its forward pass.
        compiled: whether blocks are compiled.
    """
    how = "compiled" if compiled else "eager"
    return SECONDS_PER_FLOP[how] * flops_per_token + SECONDS_PER_TOKEN[how]
