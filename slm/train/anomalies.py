"""What is told of a step that is not as it should be: a loss that jumps up, a number gone bad."""

from __future__ import annotations

import math
from collections.abc import Sequence

from slm.train.events import AnomalyRecord
from slm.train.spikes import LossWatch
from slm.train.step import Fault

MAX_STORIES_TOLD = 12
"""In a message; and in a record of the metrics:"""
MAX_STORIES_KEPT = 1000


def spike_at(step: int, loss: float, watch: LossWatch) -> AnomalyRecord | None:
    """The record of a loss that is far above what it was of late; None: it is not."""
    if not (math.isfinite(loss) and loss > watch.limit):
        return None
    text = (
        f"step {step}: the loss jumped to {loss:.4f}, of late it was {watch.mean:.4f} with a "
        f"deviation of {watch.deviation:.4f}"
    )
    return AnomalyRecord(step, "spike", loss, text)


def fault_at(step: int, fault: Fault, stories: Sequence[int]) -> str:
    """What of a step was not finite, and the numbers of the stories that it read."""
    told = ", ".join(map(str, stories[:MAX_STORIES_TOLD]))
    if len(stories) > MAX_STORIES_TOLD:
        told += f" and {len(stories) - MAX_STORIES_TOLD} more"
    return f"step {step}: {fault}; it read the training stories {told}"


def skip_at(step: int, loss: float, what: str, stories: Sequence[int]) -> AnomalyRecord:
    """The record of a step that was skipped."""
    text = f"{what}; the step was skipped, the weights are as before"
    return AnomalyRecord(step, "skipped", loss, text, tuple(stories[:MAX_STORIES_KEPT]))
