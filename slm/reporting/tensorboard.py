"""TensorBoard logging of a run (optional extra `track`)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from slm.errors import MissingExtraError
from slm.training.events import (
    Callback,
    EvaluationRecord,
    RunStart,
    SampleRecord,
    StepRecord,
    TrainingResult,
)

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter


class TensorBoard(Callback):
    """Writes losses, rates and sample stories below `folder`.

    Raises:
        MissingExtraError: TensorBoard is not installed.
    """

    is_vital = False

    def __init__(self, folder: Path, log_interval: int) -> None:
        if importlib.util.find_spec("tensorboard") is None:
            raise MissingExtraError("tensorboard", extra="track", purpose="train.tensorboard")
        self.folder = folder
        self.log_interval = log_interval
        self._writer: SummaryWriter | None = None

    def on_start(self, start: RunStart) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        # A resumed run repeats, and logs again, the steps after its checkpoint.
        self._writer = SummaryWriter(str(self.folder), purge_step=start.first_step + 1)

    def on_step(self, record: StepRecord) -> None:
        if self._writer is None or record.step % self.log_interval:
            return
        for name in ("loss", "learning_rate", "grad_norm", "tokens_per_second"):
            self._writer.add_scalar(f"train/{name}", getattr(record, name), record.step)

    def on_evaluation(self, record: EvaluationRecord) -> None:
        if self._writer is None:
            return
        self._writer.add_scalar("validation/loss", record.loss, record.step)
        self._writer.add_scalar("validation/bits_per_byte", record.bits_per_byte, record.step)

    def on_sample(self, record: SampleRecord) -> None:
        if self._writer is not None:
            self._writer.add_text(record.prompt, record.prompt + record.text, record.step)

    def on_end(self, result: TrainingResult | None) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
