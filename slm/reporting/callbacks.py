"""Default callbacks of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from slm.config import TrainingConfig
from slm.config.run_files import METRICS_FILE, MODEL_FILE, PLOT_FILE, TENSORBOARD
from slm.log import Log
from slm.model import GPT
from slm.reporting.display import in_notebook
from slm.reporting.metrics import MetricsFile
from slm.reporting.model_file import BestModelFile
from slm.reporting.plots import LossPlot
from slm.reporting.progress import ProgressDisplay
from slm.reporting.tensorboard import TensorBoard
from slm.tokenizer.base import Tokenizer
from slm.training.events import Callback


def recording_callbacks(config: TrainingConfig) -> list[Callback]:
    """The metrics file, the loss plot, and TensorBoard if the settings enable it."""
    out_dir = Path(config.out_dir)
    metrics_path = out_dir / METRICS_FILE
    callbacks: list[Callback] = [
        MetricsFile(metrics_path, config.log_interval),
        LossPlot(metrics_path, out_dir / PLOT_FILE),
    ]
    if config.tensorboard:
        callbacks.append(TensorBoard(out_dir / TENSORBOARD, config.log_interval))
    return callbacks


def default_callbacks(
    config: TrainingConfig,
    model: GPT,
    tokenizer: Callable[[], Tokenizer],
    weights: Callable[[], Mapping[str, Tensor]] | None = None,
) -> list[Callback]:
    """The records, the progress display on stderr, and `best_model.pt`; see `BestModelFile`."""
    model_path = Path(config.out_dir) / MODEL_FILE
    return [
        *recording_callbacks(config),
        progress_display(),
        BestModelFile(model_path, model, tokenizer, weights),
    ]


def progress_display(*, shows_notes: bool = True) -> Callback:
    """The progress display: live in a notebook, otherwise on stderr.

    Args:
        shows_notes: whether it also shows notes.
    """
    if in_notebook():
        from slm.reporting.notebook import NotebookDisplay

        return NotebookDisplay(shows_notes=shows_notes)
    return ProgressDisplay(shows_notes=shows_notes)


class NoteLog(Callback):
    """Passes each note to a function."""

    is_vital = False

    def __init__(self, log: Log) -> None:
        self.log = log

    def on_note(self, text: str) -> None:
        self.log(f"note: {text}")
