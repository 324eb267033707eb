"""From the evaluations during a run to the bits per byte at its end.

Where the learning rate falls to zero, bits per byte keep falling at a rate that depends on the
text, and the run shows it: with b(p) after the share p of the run,

    b(1) = b(p) (b(p) / b(p / 2)) ^ k(p)

The exponents k are between those of runs on both built-in corpora and on Shakespeare, which are in
docs/explanation/scaling-law.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

PROGRESS = (0.42, 0.50, 0.58, 0.67, 0.75, 0.83, 0.92, 1.00)
EXPONENTS = (1.35, 1.15, 0.85, 0.55, 0.35, 0.22, 0.10, 0.00)
EARLIEST = 0.4
"""Share of a run before which its evaluations say too little about its end: until then they are
compared with the first ones, of a model that had hardly begun."""


def bits_at_end(evaluations: Sequence[tuple[float, float]]) -> float | None:
    """Bits per byte to expect at the end of a run.

    Args:
        evaluations: (share of the run done, bits per byte), in order; the shares increase from
            above 0 to at most 1.

    Returns:
        None if it is too early to know, or if there was no evaluation in the first half of the
        time until now.
    """
    progress, bits = evaluations[-1]
    if progress < EARLIEST or evaluations[0][0] > progress / 2:
        return None
    earlier = np.interp(
        math.log(progress / 2),
        [math.log(p) for p, _ in evaluations],
        [math.log(b) for _, b in evaluations],
    )
    exponent = float(np.interp(progress, PROGRESS, EXPONENTS))
    return bits * math.exp(exponent * min(0.0, math.log(bits) - float(earlier)))
