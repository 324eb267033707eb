"""Which way a model is run: in native code on a CPU where it can be, else by PyTorch itself.

PyTorch is imported only where it computes: a checkpoint that native code runs needs none of it, and
so its first word comes a second or two earlier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slm.config import GPTConfig
from slm.errors import DeviceError
from slm.generation.decoder import Draw
from slm.generation.generator import Generator
from slm.generation.slot_decoder import SlotDecoder
from slm.hardware import devices
from slm.native.build import NativeUnavailableError
from slm.native.engine import (
    WEIGHT_FORMATS,
    Floats,
    NativeModel,
    WeightFormat,
    arrays_of,
)
from slm.native.sampling import native_draw
from slm.tokenizer.base import Tokenizer

if TYPE_CHECKING:
    from slm.checkpoint import Checkpoint
    from slm.generation.slots import Slots
    from slm.model import GPT

GENERATION_DTYPES = (*devices.DTYPES, "int8")
AUTO_WEIGHTS = "bfloat16"
"""What `auto` takes in native code: the loss it costs is below what can be measured."""

CACHE_BYTES = 160_000_000
"""Room for the keys and values of texts that run together."""
FEWEST_TOGETHER = 32
"""So many run together whatever room they need: with fewer, reading the weights takes too long."""
BATCH_SIZE = 64
"""Texts that run together at most, where nobody says."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Engine:
    """Slots, and the draw of ids from their logits."""

    slots: Slots
    draw: Draw
    dtype: str = "float32"
    """Of the weights in native code, or of PyTorch's matrix multiplications."""


def build_engine(
    model: GPT, n_slots: int, *, dtype: str = "auto", say: Say | None = None
) -> Engine:
    """The fastest slots for a model where it is, for texts that come and go.

    Args:
        model: in evaluation mode; on a CPU its weights are copied.
        n_slots: how many texts can be in progress.
        dtype: one of `GENERATION_DTYPES`, or auto.
        say: is told what takes long, and why a slower way is taken.

    Raises:
        DeviceError: the device cannot compute in the format that was asked for.
    """
    from slm.generation.batch_sampling import draw
    from slm.generation.native_slots import NativeSlots
    from slm.generation.slots import PlainSlots

    native = _native_of(model, n_slots, dtype, say)
    if native is not None:
        return Engine(NativeSlots(native), native_draw, native.weight_format)
    dtype = _plain_dtype(model, dtype)
    return Engine(PlainSlots(model, n_slots, dtype), draw, dtype)


def build_generator(
    model: GPT,
    tokenizer: Tokenizer,
    *,
    dtype: str = "auto",
    batch_size: int = BATCH_SIZE,
    say: Say | None = None,
) -> Generator:
    """The fastest generator for a model where it is, for texts that begin together.

    Args:
        model, dtype, say: see `build_engine`.
        tokenizer: the one that the model was trained with.
        batch_size: texts that run together at most; in native code fewer do where their keys and
            values would need more than `CACHE_BYTES`, and the others follow.

    Raises:
        DeviceError: the device cannot compute in the format that was asked for.
        TokenizerError: the tokenizer has more ids than the model.
    """
    native = None
    if model.device.type == "cpu":
        native = native_generator(
            model.config,
            lambda: arrays_of(model),
            tokenizer,
            dtype=dtype,
            batch_size=batch_size,
            say=say,
        )
    if native is None:
        return plain_generator(model, tokenizer, dtype, batch_size)
    return native


def load_generator(
    checkpoint: Checkpoint,
    *,
    device: str = "auto",
    dtype: str = "auto",
    say: Say | None = None,
) -> Generator:
    """The fastest generator for a checkpoint; without PyTorch where native code can run it.

    Args:
        checkpoint: read and verified, with its weights on the CPU.
        device: where to compute, or auto.
        dtype, say: see `build_engine`.

    Raises:
        DeviceError: the device is not there, or cannot compute in the format that was asked for.
        CheckpointError: the checkpoint has no tokenizer, or it is damaged.
    """
    if not devices.is_surely_cpu(device):
        model = checkpoint.build_model(devices.resolve_device(device))
        return build_generator(model, checkpoint.tokenizer, dtype=dtype, say=say)
    config, tokenizer = checkpoint.config.model, checkpoint.tokenizer
    native = native_generator(config, checkpoint.weights, tokenizer, dtype=dtype, say=say)
    if native is not None:
        return native
    return plain_generator(checkpoint.build_model(), tokenizer, dtype, BATCH_SIZE)


def native_generator(
    config: GPTConfig,
    weights: Callable[[], Mapping[str, Floats]],
    tokenizer: Tokenizer,
    *,
    dtype: str = "auto",
    batch_size: int = BATCH_SIZE,
    say: Say | None = None,
) -> Generator | None:
    """A generator in native code from weights alone; None: there is no such code here, or none for
    the number format.

    Args:
        config: the shape.
        weights: gives name to values, as `GPT.state_dict()` has them; they are copied.
        tokenizer, dtype, batch_size, say: see `build_generator`.

    Raises:
        DeviceError: int8 was asked for, and there is no native code.
    """
    together = _most_together(config, dtype, batch_size)
    native = _native(config, weights, together, dtype, say)
    if native is None:
        return None
    return Generator(
        native, tokenizer, batch_size=together, decoder=SlotDecoder(native), draw=native_draw
    )


def plain_generator(model: GPT, tokenizer: Tokenizer, dtype: str, batch_size: int) -> Generator:
    """A generator by PyTorch alone; see `build_generator`."""
    dtype = _plain_dtype(model, dtype)
    return Generator(model, tokenizer, dtype=dtype, batch_size=batch_size)


def int8_model(model: GPT, n_slots: int, *, say: Say | None = None) -> NativeModel:
    """The model with int8 weights.

    Raises:
        DeviceError: it is not on a CPU, or there is no compiler for the native code.
    """
    native = _native_of(model, n_slots, "int8", say)
    if native is None:
        raise _no_int8(model)
    return native


def _weight_format(dtype: str) -> WeightFormat | None:
    """The number format of native code; None: it does not have it."""
    wanted = AUTO_WEIGHTS if dtype == "auto" else dtype
    return next((name for name in WEIGHT_FORMATS if name == wanted), None)


def _most_together(config: GPTConfig, dtype: str, batch_size: int) -> int:
    """How many texts may run together in native code."""
    item = {"float32": 4, "bfloat16": 2, "int8": 1, None: 1}[_weight_format(dtype)]
    numbers = 2 * config.n_layer * config.kv_heads * config.head_width * config.block_size
    return min(batch_size, max(FEWEST_TOGETHER, CACHE_BYTES // (numbers * item)))


def _native_of(model: GPT, n_slots: int, dtype: str, say: Say | None) -> NativeModel | None:
    """A model in native code, where that can run it."""
    if model.device.type != "cpu":
        return None
    return _native(model.config, lambda: arrays_of(model), n_slots, dtype, say)


def _native(
    config: GPTConfig,
    weights: Callable[[], Mapping[str, Floats]],
    n_slots: int,
    dtype: str,
    say: Say | None,
) -> NativeModel | None:
    """Weights in native code, where there is such code for this number format."""
    weight_format = _weight_format(dtype)
    if weight_format is None:
        return None
    try:
        return NativeModel(config, weights(), n_slots, weight_format, say=say)
    except NativeUnavailableError as error:
        if dtype == "int8":
            raise DeviceError(
                f"int8 needs native code: {error.message}", hint=error.hint
            ) from error
        if say is not None:
            say(f"generating without native code: {error.message}")
        return None


def _no_int8(model: GPT) -> DeviceError:
    return DeviceError(
        f"int8 is for CPUs, and the model is on {model.device.type}", hint="use --device cpu"
    )


def _plain_dtype(model: GPT, dtype: str) -> str:
    """The number format in which PyTorch computes."""
    device = model.device.type
    if dtype == "int8":
        raise _no_int8(model)
    # PyTorch is slow at single rows in bfloat16 on a CPU.
    if dtype == "auto" and device == "cpu":
        return "float32"
    return devices.resolve_dtype(dtype, device)
