"""Handling of loss spikes and of non-finite steps."""

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
"""Number of losses before spikes are detected."""
SPIKE_DEVIATIONS = 6.0
"""A spike is this many standard deviations above the running mean,"""
SPIKE_NATS = 0.2
"""and at least this many nats above it."""

MAX_OVERFLOWS = 25
"""Maximum number of consecutive float16 overflows while the gradient scale settles."""
MAX_SKIPPED_STEPS = 3
"""Maximum number of consecutive non-finite steps that are skipped."""
MAX_DOCUMENTS_SHOWN = 12
"""Maximum number of document indices in a message."""
MAX_DOCUMENTS_RECORDED = 1000
"""Maximum number of document indices in a record of the metrics."""


def spike_limit(recent: RunningLoss) -> float:
    """The loss above which the next one is a spike; infinite while too few losses are known."""
    if recent.n_seen < SPIKE_AFTER:
        return math.inf
    return recent.mean + max(SPIKE_DEVIATIONS * recent.std, SPIKE_NATS)


def detect_spike(step: int, loss: float, recent: RunningLoss) -> AnomalyRecord | None:
    """The record of a loss spike; None if the loss is not far above the recent ones."""
    if not (math.isfinite(loss) and loss > spike_limit(recent)):
        return None
    text = (
        f"step {step}: loss spike: {loss:.4f} (recent mean {recent.mean:.4f}, std {recent.std:.4f})"
    )
    return AnomalyRecord(step, "spike", loss, text)


def describe_fault(step: int, fault: NonFinite, documents: Sequence[int]) -> str:
    """A description of the fault in a step, with the indices of its documents."""
    numbers = ", ".join(map(str, documents[:MAX_DOCUMENTS_SHOWN]))
    if len(documents) > MAX_DOCUMENTS_SHOWN:
        numbers += f" and {len(documents) - MAX_DOCUMENTS_SHOWN} more"
    return f"step {step}: {fault}; training documents in this step: {numbers}"


def skipped_step(step: int, loss: float, what: str, documents: Sequence[int]) -> AnomalyRecord:
    """The record of a skipped step."""
    text = f"{what}; the step was skipped and the weights are unchanged"
    return AnomalyRecord(step, "skipped", loss, text, tuple(documents[:MAX_DOCUMENTS_RECORDED]))


class RunGuard:
    """Reports loss spikes; skips non-finite steps or ends the run, as its settings say.

    Args:
        step: performs the steps.
        data_loader: provides the indices of their documents.
        micro_batches: number per step, in this process.
        checkpointer: provides the last good checkpoint.
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
        """Accept a finite step, or one that may be skipped.

        Args:
            outcome: of the step after `state.step`.
            state: counts consecutive skipped steps.
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
        # Skipping steps does not repair weights that were non-finite before.
        if policy == "skip" and may_skip and fault.kind != "weight":
            state.skipped_in_a_row += 1
            return skipped_step(step, outcome.loss, what, documents)
        try:
            if fault.kind == "update" and policy == "stop":
                saved = self._checkpointer.last_good()  # the update was not undone
            else:
                saved = f"the weights before it are saved in {save()}"
        except TrainingError:  # the weights themselves are non-finite
            saved = self._checkpointer.last_good()
        raise TrainingError(
            f"{what}; {saved}",
            hint="resume with a lower learning rate: --resume --set learning_rate=...; "
            "or skip such steps: --resume --set train.on_nonfinite=skip",
        )

    def _documents_of(self, fault: NonFinite, steps_done: int) -> list[int]:
        """Indices of the training documents that may cause a fault in the next step."""
        first = steps_done * self._micro_batches
        if fault.micro_batch is None:
            return self._data_loader.stories_at(first, self._micro_batches)
        rank = self._step.process.rank
        return self._data_loader.stories_at(first + fault.micro_batch, rank=rank)
