"""What the tests of training runs share: an action at a step, and what a run has saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from slm.api import Trainer
from slm.model import GPT
from slm.training import Callback, StepRecord

MakeTrainer = Callable[..., Trainer]
MakeModel = Callable[..., GPT]


class At(Callback):
    """Calls something once a step was made."""

    def __init__(self, step: int, action: Callable[[], Any]) -> None:
        self.step = step
        self.action = action

    def on_step(self, record: StepRecord) -> None:
        if record.step == self.step:
            self.action()


def checkpoints(trainer: Trainer) -> list[str]:
    return sorted(path.name for path in (trainer.out_dir / "checkpoints").iterdir())


def weights_in(directory: Path) -> dict[str, torch.Tensor]:
    return load_file(directory / "model.safetensors")


def copied(model: GPT) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_equal(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> None:
    assert left.keys() == right.keys()
    for name, tensor in left.items():
        assert torch.equal(tensor, right[name]), name
