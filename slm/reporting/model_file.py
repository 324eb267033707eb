"""A callback that keeps the best weights in one file, for the original interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from slm.interop.model_file import write_model_file
from slm.model import GPT
from slm.tokenizer.base import Tokenizer
from slm.training.events import Callback, EvaluationRecord


class BestModelFile(Callback):
    """Writes `best_model.pt` whenever the validation loss is the best so far.

    Args:
        path: of the file.
        model: its settings are saved with the weights.
        tokenizer: returns the tokenizer to save.
        weights: returns the whole weights; None: those of `model`.
    """

    writes_weights = True

    def __init__(
        self,
        path: Path,
        model: GPT,
        tokenizer: Callable[[], Tokenizer],
        weights: Callable[[], Mapping[str, Tensor]] | None = None,
    ) -> None:
        self.path = path
        self.model = model
        self.tokenizer = tokenizer
        self.weights = model.state_dict if weights is None else weights

    def on_evaluation(self, record: EvaluationRecord) -> None:
        if record.is_best:
            write_model_file(
                self.path,
                self.weights(),
                self.model.config,
                self.tokenizer(),
                step=record.step,
                validation_loss=record.loss,
            )
