"""Handling of loss spikes and of steps whose numbers are not finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from slm.data.loader import DataLoader
from slm.errors import TrainingError
from slm.runs.checkpointer import Checkpointer
from slm.runs.guarded_step import GuardedStep, NonFinite, StepOutcome
from slm.train_state import RunningLoss, TrainState
from slm.training.events import AnomalyRecord

SPIKE_AFTER = 20
"""Losses before the first that may count as a spike."""
SPIKE_DEVIATIONS = 6.0
"""A spike is this many standard deviations above the running mean,"""
SPIKE_NATS = 0.2
"""and at least this many nats above it."""

MAX_OVERFLOWS = 25
"""Consecutive steps in which a float16 gradient may overflow while its scale settles."""
MAX_SKIPPED_STEPS = 3
"""Consecutive steps that may be skipped because they were not finite."""
MAX_DOCUMENTS_SHOWN = 12
"""Document numbers in a message."""
MAX_DOCUMENTS_RECORDED = 1000
"""Document numbers in a record of the metrics."""


def spike_limit(recent: RunningLoss) -> float:
    """The loss above which the next one is a spike; infinite while too few losses are known."""
    if recent.n_seen < SPIKE_AFTER:
        return math.inf
    return recent.mean + max(SPIKE_DEVIATIONS * recent.std, SPIKE_NATS)


def detect_spike(step: int, loss: float, recent: RunningLoss) -> AnomalyRecord | None:
    """The record of a loss that is far above the recent ones; None where it is not."""
    if not (math.isfinite(loss) and loss > spike_limit(recent)):
        return None
    text = (
        f"step {step}: loss spike: {loss:.4f} (recent mean {recent.mean:.4f}, std {recent.std:.4f})"
    )
    return AnomalyRecord(step, "spike", loss, text)


def describe_fault(step: int, fault: NonFinite, documents: Sequence[int]) -> str:
    """What was not finite in a step, and the numbers of the documents that it read."""
    numbers = ", ".join(map(str, documents[:MAX_DOCUMENTS_SHOWN]))
    if len(documents) > MAX_DOCUMENTS_SHOWN:
        numbers += f" and {len(documents) - MAX_DOCUMENTS_SHOWN} more"
    return f"step {step}: {fault}; training documents in this step: {numbers}"


def skipped_step(step: int, loss: float, what: str, documents: Sequence[int]) -> AnomalyRecord:
    """The record of a skipped step."""
    text = f"{what}; the step was skipped and the weights are unchanged"
    return AnomalyRecord(step, "skipped", loss, text, tuple(documents[:MAX_DOCUMENTS_RECORDED]))


class RunGuard:
    """Reports loss spikes; skips steps that were not finite or ends the run, as its settings say.

    Args:
        step: makes the steps.
        data_loader: knows which documents they read.
        micro_batches: of a step, in this process.
        checkpointer: knows the last good checkpoint.
    """

    def __init__(
        self,
        step: GuardedStep,
        data_loader: DataLoader,
        micro_batches: int,
        checkpointer: Checkpointer,
    ) -> None:
        self._step = step
        self._data_loader = data_loader
        self._micro_batches = micro_batches
        self._checkpointer = checkpointer
        self._overflows_in_a_row = 0

    def review(
        self, outcome: StepOutcome, state: TrainState, save: Callable[[], Path]
    ) -> list[AnomalyRecord]:
        """The anomalies of the step after `state.step`; see `check_finite` for the arguments."""
        found = (
            self.check_finite(outcome, state, save),
            detect_spike(state.step + 1, outcome.loss, state.running_loss),
        )
        return [record for record in found if record is not None]

    def check_finite(
        self, outcome: StepOutcome, state: TrainState, save: Callable[[], Path]
    ) -> AnomalyRecord | None:
        """Accept a step that was finite, or that may be skipped.

        Args:
            outcome: of the step after `state.step`.
            state: counts the steps skipped in a row.
            save: saves the weights before the step and returns their checkpoint.

        Returns:
            The record of a skipped step; None: there is nothing to report.

        Raises:
            TrainingError: the run cannot continue; the message names what can be resumed.
        """
        if outcome.updated:
            state.skipped_in_a_row = 0
            self._overflows_in_a_row = 0
            return None
        if outcome.overflowed and self._overflows_in_a_row < MAX_OVERFLOWS:
            self._overflows_in_a_row += 1
            return None
        fault, policy = outcome.fault, self._step.config.on_nonfinite
        assert fault is not None
        step, documents = state.step + 1, self._documents_of(fault, state.step)
        what = describe_fault(step, fault, documents)
        may_skip = state.skipped_in_a_row < MAX_SKIPPED_STEPS
        # Weights that were not finite before the step stay so, however many steps are skipped.
        if policy == "skip" and may_skip and fault.kind != "weight":
            state.skipped_in_a_row += 1
            return skipped_step(step, outcome.loss, what, documents)
        try:
            if fault.kind == "update" and policy == "stop":
                saved = self._checkpointer.last_good()  # the update was not undone
            else:
                saved = f"the weights before it are saved in {save()}"
        except TrainingError:  # the weights themselves are not finite
            saved = self._checkpointer.last_good()
        raise TrainingError(
            f"{what}; {saved}",
            hint="resume with a lower learning rate: --resume --set learning_rate=...; "
            "or skip such steps: --resume --set train.on_nonfinite=skip",
        )

    def _documents_of(self, fault: NonFinite, steps_done: int) -> list[int]:
        """Numbers of the training documents that a fault of the next step may come from."""
        first = steps_done * self._micro_batches
        if fault.micro_batch is None:
            return self._data_loader.stories_at(first, self._micro_batches)
        rank = self._step.process.rank
        return self._data_loader.stories_at(first + fault.micro_batch, rank=rank)
