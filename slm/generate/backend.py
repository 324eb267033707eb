"""Which way a model is run: in native code on a CPU where it can be, else by PyTorch itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from slm import runtime
from slm.config import GPTConfig
from slm.errors import DeviceError
from slm.generate.generator import Generator
from slm.generate.native_build import NativeUnavailableError
from slm.generate.native_sampling import native_draw
from slm.generate.native_slots import WEIGHT_FORMATS, NativeSlots, WeightFormat
from slm.generate.sampling import Draw, draw
from slm.generate.slot_decoder import SlotDecoder
from slm.generate.slots import PlainSlots, Slots
from slm.model import GPT
from slm.tokenizer.base import Tokenizer

GENERATION_DTYPES = (*runtime.DTYPES, "int8")
AUTO_WEIGHTS = "bfloat16"
"""What `auto` takes in native code: the loss it costs is below what can be measured."""

CACHE_BYTES = 160_000_000
"""Room for the keys and values of texts that run together."""
FEWEST_TOGETHER = 32
"""So many run together whatever room they need: with fewer, reading the weights takes too long."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Engine:
    """Slots, and the draw of ids from their logits."""

    slots: Slots
    draw: Draw


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
    native = _native_slots(model, n_slots, dtype, say)
    if native is not None:
        return Engine(native, native_draw)
    return Engine(PlainSlots(model, n_slots, _plain_dtype(model, dtype)), draw)


def build_generator(
    model: GPT,
    tokenizer: Tokenizer,
    *,
    dtype: str = "auto",
    batch_size: int = 64,
    release_model: bool = False,
    say: Say | None = None,
) -> Generator:
    """The fastest generator for a model where it is, for texts that begin together.

    Args:
        model, dtype, say: see `build_engine`.
        tokenizer: the one that the model was trained with.
        batch_size: texts that run together at most; in native code fewer do where their keys and
            values would need more than `CACHE_BYTES`, and the others follow.
        release_model: where the weights are copied, the model's own are given up, and it cannot
            be used any longer.

    Raises:
        DeviceError: the device cannot compute in the format that was asked for.
        TokenizerError: the tokenizer has more ids than the model.
    """
    weights = _weights(model, dtype)
    together = batch_size
    if weights is not None:
        together = min(batch_size, _most_together(model.config, weights))
    native = _native_slots(model, together, dtype, say)
    if native is None:
        plain = _plain_dtype(model, dtype)
        return Generator(model, tokenizer, dtype=plain, batch_size=batch_size)
    generator = Generator(
        model, tokenizer, batch_size=together, decoder=SlotDecoder(native), draw=native_draw
    )
    if release_model:
        for parameter in model.parameters():
            parameter.data = parameter.data.new_empty(0)
    return generator


def int8_slots(model: GPT, n_slots: int, *, say: Say | None = None) -> NativeSlots:
    """The model with int8 weights.

    Raises:
        DeviceError: it is not on a CPU, or there is no compiler for the native code.
    """
    native = _native_slots(model, n_slots, "int8", say)
    if native is None:
        raise _no_int8(model)
    return native


def _weights(model: GPT, dtype: str) -> WeightFormat | None:
    """The number format of native code; None: it does not have it, or not on this device."""
    wanted = AUTO_WEIGHTS if dtype == "auto" else dtype
    weights = next((name for name in WEIGHT_FORMATS if name == wanted), None)
    return weights if model.device.type == "cpu" else None


def _most_together(config: GPTConfig, weights: WeightFormat) -> int:
    """How many texts may run together."""
    item = {"float32": 4, "bfloat16": 2, "int8": 1}[weights]
    numbers = 2 * config.n_layer * config.kv_heads * config.head_width * config.block_size
    return max(FEWEST_TOGETHER, CACHE_BYTES // (numbers * item))


def _native_slots(model: GPT, n_slots: int, dtype: str, say: Say | None) -> NativeSlots | None:
    """Slots in native code, where that can do it."""
    weights = _weights(model, dtype)
    if weights is None:
        return None
    try:
        return NativeSlots(model, n_slots, weights, say=say)
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
    return runtime.resolve_dtype(dtype, device)
