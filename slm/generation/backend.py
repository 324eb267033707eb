"""The choice of an engine: native code on a CPU if it is available, else PyTorch.

PyTorch is imported only where it computes: a checkpoint that native code can run does not need it,
which saves a second or two before the first token.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from slm.config import GPTConfig
from slm.errors import DeviceError
from slm.generation.engine import Engine
from slm.generation.generator import Generator
from slm.hardware import devices
from slm.log import Log
from slm.native.build import NativeUnavailableError
from slm.native.engine import WEIGHT_DTYPES, FloatArray, NativeEngine, WeightDtype, arrays_of
from slm.tokenizer.base import Tokenizer

if TYPE_CHECKING:
    from slm.checkpoint import Checkpoint
    from slm.model import GPT

GENERATION_DTYPES = (*devices.DTYPES, "int8")
AUTO_DTYPE = "bfloat16"
"""What `auto` means in native code: the loss increases by less than can be measured. Weights that
are stored in int8 are used in int8, which is faster and changes them no further."""

CACHE_BYTES = 160_000_000
"""Memory for the keys and values of sequences that run together."""
MIN_BATCH_SIZE = 32
"""Runs together whatever memory it needs: smaller batches read the weights too often."""
BATCH_SIZE = 64
"""Default of the sequences that run together."""


def build_engine(
    model: GPT,
    n_slots: int,
    *,
    dtype: str = "auto",
    stored_dtype: str = "float32",
    log: Log | None = None,
) -> Engine:
    """The fastest engine for a model on its device.

    Args:
        model: on a CPU its weights are copied.
        n_slots: how many sequences can run at the same time.
        dtype: one of `GENERATION_DTYPES`, or auto.
        stored_dtype: of the weights in their checkpoint; see `AUTO_DTYPE`.
        log: called with what takes long, and why a slower engine is used.

    Raises:
        DeviceError: the device cannot compute in the dtype.
    """
    if model.device.type == "cpu":
        weights = functools.partial(arrays_of, model)
        native = _native_engine(model.config, weights, n_slots, dtype, stored_dtype, log)
        if native is not None:
            return native
    return _torch_engine(model, n_slots, dtype)


def build_generator(
    model: GPT,
    tokenizer: Tokenizer,
    *,
    dtype: str = "auto",
    stored_dtype: str = "float32",
    batch_size: int = BATCH_SIZE,
    log: Log | None = None,
) -> Generator:
    """A generator with the fastest engine for a model on its device.

    Args:
        model, dtype, stored_dtype, log: see `build_engine`.
        tokenizer: the one that the model was trained with.
        batch_size: maximum number of sequences that run together. On a CPU it is smaller if their
            keys and values would need more than `CACHE_BYTES`; the others follow.

    Raises:
        DeviceError: the device cannot compute in the dtype.
        TokenizerError: the tokenizer has more ids than the model.
    """
    if model.device.type != "cpu":
        return Generator(_torch_engine(model, batch_size, dtype), tokenizer)
    return generator_from_weights(
        model.config,
        functools.partial(arrays_of, model),
        lambda: model,
        tokenizer,
        dtype=dtype,
        stored_dtype=stored_dtype,
        batch_size=batch_size,
        log=log,
    )


def load_generator(
    checkpoint: Checkpoint,
    *,
    device: str = "auto",
    dtype: str = "auto",
    log: Log | None = None,
) -> Generator:
    """A generator for a checkpoint; without PyTorch if native code can run it.

    Args:
        checkpoint: read and verified.
        device: where to compute, or auto.
        dtype, log: see `build_engine`.

    Raises:
        DeviceError: the device is not available, or cannot compute in the dtype.
        CheckpointError: the checkpoint has no tokenizer, or is damaged.
    """
    stored_dtype = checkpoint.weights_dtype
    if not devices.is_surely_cpu(device):
        return build_generator(
            checkpoint.build_model(devices.resolve_device(device)),
            checkpoint.tokenizer,
            dtype=dtype,
            stored_dtype=stored_dtype,
            log=log,
        )
    return generator_from_weights(
        checkpoint.config.model,
        checkpoint.weights,
        checkpoint.build_model,
        checkpoint.tokenizer,
        dtype=dtype,
        stored_dtype=stored_dtype,
        log=log,
    )


def generator_from_weights(
    config: GPTConfig,
    weights: Callable[[], Mapping[str, FloatArray]],
    build_model: Callable[[], GPT],
    tokenizer: Tokenizer,
    *,
    dtype: str = "auto",
    stored_dtype: str = "float32",
    batch_size: int = BATCH_SIZE,
    log: Log | None = None,
) -> Generator:
    """A generator on the CPU; the model itself is built only if native code cannot run it.

    Args:
        config: the shape of the model.
        weights: returns the arrays of `GPT.state_dict()` by name; they are copied.
        build_model: returns the model with these weights.
        tokenizer, dtype, stored_dtype, batch_size, log: see `build_generator`.

    Raises:
        DeviceError: the CPU cannot compute in the dtype.
    """
    n_slots = _fitting_batch_size(config, dtype, stored_dtype, batch_size)
    native = _native_engine(config, weights, n_slots, dtype, stored_dtype, log)
    if native is not None:
        return Generator(native, tokenizer)
    return Generator(_torch_engine(build_model(), batch_size, dtype), tokenizer)


def build_int8_engine(model: GPT, n_slots: int, *, log: Log | None = None) -> NativeEngine:
    """The native engine with int8 weights.

    Raises:
        DeviceError: the model is not on a CPU, or native code is not available.
    """
    if model.device.type != "cpu":
        raise _no_int8(model)
    weights = functools.partial(arrays_of, model)
    native = _native_engine(model.config, weights, n_slots, "int8", "float32", log)
    assert native is not None
    return native


def _native_dtype(dtype: str, stored_dtype: str) -> WeightDtype | None:
    """The dtype of native code; None: it does not have it."""
    auto = "int8" if stored_dtype == "int8" else AUTO_DTYPE
    wanted = auto if dtype == "auto" else dtype
    return next((name for name in WEIGHT_DTYPES if name == wanted), None)


def _fitting_batch_size(config: GPTConfig, dtype: str, stored_dtype: str, batch_size: int) -> int:
    """How many sequences run together in native code."""
    native_dtype = _native_dtype(dtype, stored_dtype)
    item_bytes = {"float32": 4, "bfloat16": 2, "int8": 1, None: 1}[native_dtype]
    items = 2 * config.n_layer * config.kv_heads * config.head_width * config.block_size
    return min(batch_size, max(MIN_BATCH_SIZE, CACHE_BYTES // (items * item_bytes)))


def _native_engine(
    config: GPTConfig,
    weights: Callable[[], Mapping[str, FloatArray]],
    n_slots: int,
    dtype: str,
    stored_dtype: str,
    log: Log | None,
) -> NativeEngine | None:
    """The native engine; None if it does not have the dtype or cannot be built here."""
    native_dtype = _native_dtype(dtype, stored_dtype)
    if native_dtype is None:
        return None
    try:
        return NativeEngine(config, weights(), n_slots, native_dtype, log=log)
    except NativeUnavailableError as error:
        if dtype == "int8":
            raise DeviceError(
                f"int8 needs native code: {error.message}", hint=error.hint
            ) from error
        if log is not None:
            log(f"generating without native code: {error.message}")
        return None


def _torch_engine(model: GPT, n_slots: int, dtype: str) -> Engine:
    from slm.generation.torch_engine import TorchEngine

    device = model.device.type
    if dtype == "int8":
        raise _no_int8(model)
    if dtype == "auto" and device == "cpu":
        dtype = "float32"  # PyTorch multiplies single rows in bfloat16 slowly on a CPU
    return TorchEngine(model, n_slots, devices.resolve_dtype(dtype, device))


def _no_int8(model: GPT) -> DeviceError:
    return DeviceError(
        f"int8 is for CPUs, and the model is on {model.device.type}", hint="use --device cpu"
    )
