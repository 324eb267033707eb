"""Compute the loss of windows: with the PyTorch model, or with native code on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from slm.evals.scoring import Window, to_tensors
from slm.model import GPT
from slm.native.engine import NativeEngine


class Scorer(Protocol):
    """Scores batches of windows."""

    def nats(self, batch: Sequence[Window]) -> float:
        """The total surprisal in nats of all tokens that the windows score."""


class ModelScorer:
    """The PyTorch model, a batch at a time.

    Args:
        model: must be in evaluation mode while it scores.
    """

    def __init__(self, model: GPT) -> None:
        self.model = model

    def nats(self, batch: Sequence[Window]) -> float:
        """See `Scorer`."""
        inputs, targets = to_tensors(batch)
        device = self.model.device
        _, mean_loss = self.model(inputs.to(device), targets.to(device))
        return float(mean_loss) * sum(window.n_scored for window in batch)


class NativeScorer:
    """The native engine, a window at a time, with the same weights as in generation.

    Args:
        native: its first slot must be empty.
    """

    def __init__(self, native: NativeEngine) -> None:
        self.native = native

    def nats(self, batch: Sequence[Window]) -> float:
        """See `Scorer`."""
        total = 0.0
        for ids, n_context, _ in batch:
            seen = ids.tolist()
            surprisal = self.native.surprisal(seen[:-1], seen[1:])
            total += float(surprisal[n_context:].sum(dtype=np.float64))
        return total
