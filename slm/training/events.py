"""The events of a training run: the records, and the `Callback` that receives them.

The training loop knows nothing of progress bars, metrics files, plots or TensorBoard. It passes
these records to callbacks, in the main process only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from slm.config import RunConfig
from slm.model import Costs


@dataclass(frozen=True)
class RunStart:
    """The start of a run, or of the rest of one."""

    settings: RunConfig
    costs: Costs
    out_dir: Path
    device: str
    dtype: str
    compiled: bool
    threads: int
    world_size: int
    tokens_per_step: int
    first_step: int
    """Steps done before this start; more than 0 where a run is resumed."""
    elapsed_seconds: float
    evaluated: bool = False
    """Whether the evaluation at `first_step` is done."""
    samples_written: int = 0
    """How many of the samples at `first_step` are done."""


@dataclass(frozen=True)
class StepRecord:
    """One optimizer step."""

    step: int
    """Steps done, this one included."""
    loss: float
    """Mean training loss of the step's tokens in nats."""
    lr_scale: float
    """Learning rates as a share of their peaks."""
    learning_rate: float
    """AdamW's learning rate."""
    grad_norm: float
    """Norm of the whole gradient before clipping."""
    tokens: int
    """Training tokens seen so far."""
    tokens_per_second: float
    """Rate of this step, in all processes together."""
    elapsed_seconds: float
    progress: float
    """Share of the run done, 0 to 1."""


@dataclass(frozen=True)
class EvaluationRecord:
    """One evaluation on the validation split."""

    step: int
    loss: float
    """Nats per token."""
    bits_per_byte: float
    tokens: int
    """Validation tokens that were scored."""
    train_loss: float
    """Mean training loss since the previous evaluation; NaN before the first step."""
    is_best: bool
    elapsed_seconds: float


@dataclass(frozen=True)
class SampleRecord:
    """A sample story written during training."""

    step: int
    prompt: str
    text: str
    """The continuation."""


@dataclass(frozen=True)
class AnomalyRecord:
    """A loss spike, or a step that was skipped because something in it was not finite."""

    step: int
    """Steps done, this one included."""
    anomaly: Literal["spike", "skipped"]
    loss: float
    text: str
    """What was found, in a sentence."""
    stories: tuple[int, ...] = ()
    """Numbers of the training documents of a skipped step."""


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended."""

    step: int
    train_loss: float
    """Mean training loss before the last evaluation; NaN where no step was made."""
    validation_loss: float | None
    """Of the last evaluation."""
    best_validation_loss: float | None
    stopped_early: bool
    tokens: int
    elapsed_seconds: float
    out_dir: Path
    first_step: int = 0
    """Steps done before; equal to `step` if the run was finished already."""


class Callback:
    """Receives the events of a run; the methods do nothing unless overridden."""

    writes_weights = False
    """Whether it writes a file with all weights, for which the disk needs space."""
    is_vital = True
    """Whether a failure of this callback ends the run; False: it becomes a note."""

    def on_start(self, start: RunStart) -> None:
        """The run is about to make its first step."""

    def on_step(self, record: StepRecord) -> None:
        """A step was made."""

    def on_evaluation(self, record: EvaluationRecord) -> None:
        """The validation loss was measured."""

    def on_sample(self, record: SampleRecord) -> None:
        """A sample story was written."""

    def on_anomaly(self, record: AnomalyRecord) -> None:
        """A step was anomalous; a note says so as well."""

    def on_note(self, text: str) -> None:
        """Something a user should know."""

    def on_end(self, result: TrainingResult | None) -> None:
        """The run has ended; None where it was interrupted or failed."""
