"""`best_model.pt`: the best weights as one file, as the original interface has it.

A PyTorch file with plain values only: `format`, `model` (the state dict), `config` (the settings of
the model), `tokenizer`, `step` and `validation_loss`. It is read with `weights_only=True`, so that
nothing in it is ever executed.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slm.config import GPTConfig
from slm.errors import CheckpointError, SlmError, UsageError
from slm.files import atomic_write
from slm.model import GPT
from slm.tokenizer import tokenizer_from_json
from slm.tokenizer.base import Tokenizer
from slm.train.events import Callback, EvaluationRecord

MODEL_FILE = "best_model.pt"
MODEL_FORMAT = "slm-model-1"
FREE_SETTINGS = {"dropout", "block_size"}
"""Settings in which a model may differ from the one that its weights were trained in."""


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds; a bare state dict has neither config nor tokenizer."""

    weights: dict[str, Tensor]
    config: GPTConfig | None
    tokenizer: Tokenizer | None


class BestModelFile(Callback):
    """Writes `best_model.pt` whenever the validation loss is the best so far."""

    def __init__(self, path: Path, model: GPT, tokenizer: Callable[[], Tokenizer]) -> None:
        self.path = path
        self.model = model
        self.tokenizer = tokenizer

    def on_evaluation(self, record: EvaluationRecord) -> None:
        if record.is_best:
            content = {
                "format": MODEL_FORMAT,
                "model": {name: t.detach().cpu() for name, t in self.model.state_dict().items()},
                "config": dict(self.model.config.__dict__),
                "tokenizer": self.tokenizer().to_json(),
                "step": record.step,
                "validation_loss": record.loss,
            }
            buffer = io.BytesIO()
            torch.save(content, buffer)
            atomic_write(self.path, buffer.getvalue())


def load_model_file(path: Path) -> ModelFile:
    """Read a model file, or a bare state dict of a `GPT`.

    Raises:
        UsageError: there is no such file.
        CheckpointError: it is damaged, or holds anything but plain values and tensors.
    """
    if not path.is_file():
        raise UsageError(f"there is no model file {path}", hint="train a model first")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch warns of odd content before it refuses it
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damage makes PyTorch's reader fail in all kinds of ways
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} is not a model file: {reason}") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is not a model file: it holds a {type(content).__name__}")
    is_ours = content.get("format") == MODEL_FORMAT
    weights = content.get("model") if is_ours else content
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(t, Tensor) for name, t in weights.items()
    ):
        raise CheckpointError(f"{path} holds no weights")
    if not is_ours:
        return ModelFile(weights, config=None, tokenizer=None)
    try:
        return ModelFile(
            weights,
            config=GPTConfig(**content["config"]),
            tokenizer=tokenizer_from_json(content["tokenizer"]),
        )
    except (SlmError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from None


def load_weights(
    model: GPT, weights: dict[str, Tensor], *, where: Path, config: GPTConfig | None = None
) -> None:
    """Put weights into a model, all of them or none.

    Args:
        model: whose weights are replaced.
        weights: by name.
        where: the file they came from, for the message.
        config: the settings they were trained with, where known: the number of heads, say, does not
            show in any shape.

    Raises:
        CheckpointError: names, shapes or settings are not the model's; the message names the first.
    """
    expected = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    found = {name: tuple(t.shape) for name, t in weights.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise CheckpointError(
                f"{where} does not fit the model: {name} is {found.get(name, 'missing')} there, "
                f"{expected.get(name, 'absent')} here",
                hint="build the model with the settings it was trained with",
            )
    if config is not None:
        _check_settings(model.config, config, where)
    model.load_state_dict(weights)


def _check_settings(here: GPTConfig, there: GPTConfig, where: Path) -> None:
    resolved = {"n_kv_head": "kv_heads", "head_dim": "head_width", "mlp_dim": "mlp_width"}
    for name in GPTConfig.model_fields:
        value_here, value_there = (getattr(c, resolved.get(name, name)) for c in (here, there))
        if name not in FREE_SETTINGS and value_here != value_there:
            raise CheckpointError(
                f"{where} does not fit the model: {name} is {value_there} there, {value_here} here",
                hint="build the model with the settings it was trained with",
            )
