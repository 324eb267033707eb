"""What becomes of a step that is not as it should be: a loss that jumps up, a number gone bad."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from slm.data.loader import DataLoader
from slm.errors import TrainingError
from slm.runs.checkpointer import RunSaver, Standing
from slm.runs.spikes import LossWatch
from slm.training.events import AnomalyRecord
from slm.training.step import Fault, StepOutcome, Stepper

MAX_OVERFLOWS = 25
"""Steps in a row in which a float16 gradient may overflow while its scale finds its level."""
MAX_SKIPPED_STEPS = 3
"""Steps in a row that may be skipped because they were not finite."""
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


class FaultPolicy:
    """Skips the steps of a run that were not finite, or ends the run, as its settings say.

    Args:
        stepper: makes the steps.
        data_loader: knows which stories they read.
        micro_batches: of a step, in this process.
        saver: knows the last good checkpoint.
    """

    def __init__(
        self, stepper: Stepper, data_loader: DataLoader, micro_batches: int, saver: RunSaver
    ) -> None:
        self._stepper = stepper
        self._data_loader = data_loader
        self._micro_batches = micro_batches
        self._saver = saver
        self._overflows_in_a_row = 0

    def judge(
        self, outcome: StepOutcome, standing: Standing, save: Callable[[], Path]
    ) -> AnomalyRecord | None:
        """Let a step pass that was finite, or that may be skipped.

        Args:
            outcome: of the step after `standing.step`.
            standing: counts the steps skipped in a row.
            save: saves the weights before the step, and returns where.

        Returns:
            What is to be told of a skipped step; None: nothing.

        Raises:
            TrainingError: the run cannot go on; the message names what there is to go on from.
        """
        if outcome.updated:
            standing.skipped_in_a_row = 0
            self._overflows_in_a_row = 0
            return None
        if outcome.overflowed and self._overflows_in_a_row < MAX_OVERFLOWS:
            self._overflows_in_a_row += 1
            return None
        fault, policy = outcome.fault, self._stepper.config.on_nonfinite
        assert fault is not None
        step, stories = standing.step + 1, self._stories_of(fault, standing.step)
        what = fault_at(step, fault, stories)
        may_skip = standing.skipped_in_a_row < MAX_SKIPPED_STEPS
        # Weights that came in like this stay so, however many steps are skipped.
        if policy == "skip" and may_skip and fault.kind != "weight":
            standing.skipped_in_a_row += 1
            return skip_at(step, outcome.loss, what, stories)
        try:
            if fault.kind == "update" and policy == "stop":
                saved = self._saver.last_good()  # it was not undone
            else:
                saved = f"the weights before it are saved in {save()}"
        except TrainingError:  # the weights are bad themselves
            saved = self._saver.last_good()
        raise TrainingError(
            f"{what}; {saved}",
            hint="go on from there with a lower learning rate: --resume --set learning_rate=...; "
            "or skip such steps: --resume --set train.on_nonfinite=skip",
        )

    def _stories_of(self, fault: Fault, steps_done: int) -> list[int]:
        """Numbers of the training stories that a fault of the next step may come from."""
        first = steps_done * self._micro_batches
        if fault.micro_batch is None:
            return self._data_loader.stories_at(first, self._micro_batches)
        rank = self._stepper.process.rank
        return self._data_loader.stories_at(first + fault.micro_batch, rank=rank)
