"""What a model of a given size reaches on so much text: a law fitted to the project's own runs.

    bits per byte = floor + size_factor / parameters ^ size_exponent
                          + data_factor / bytes ^ data_exponent

The form is that of Hoffmann et al. 2022 (https://arxiv.org/abs/2203.15556, section 3.3), with
parameters counted inside the blocks, and text in bytes, so that the vocabulary may differ. Text
seen again counts for less: see `worth_of`. `bench/law.py` makes the runs and the fit. Its data and
its picture are in docs/explanation/scaling-law.md. It holds for stories like those of TinyStories.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

REPEATS_WORTH = 15.4
"""Epochs after which text is worth nothing new: Muennighoff et al. 2023, section 5."""


def worth_of(seen: float, unique: float) -> float:
    """How much new text is as good as `seen` bytes of `unique` bytes read again and again.

    Muennighoff et al. 2023, https://arxiv.org/abs/2305.16264, equation 5.

    Args:
        seen: bytes read in all.
        unique: bytes there are.
    """
    if seen <= unique:
        return seen
    repeats = seen / unique - 1.0
    return unique * (1.0 + REPEATS_WORTH * (1.0 - math.exp(-repeats / REPEATS_WORTH)))


MOST_BITS = 8.0
"""Bits per byte of one who only guesses; where the law promises more, it does not hold."""


@dataclass(frozen=True)
class Law:
    """The numbers of the law; the defaults are fitted to the runs in docs/explanation/law.json."""

    floor: float = 0.4664
    size_factor: float = 12.14
    size_exponent: float = 0.34
    data_factor: float = 496.2
    data_exponent: float = 0.46

    def bits_per_byte(self, parameters: float, seen: float, unique: float) -> float:
        """Bits per byte of held-out text at the end of a run.

        Args:
            parameters: those inside the blocks.
            seen: bytes of text read in all.
            unique: bytes of text there are.
        """
        size: float = self.size_factor / parameters**self.size_exponent
        data: float = self.data_factor / worth_of(seen, unique) ** self.data_exponent
        return min(MOST_BITS, self.floor + size + data)


LAW = Law()
"""What the dial goes by."""

SECONDS_PER_FLOP = {"eager": 5.52e-12, "compiled": 4.06e-12}
SECONDS_PER_TOKEN = {"eager": 0.3e-6, "compiled": 6.3e-6}
"""Of a training step on the machine of the runs: for each floating-point operation, and besides."""


def seconds_per_token(training_flops_per_token: float, *, compiled: bool) -> float:
    """How long a token takes in training on the machine of docs/explanation/scaling-law.md.

    Args:
        training_flops_per_token: as `model_costs` counts them.
        compiled: whether blocks are compiled.
    """
    how = "compiled" if compiled else "eager"
    return SECONDS_PER_FLOP[how] * training_flops_per_token + SECONDS_PER_TOKEN[how]
