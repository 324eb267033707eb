"""Which way a model is run: in native code on a CPU where it can be, else by PyTorch itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from slm import runtime
from slm.errors import DeviceError
from slm.generate.generator import Generator
from slm.generate.native_build import NativeUnavailableError
from slm.generate.native_sampling import native_draw
from slm.generate.native_slots import WEIGHT_FORMATS, NativeSlots
from slm.generate.sampling import Draw, draw
from slm.generate.slot_decoder import SlotDecoder
from slm.generate.slots import PlainSlots, Slots
from slm.model import GPT
from slm.tokenizer.base import Tokenizer

GENERATION_DTYPES = (*runtime.DTYPES, "int8")
AUTO_WEIGHTS = "bfloat16"
"""What `auto` takes in native code: the loss it costs is below what can be measured."""

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
    say: Say | None = None,
) -> Generator:
    """The fastest generator for a model where it is, for texts that begin together.

    Args:
        model, dtype, say: see `build_engine`.
        tokenizer: the one that the model was trained with.
        batch_size: texts that run together at most.

    Raises:
        DeviceError: the device cannot compute in the format that was asked for.
        TokenizerError: the tokenizer has more ids than the model.
    """
    native = _native_slots(model, batch_size, dtype, say)
    if native is None:
        plain = _plain_dtype(model, dtype)
        return Generator(model, tokenizer, dtype=plain, batch_size=batch_size)
    decoder = SlotDecoder(native)
    return Generator(model, tokenizer, batch_size=batch_size, decoder=decoder, draw=native_draw)


def _native_slots(model: GPT, n_slots: int, dtype: str, say: Say | None) -> NativeSlots | None:
    """Slots in native code, where that can do it."""
    wanted = AUTO_WEIGHTS if dtype == "auto" else dtype
    weights = next((name for name in WEIGHT_FORMATS if name == wanted), None)
    if model.device.type != "cpu" or weights is None:
        return None
    try:
        return NativeSlots(model, n_slots, weights, say=say)
    except NativeUnavailableError as error:
        if dtype == "int8":
            raise DeviceError(f"int8 needs native code: {error.message}") from error
        if say is not None:
            say(f"generating without native code: {error.message}")
        return None


def _plain_dtype(model: GPT, dtype: str) -> str:
    """The number format in which PyTorch computes."""
    device = model.device.type
    if dtype == "int8":
        raise DeviceError(
            f"int8 is for CPUs, and the model is on {device}", hint="use --device cpu"
        )
    # PyTorch is slow at single rows in bfloat16 on a CPU.
    if dtype == "auto" and device == "cpu":
        return "float32"
    return runtime.resolve_dtype(dtype, device)
