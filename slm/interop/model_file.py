"""`best_model.pt`: the best weights as one file, as the original interface has it.

A PyTorch file with plain values only: `format`, `model` (the state dict), `config` (the settings of
the model), `tokenizer`, `step` and `validation_loss`. It is read with `weights_only=True`, so that
nothing in it is ever executed, and only after a look at what it would unpack.
"""

from __future__ import annotations

import pickletools
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch import Tensor

from slm.config import GPTConfig
from slm.errors import CheckpointError, SlmError, UsageError, shown
from slm.model import GPT
from slm.model.costs import parameter_shapes
from slm.parallel.fsdp import load_whole
from slm.storage.files import atomic_open
from slm.tokenizer import tokenizer_from_json
from slm.tokenizer.base import Tokenizer

MODEL_FORMAT = "slm-model-1"
FREE_SETTINGS = {"dropout", "block_size"}
"""Settings in which a model may differ from the one that its weights were trained in."""

_DTYPES = {torch.float32, torch.float64, torch.float16, torch.bfloat16}
_MAX_PICKLE_BYTES = 64 << 20
_KNOWN_GLOBAL = re.compile(
    r"collections OrderedDict|torch \w+Storage|torch\._utils _rebuild_(tensor_v2|parameter)"
)
"""What a file of plain tensors names."""
_MAKES_OBJECTS = {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4"}
"""Instructions of a pickle that `torch.save` never writes for plain tensors."""


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds; a bare state dict has neither config nor tokenizer."""

    weights: dict[str, Tensor]
    config: GPTConfig | None
    tokenizer: Tokenizer | None


def write_model_file(
    path: Path,
    weights: Mapping[str, Tensor],
    config: GPTConfig,
    tokenizer: Tokenizer,
    *,
    step: int,
    validation_loss: float,
) -> None:
    """Write a model file; an earlier one is replaced when the new one is complete.

    Raises:
        WriteError, NoSpaceError: it cannot be written; an earlier file is unchanged.
    """
    content = {
        "format": MODEL_FORMAT,
        "model": {name: tensor.detach().cpu() for name, tensor in weights.items()},
        "config": dict(config.__dict__),
        "tokenizer": tokenizer.to_json(),
        "step": step,
        "validation_loss": validation_loss,
    }
    with atomic_open(path) as stream:
        save_plain(content, stream)


def save_plain(content: Mapping[str, Any], stream: IO[bytes]) -> None:
    """Write values and tensors as PyTorch does.

    Raises:
        OSError: the stream cannot be written.
    """
    output = _Output(stream)
    torch.save(content, cast(IO[bytes], output))
    if output.error is not None:
        raise output.error


class _Output:
    """A stream that keeps the error of a failed write, which PyTorch would hide."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def write(self, content: bytes) -> int:
        if self.error is None:
            try:
                self._stream.write(content)
            except OSError as error:
                self.error = error
        return len(content)

    def flush(self) -> None:
        """The file's owner flushes it."""


def load_model_file(path: Path) -> ModelFile:
    """Read a model file, or a bare state dict of a `GPT`.

    Raises:
        UsageError: there is no such file.
        CheckpointError: it is damaged, holds anything but plain values and finite tensors, or is of
            another version or of another shape than it says.
    """
    if not path.is_file():
        raise UsageError(f"there is no model file {path}", hint="train a model first")
    content = load_plain(path)
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is not a model file: it contains a {type(content).__name__}")
    found = content.get("format")
    is_ours = found == MODEL_FORMAT
    if not is_ours and isinstance(found, str) and found.startswith("slm-model-"):
        raise CheckpointError(
            f"{path} has the format {shown(found)}, this program reads {MODEL_FORMAT}",
            hint="use the version of slm that wrote it",
        )
    weights = content.get("model") if is_ours else content
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(t, Tensor) for name, t in weights.items()
    ):
        raise CheckpointError(f"{path} contains no weights")
    _check_values(path, weights)
    if not is_ours:
        return ModelFile(weights, config=None, tokenizer=None)
    try:
        config = GPTConfig(**content["config"])
        tokenizer = tokenizer_from_json(content["tokenizer"])
    except (SlmError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from None
    # Before anybody makes a model of that shape, which may be larger than any memory.
    if config.n_layer > len(weights):
        raise CheckpointError(f"{path} is damaged: it lacks weights of its {config.n_layer} layers")
    _check_shapes(weights, parameter_shapes(config), where=path, other="its own settings")
    return ModelFile(weights, config, tokenizer)


def load_plain(path: Path) -> Any:
    """The content of a PyTorch file that holds plain values and tensors only.

    Raises:
        CheckpointError: it is damaged, or holds anything else.
    """
    try:
        _check_archive(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch warns of odd content before it refuses it
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damage makes PyTorch's reader fail in all kinds of ways
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} is not a file of plain tensors: {reason}") from None


def load_plain_tensors(path: Path) -> dict[str, Tensor]:
    """A mapping of names to tensors from a PyTorch file.

    Raises:
        CheckpointError: it is damaged, or holds anything else.
    """
    content = load_plain(path)
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(t, Tensor) for name, t in content.items()
    ):
        raise CheckpointError(f"{path} contains more than names and tensors")
    weights = dict(content)
    parts = {(t.data_ptr(), t.shape): t.nbytes for t in weights.values()}
    if sum(parts.values()) > path.stat().st_size:
        raise CheckpointError(f"{path} claims weights of more bytes than it has")
    return weights


def _check_archive(path: Path) -> None:
    """Refuse a file that would unpack to more than it is, or to anything but plain tensors.

    Raises:
        ValueError: it says why; other errors come from damage.
    """
    with zipfile.ZipFile(path) as archive:
        records = archive.infolist()
        # PyTorch compresses nothing.
        if any(record.compress_type != zipfile.ZIP_STORED for record in records):
            raise ValueError("it is compressed")
        if sum(record.file_size for record in records) > path.stat().st_size:
            raise ValueError("its records overlap")
        (pickled,) = (record for record in records if record.filename.endswith("/data.pkl"))
        if pickled.file_size > _MAX_PICKLE_BYTES:
            raise ValueError(f"its pickle has {pickled.file_size:,} bytes")
        for instruction, argument, _ in pickletools.genops(archive.read(pickled)):
            if instruction.name in _MAKES_OBJECTS or (
                instruction.name == "GLOBAL" and not _KNOWN_GLOBAL.fullmatch(str(argument))
            ):
                raise ValueError(f"it contains more than plain tensors: {shown(argument)}")


def _check_values(path: Path, weights: dict[str, Tensor]) -> None:
    """Refuse weights that are not finite, and tensors that claim more bytes than the file has."""
    parts = {(t.data_ptr(), t.shape): t.nbytes for t in weights.values()}  # tied ones share theirs
    if sum(parts.values()) > path.stat().st_size:
        raise CheckpointError(f"{path} claims weights of more bytes than it has")
    for name, tensor in weights.items():
        if tensor.dtype not in _DTYPES:
            raise CheckpointError(f"{path}: {name} has dtype {tensor.dtype}")
        if tensor.numel() and not all(e.isfinite() for e in torch.aminmax(tensor)):
            raise CheckpointError(f"{path}: {name} has values that are not finite")


def _check_shapes(
    weights: Mapping[str, Tensor],
    expected: Mapping[str, tuple[int, ...]],
    *,
    where: Path,
    other: str,
) -> None:
    found = {name: tuple(t.shape) for name, t in weights.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise CheckpointError(
                f"{where} does not fit {other}: {name} is {found.get(name, 'missing')} there, "
                f"{expected.get(name, 'absent')} here",
                hint="build the model with the settings it was trained with",
            )


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
    _check_shapes(weights, expected, where=where, other="the model")
    if config is not None:
        _check_settings(model.config, config, where)
    load_whole(model, weights)


def _check_settings(here: GPTConfig, there: GPTConfig, where: Path) -> None:
    resolved = {"n_kv_head": "kv_heads", "head_dim": "head_width", "mlp_dim": "mlp_width"}
    for name in GPTConfig.model_fields:
        value_here, value_there = (getattr(c, resolved.get(name, name)) for c in (here, there))
        if name not in FREE_SETTINGS and value_here != value_there:
            raise CheckpointError(
                f"{where} does not fit the model: {name} is {value_there} there, {value_here} here",
                hint="build the model with the settings it was trained with",
            )
