"""What an export begins with: a verified model, its tokenizer, and where it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from slm.checkpoint.run import is_step
from slm.config import GPTConfig, RunConfig
from slm.config.run_files import BEST
from slm.config.run_paths import located_settings, run_of
from slm.interop.architectures import Floats
from slm.model_card import ModelCard
from slm.tokenizer.base import Tokenizer
from slm.train_state import TrainState

if TYPE_CHECKING:
    from torch import Tensor

    from slm.checkpoint import Checkpoint

ExportDtype = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class ExportSource:
    """A model that leaves."""

    path: Path
    """The checkpoint."""
    settings: RunConfig
    tokenizer: Tokenizer
    state: TrainState
    weights: Callable[[], Mapping[str, Floats]]
    """Name to values in float32, as `GPT.state_dict()` names them."""
    card: ModelCard | None = None

    @property
    def config(self) -> GPTConfig:
        """The shape."""
        return self.settings.model

    @property
    def name(self) -> str:
        """What the model is called: its run's name."""
        place = self.path.absolute()
        if is_step(place):
            place = place.parent.parent
        elif place.name == BEST:
            place = place.parent
        return place.name or "model"

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> ExportSource:
        """What a checkpoint holds.

        Raises:
            CheckpointError: it has no tokenizer.
        """
        return cls(
            checkpoint.path,
            located_settings(checkpoint.config, run_of(checkpoint.path)),
            checkpoint.tokenizer,
            checkpoint.state,
            checkpoint.weights,
            checkpoint.card,
        )


def stored(values: Floats, dtype: ExportDtype) -> Tensor:
    """Values as a contiguous tensor in a dtype."""
    import torch

    return torch.from_numpy(values).to(getattr(torch, dtype)).contiguous()
