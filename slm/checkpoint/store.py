"""One checkpoint: a directory with a model and everything that belongs to it.

    model.safetensors        the weights
    config.json              all settings of the run, including the model's shape
    tokenizer.json           the tokenizer, so that a model is never used with the wrong one
    state.json               the state of the training
    card.json                only if there is one: what a user of the model should know
    optimizer.safetensors    only in checkpoints that training can resume from
    MANIFEST.json            size and checksums of each file

It is written to a temporary directory, flushed to the disk and renamed, so it is complete or
absent. Each file is verified while it is read, and nothing is ever unpickled.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from slm.checkpoint.int8 import QuantizedTensor, with_scales, without_scales
from slm.checkpoint.manifest import INT8_VERSION, VERSION, Manifest, ManifestWriter
from slm.checkpoint.tensors import (
    Header,
    StoredTensor,
    entries_of,
    read_stored,
    read_tensors,
    write_tensors,
)
from slm.config import GPTConfig, RunConfig
from slm.errors import CheckpointError, NoSpaceError, TokenizerError, shown
from slm.model.costs import parameter_shapes
from slm.model_card import ModelCard
from slm.storage.disk_space import no_space_to_write
from slm.storage.files import atomic_directory, readable_directory
from slm.tokenizer.base import Tokenizer
from slm.train_state import TrainState

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from slm.model import GPT

MODEL_NAME = "model.safetensors"
OPTIMIZER_NAME = "optimizer.safetensors"
CONFIG_NAME = "config.json"
TOKENIZER_NAME = "tokenizer.json"
STATE_NAME = "state.json"
CARD_NAME = "card.json"

_READ_ATTEMPTS = 200
"""How often a read is repeated because the checkpoint was replaced meanwhile."""
_MAX_OPTIMIZER_RATIO = 32
"""AdamW stores 2 numbers per weight; a file above this ratio is not an optimizer state."""


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint in memory."""

    path: Path
    config: RunConfig
    state: TrainState
    _weights: Mapping[str, StoredTensor | QuantizedTensor] = field(repr=False)
    _manifest: Manifest = field(repr=False)
    _tokenizer_description: Any = field(repr=False)
    """The tokenizer's JSON data, read with the weights, since the files may be replaced later."""
    card: ModelCard | None = None

    @functools.cached_property
    def model_state(self) -> Mapping[str, Tensor]:
        """Name to weights, on the CPU; int8 weights in float32."""
        return {name: stored.tensor() for name, stored in self._weights.items()}

    def weights(self) -> dict[str, npt.NDArray[np.float32]]:
        """Name to weights in float32, for the engine that computes without PyTorch.

        Weights that are stored in float32 share the memory of `model_state`.
        """
        return {name: stored.float32() for name, stored in self._weights.items()}

    @property
    def weights_dtype(self) -> str:
        """The dtype in which the token embedding is stored: float32, bfloat16, float16 or int8."""
        return self._weights["token_embedding.weight"].entry.dtype.name

    @functools.cached_property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer.

        Raises:
            CheckpointError: the checkpoint has none, or it is damaged or its vocabulary too large.
        """
        from slm.tokenizer import tokenizer_from_json

        if TOKENIZER_NAME not in self._manifest.files:
            raise CheckpointError(f"{self.path} has no tokenizer")
        where = self.tokenizer_file
        try:
            tokenizer = tokenizer_from_json(self._tokenizer_description, source=str(where))
        except TokenizerError as error:
            raise CheckpointError(error.message, hint=error.hint) from None
        _check_vocabulary(tokenizer, self.config.model, where)
        return tokenizer

    @property
    def tokenizer_file(self) -> Path:
        """Where the tokenizer is stored, if there is one."""
        return self.path / TOKENIZER_NAME

    @property
    def weights_sha256(self) -> str:
        """The SHA-256 (hexadecimal) of the file with the weights."""
        return self._manifest.require(MODEL_NAME).sha256

    @property
    def has_optimizer_state(self) -> bool:
        """Whether training can resume from this checkpoint."""
        return OPTIMIZER_NAME in self._manifest.files

    @functools.cached_property
    def optimizer_state(self) -> Mapping[str, Tensor]:
        """The optimizers' flat state, on the CPU; see `restore_optimizer_state`.

        Raises:
            CheckpointError: the checkpoint has none (`best` never has), or it is damaged.
        """
        if not self.has_optimizer_state:
            raise CheckpointError(
                f"{self.path} has no optimizer state, so training cannot resume from it",
                hint="resume from the run directory, whose newest full checkpoint is used",
            )
        limit = _MAX_OPTIMIZER_RATIO * self._manifest.require(MODEL_NAME).size
        if self._manifest.files[OPTIMIZER_NAME].size > limit:
            raise CheckpointError(f"{self.path / OPTIMIZER_NAME} is too large for this model")
        with self._manifest.open(OPTIMIZER_NAME) as reader:
            return read_tensors(reader, check=lambda header: None)

    def build_model(self, device: torch.device | str = "cpu") -> GPT:
        """The model with these weights, in eval mode."""
        import torch

        from slm.model import GPT

        # The initial values are overwritten; drawing them must not advance the caller's generator.
        with torch.random.fork_rng(devices=[]):
            model = GPT(self.config.model)
        model.load_state_dict(dict(self.model_state))
        return model.to(device).eval()


def save_checkpoint(
    path: Path,
    *,
    model_state: Mapping[str, Tensor],
    config: RunConfig,
    tokenizer: Tokenizer | None,
    state: TrainState,
    optimizer_state: Mapping[str, Tensor] | None = None,
    card: ModelCard | None = None,
) -> None:
    """Write a checkpoint directory; an older one of that name is replaced once this is complete.

    Args:
        path: the directory.
        model_state: name to weights, from `GPT.state_dict()`, on any device.
        config: all settings of the run; `config.model` is the shape of the weights.
        tokenizer: the model's tokenizer; None: the model is used with token ids only.
        state: the state of the training.
        optimizer_state: from `flatten_optimizer_state`; None: training cannot resume from it.
        card: what a user of the model should know.

    Raises:
        CheckpointError: the weights do not fit the config or are non-finite; nothing is written.
        WriteError, NoSpaceError: nothing is left behind, and an older checkpoint is kept.
    """
    entries = entries_of(model_state)
    _check_entries(entries, config.model, path)
    _check_finite(model_state, path)
    if tokenizer is not None:
        _check_vocabulary(tokenizer, config.model, path)
    try:
        with atomic_directory(path) as directory:
            writer = ManifestWriter(directory)
            with writer.open(MODEL_NAME) as stream:
                write_tensors(stream, model_state)
            if optimizer_state is not None:
                with writer.open(OPTIMIZER_NAME) as stream:
                    write_tensors(stream, optimizer_state)
            if tokenizer is not None:
                writer.json(TOKENIZER_NAME, tokenizer.to_json())
            writer.json(CONFIG_NAME, config.to_json())
            writer.json(STATE_NAME, state.to_json())
            if card is not None:
                writer.json(CARD_NAME, card.to_json())
            has_int8 = any(entry.dtype.name == "int8" for entry in entries.values())
            writer.finish(INT8_VERSION if has_int8 else VERSION)
    except NoSpaceError as error:
        needed = sum(t.nbytes for t in (*model_state.values(), *(optimizer_state or {}).values()))
        reason = error.__cause__.strerror if isinstance(error.__cause__, OSError) else None
        raise no_space_to_write(path, reason, needed) from error


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Read and verify a checkpoint directory; it may be replaced meanwhile.

    The optimizer state is read and verified later, when it is used.

    Args:
        path: the directory itself; see `resolve_checkpoint` for run directories.

    Raises:
        CheckpointError: a file is missing or damaged, has another version, or does not fit the
            others.
    """
    path = Path(path)
    for _ in range(_READ_ATTEMPTS - 1):
        identity = _identity(path)
        try:
            return _load(path)
        except CheckpointError:
            if _identity(path) == identity:
                raise
    return _load(path)


def _identity(path: Path) -> tuple[Path, int, int] | None:
    """A value that changes when a directory is replaced or moved aside."""
    directory = readable_directory(path)
    try:
        status = directory.stat()
    except OSError:
        return None
    return directory, status.st_ino, status.st_mtime_ns


def _load(path: Path) -> Checkpoint:
    manifest = Manifest.read(readable_directory(path))
    config_path = manifest.directory / CONFIG_NAME
    config = RunConfig.from_json(manifest.json(CONFIG_NAME), where=str(config_path))
    state = TrainState.from_json(
        manifest.json(STATE_NAME), where=str(manifest.directory / STATE_NAME)
    )
    tokenizer = manifest.json(TOKENIZER_NAME) if TOKENIZER_NAME in manifest.files else None
    model_path = manifest.directory / MODEL_NAME

    with manifest.open(MODEL_NAME) as reader:
        stored = read_stored(
            reader, lambda header: _check_entries(header, config.model, model_path)
        )
    weights = with_scales(stored)
    for name, tensor in weights.items():
        if not tensor.is_finite():
            raise _not_finite(name, model_path)
    return Checkpoint(path, config, state, weights, manifest, tokenizer, read_card(manifest))


def read_card(manifest: Manifest) -> ModelCard | None:
    """The model card of a checkpoint; None if it has none.

    Raises:
        CheckpointError: it is damaged.
    """
    if CARD_NAME not in manifest.files:
        return None
    try:
        return ModelCard.from_json(manifest.json(CARD_NAME))
    except ValueError as error:
        raise CheckpointError(f"{manifest.directory / CARD_NAME}: {error}") from None


def verify_checkpoint(path: Path | str) -> None:
    """Read and verify a whole checkpoint, including the optimizer state if it has one.

    Raises:
        CheckpointError: the first error found.
    """
    checkpoint = load_checkpoint(path)
    if checkpoint.has_optimizer_state:
        _ = checkpoint.optimizer_state


def _check_entries(header: Header, config: GPTConfig, where: Path) -> None:
    """Refuse weights whose names, shapes or dtypes are not those of the model."""
    entries = without_scales(header, where)
    expected = parameter_shapes(config)
    if odd := entries.keys() ^ expected.keys():
        name = min(odd)
        problem = "lacks the weights" if name in expected else "has unknown weights"
        raise CheckpointError(
            f"{where} {problem} {shown(name)}; the model has {len(expected)} tensors"
        )
    for name, entry in entries.items():
        if entry.shape != expected[name]:
            raise CheckpointError(
                f"{where}: {name} has shape {list(entry.shape)}, "
                f"expected {list(expected[name])} from the settings"
            )
        if not (entry.dtype.is_floating_point or entry.dtype.name == "int8"):
            raise CheckpointError(f"{where}: {shown(name)} has dtype {entry.dtype.name}")


def _check_finite(tensors: Mapping[str, Tensor], where: Path) -> None:
    for name, tensor in tensors.items():
        # Minimum and maximum show NaN and infinities, without a temporary array.
        if tensor.numel() and not all(e.isfinite() for e in tensor.detach().aminmax()):
            raise _not_finite(name, where)


def _not_finite(name: str, where: Path) -> CheckpointError:
    return CheckpointError(f"{where}: {name} has non-finite values")


def _check_vocabulary(tokenizer: Tokenizer, config: GPTConfig, where: Path) -> None:
    if tokenizer.vocab_size > config.vocab_size:
        raise CheckpointError(
            f"{where}: the tokenizer has {tokenizer.vocab_size} ids, "
            f"the model only {config.vocab_size}"
        )
