"""Which way a model is run: in native code on a CPU where it can be, else by PyTorch itself."""

from __future__ import annotations

from collections.abc import Callable

from slm import runtime
from slm.errors import DeviceError
from slm.generate.generator import Generator
from slm.generate.native_build import NativeUnavailableError
from slm.generate.native_sampling import native_draw
from slm.generate.native_slots import WEIGHT_FORMATS, NativeSlots
from slm.generate.slot_decoder import SlotDecoder
from slm.model import GPT
from slm.tokenizer.base import Tokenizer

GENERATION_DTYPES = (*runtime.DTYPES, "int8")
AUTO_WEIGHTS = "bfloat16"
"""What `auto` takes in native code: the loss it costs is below what can be measured."""


def build_generator(
    model: GPT,
    tokenizer: Tokenizer,
    *,
    dtype: str = "auto",
    batch_size: int = 64,
    say: Callable[[str], None] | None = None,
) -> Generator:
    """The fastest generator for a model where it is.

    Args:
        model: in evaluation mode; on a CPU its weights are copied.
        tokenizer: the one that the model was trained with.
        dtype: one of `GENERATION_DTYPES`, or auto.
        batch_size: texts that run together at most.
        say: is told what takes long, and why a slower way is taken.

    Raises:
        DeviceError: the device cannot compute in the format that was asked for.
        TokenizerError: the tokenizer has more ids than the model.
    """
    device = model.device.type
    if device == "cpu" and dtype in (*WEIGHT_FORMATS, "auto"):
        weights = AUTO_WEIGHTS if dtype == "auto" else dtype
        try:
            slots = NativeSlots(
                model,
                batch_size,
                next(name for name in WEIGHT_FORMATS if name == weights),
                say=say,
            )
        except NativeUnavailableError as error:
            if dtype == "int8":
                raise DeviceError(f"int8 needs native code: {error.message}") from error
            if say is not None:
                say(f"generating without native code: {error.message}")
            dtype = "float32" if dtype == "auto" else dtype
        else:
            return Generator(
                model,
                tokenizer,
                batch_size=batch_size,
                decoder=SlotDecoder(slots),
                draw=native_draw,
            )
    if dtype == "int8":
        raise DeviceError(
            f"int8 is for CPUs, and the model is on {device}", hint="use --device cpu"
        )
    return Generator(model, tokenizer, dtype=runtime.resolve_dtype(dtype, device))
