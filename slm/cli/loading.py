"""A trained model as the commands use it: weights, tokenizer, device, number format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from slm.cli.output import say
from slm.config import DataConfig
from slm.errors import ConfigError, did_you_mean
from slm.hardware.devices import DTYPES, is_surely_cpu, resolve_device, resolve_dtype
from slm.interop.hub import local_checkpoint
from slm.run_paths import located_settings, run_of

if TYPE_CHECKING:
    from slm.checkpoint import TrainState
    from slm.generation import Generator
    from slm.model import GPT
    from slm.tokenizer.base import Tokenizer


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to be used, and what belongs to it."""

    path: Path
    """The checkpoint directory that was meant."""
    model: GPT
    tokenizer: Tokenizer
    state: TrainState
    data: DataConfig
    """What it was trained on, and which stories were held out."""
    device: str
    dtype: str


def load_model(path: Path, *, device: str | None, dtype: str) -> LoadedModel:
    """Load and verify the model that a user means by a path.

    Raises:
        UsageError: nothing is there.
        CheckpointError: it is damaged or of another version.
        DeviceError, ConfigError: the device or number format is not there.
    """
    _check_dtype(dtype)
    from slm.checkpoint import open_checkpoint

    device = resolve_device(device or "auto")
    checkpoint = open_checkpoint(local_checkpoint(path, log=note), log=note)
    return LoadedModel(
        path=checkpoint.path,
        model=checkpoint.build_model(device),
        tokenizer=checkpoint.tokenizer,
        state=checkpoint.state,
        data=located_settings(checkpoint.config, run_of(checkpoint.path)).data,
        device=device,
        dtype=resolve_dtype(dtype, device),
    )


def load_to_generate(path: Path, *, device: str | None, dtype: str) -> LoadedModel:
    """As `load_model`, for an engine of `slm.generation.backend` in a number format of these.

    int8 and auto are the engine's own: it makes them from the model as it is.
    """
    return load_model(path, device=device, dtype="float32" if dtype in ("auto", "int8") else dtype)


def load_checkpoint_generator(
    path: Path, *, device: str | None, dtype: str
) -> tuple[Path, Generator]:
    """The checkpoint directory that a user means by a path, and its fastest generator.

    Raises:
        UsageError, CheckpointError, DeviceError, ConfigError: as `load_model`.
    """
    if dtype != "int8":
        _check_dtype(dtype)
    device = device or "auto"
    if not is_surely_cpu(device):
        device = resolve_device(device)
    from slm.checkpoint import open_checkpoint
    from slm.generation import load_generator

    checkpoint = open_checkpoint(local_checkpoint(path, log=note), log=note)
    generator = load_generator(checkpoint, device=device, dtype=dtype, say=note)
    return checkpoint.path, generator


def note(text: str) -> None:
    """A note on stderr."""
    say(f"note: {text}")


def _check_dtype(dtype: str) -> None:
    if dtype not in (*DTYPES, "auto"):
        raise ConfigError(
            f"the number format {dtype!r} is not known",
            hint=did_you_mean(dtype, [*DTYPES, "int8"]) or f"use {', '.join(DTYPES)}, int8 or auto",
        )
