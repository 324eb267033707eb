"""`Trainer` of the original interface: a run with its callbacks and files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slm.data.loader import DataLoader
from slm.model import GPT
from slm.reporting.callbacks import default_callbacks
from slm.runs.run_trainer import RunTrainer
from slm.training.events import Callback


class Trainer(RunTrainer):
    """Trains a model in a run directory, with the callbacks and files of the original interface.

    Args:
        model, data_loader, config: see `RunTrainer`.
        callbacks: called with every event; None: the progress display, metrics, loss plot and
            `best_model.pt`.
        more: further arguments of `RunTrainer`.

    Raises:
        ConfigError: a training setting is unknown or invalid.
        DeviceError: the device is not available.
    """

    def __init__(
        self,
        model: GPT,
        data_loader: DataLoader,
        config: Mapping[str, Any],
        *,
        callbacks: Sequence[Callback] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(model, data_loader, config, callbacks=callbacks or (), **more)
        if callbacks is None:
            add_default_callbacks(self)


def add_default_callbacks(trainer: RunTrainer) -> None:
    """Let a trainer show its progress and write metrics, loss plot and `best_model.pt`."""
    # Only the main process calls them, and it has only a share of a sharded model.
    weights = trainer.checkpointer.best_weights if trainer.is_sharded else None
    trainer.callbacks.callbacks += default_callbacks(
        trainer.config, trainer.model, lambda: trainer.current_model.tokenizer, weights
    )
