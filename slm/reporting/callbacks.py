"""Who listens to a run unless the caller says otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slm.config import TrainingConfig
from slm.reporting.metrics import METRICS_FILE, MetricsFile
from slm.reporting.model_file import MODEL_FILE, BestModelFile
from slm.reporting.plots import PLOT_FILE, LossPlot
from slm.reporting.progress import ProgressDisplay
from slm.reporting.tensorboard import TensorBoard
from slm.training.events import Callback

if TYPE_CHECKING:
    from slm.training.trainer import Trainer


def recording_callbacks(config: TrainingConfig) -> list[Callback]:
    """The metrics file, the loss plot, and TensorBoard where the settings wish it."""
    out_dir = Path(config.out_dir)
    metrics_path = out_dir / METRICS_FILE
    callbacks: list[Callback] = [
        MetricsFile(metrics_path, config.log_interval),
        LossPlot(metrics_path, out_dir / PLOT_FILE),
    ]
    if config.tensorboard:
        callbacks.append(TensorBoard(out_dir / "tensorboard", config.log_interval))
    return callbacks


def default_callbacks(trainer: Trainer) -> list[Callback]:
    """The records, the progress display on stderr, and the original's `best_model.pt`."""
    path = trainer.out_dir / MODEL_FILE
    # Callbacks live in the main process alone, which has only a share of a sharded model.
    weights = trainer.saver.best_weights if trainer.is_sharded else None
    return [
        *recording_callbacks(trainer.config),
        ProgressDisplay(),
        BestModelFile(path, trainer.model, lambda: trainer.tokenizer, weights),
    ]
