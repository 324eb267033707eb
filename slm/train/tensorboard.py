"""TensorBoard events of a run, on wish (the extra `track`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slm.errors import MissingExtraError
from slm.train.events import Callback, EvaluationRecord, SampleRecord, StepRecord, TrainingResult

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter


class TensorBoard(Callback):
    """Writes losses, rates and sample stories below `folder`.

    Raises:
        MissingExtraError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, log_interval: int) -> None:
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError:
            raise MissingExtraError(
                "tensorboard", extra="track", purpose="train.tensorboard"
            ) from None
        self.log_interval = log_interval
        self._writer: SummaryWriter = SummaryWriter(str(folder))

    def on_step(self, record: StepRecord) -> None:
        if record.step % self.log_interval:
            return
        for name in ("loss", "learning_rate", "grad_norm", "tokens_per_second"):
            self._writer.add_scalar(f"train/{name}", getattr(record, name), record.step)

    def on_evaluation(self, record: EvaluationRecord) -> None:
        self._writer.add_scalar("validation/loss", record.loss, record.step)
        self._writer.add_scalar("validation/bits_per_byte", record.bits_per_byte, record.step)

    def on_sample(self, record: SampleRecord) -> None:
        self._writer.add_text(record.prompt, record.prompt + record.text, record.step)

    def on_end(self, result: TrainingResult | None) -> None:
        self._writer.close()
