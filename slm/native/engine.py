"""A model in native code: the fastest way to generate on a CPU, and one that needs no PyTorch.

The arithmetic is that of `slm.model`, written again in C++ for one token a row
(`slm/native/src`). With float32 weights it is the plain path up to rounding; bfloat16 and int8
weights are smaller, and what they cost in quality is measured in docs/LOG.md. V ids.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt

from slm.config import GPTConfig
from slm.hardware.devices import cpu_threads
from slm.native.build import NativeUnavailableError, native_library

if TYPE_CHECKING:
    from slm.model import GPT

Floats = npt.NDArray[np.float32]

WeightFormat = Literal["float32", "bfloat16", "int8"]
WEIGHT_FORMATS: tuple[WeightFormat, ...] = get_args(WeightFormat)

WEIGHTS_PER_THREAD = 500_000
"""With fewer weights than this for each, threads spend their time waiting for each other."""


class _Shape(ctypes.Structure):
    """`Shape` of src/decoder.h."""

    _fields_ = (
        *(
            (name, ctypes.c_int32)
            for name in (
                *("vocab_size", "block_size", "n_layer", "n_head", "kv_heads"),
                *("n_embd", "head_width", "mlp_width"),
                *("rms_norm", "rotary", "gated", "qk_norm", "tied"),
                *("format", "slots", "threads"),
            )
        ),
        ("norm_eps", ctypes.c_float),
    )


class NativeModel:
    """Slots as `slm.generation.slots.Slots` describes them, with logits as arrays.

    Args:
        config: the shape.
        weights: name to values, as `GPT.state_dict()` has them; they are copied.
        n_slots: how many texts can be in progress.
        weight_format: number format of the copy. bfloat16 halves and int8 quarters what each token
            reads from memory; keys and values are kept in the same format.
        threads: None: as many as there are for computing, but no more than the model is worth.
        say: is told when a compiler has to run first.

    Raises:
        NativeUnavailableError: there is no compiler here, or it fails.
        ValueError: there is no slot, or the weights are not those of this shape.
    """

    def __init__(
        self,
        config: GPTConfig,
        weights: Mapping[str, Floats],
        n_slots: int,
        weight_format: WeightFormat = "float32",
        *,
        threads: int | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        if config.mlp == "gelu_exact" or (config.local_window or 2**31) < config.block_size:
            raise NativeUnavailableError("it has neither exact GELU nor local attention windows")
        if n_slots < 1:
            raise ValueError(f"n_slots must be at least 1, found {n_slots}")
        self.config = config
        self.n_slots = n_slots
        self.block_size = config.block_size
        self.vocab_size = config.vocab_size
        self.weight_format = weight_format
        if threads is None:
            n_weights = sum(values.size for values in weights.values())
            threads = max(1, min(cpu_threads(), n_weights // WEIGHTS_PER_THREAD))
        self.threads = threads
        self._lengths = [0] * n_slots
        self._library = native_library(say)
        shape = _Shape(
            vocab_size=config.vocab_size,
            block_size=config.block_size,
            n_layer=config.n_layer,
            n_head=config.n_head,
            kv_heads=config.kv_heads,
            n_embd=config.n_embd,
            head_width=config.head_width,
            mlp_width=config.mlp_width,
            rms_norm=config.norm == "rmsnorm",
            rotary=config.position == "rope",
            gated=config.mlp == "swiglu",
            qk_norm=config.qk_norm,
            tied=config.tie_embeddings,
            format=WEIGHT_FORMATS.index(weight_format),
            slots=n_slots,
            threads=threads,
            norm_eps=config.norm_eps,
        )
        self._decoder = self._library.slm_decoder_new(ctypes.byref(shape))
        if not self._decoder:
            raise MemoryError("there is too little memory for the model's weights")
        weakref.finalize(self, self._library.slm_decoder_delete, self._decoder)
        for name, values in {**weights, **_rotary_tables(config)}.items():
            values = np.ascontiguousarray(values, dtype=np.float32)
            refused = self._library.slm_decoder_take(
                self._decoder, name.encode(), values.ctypes.data, values.size
            )
            if refused:
                raise ValueError(f"the native code does not know {name} {list(values.shape)}")

    def admit(self, slot: int, ids: Sequence[int]) -> Floats:
        """See `Slots`."""
        logits: Floats = self._begin(slot, ids, n_logits=1)[0]
        return logits

    def score(self, slot: int, ids: Sequence[int]) -> Floats:
        """As `admit`, with the logits after every one of the T ids: [T, V] in float32."""
        return self._begin(slot, ids, n_logits=len(ids))

    def advance(self, slots: Sequence[int], ids: Sequence[int]) -> Floats:
        """See `Slots`."""
        self._check_slots(slots)
        if not len(set(slots)) == len(slots) == len(ids):
            raise ValueError(f"{len(ids)} ids for the slots {list(slots)}")
        positions = [self._lengths[slot] for slot in slots]
        if not all(positions):
            raise ValueError(f"one of the slots {list(slots)} is empty")
        self._check(positions, ids)
        for slot in slots:
            self._lengths[slot] += 1
        return self._run(slots, positions, ids, len(ids))

    def release(self, slot: int) -> None:
        """See `Slots`; the memory is kept for the next texts, in whichever slots."""
        self._check_slots([slot])
        self._lengths[slot] = 0
        self._library.slm_decoder_release(self._decoder, slot)

    def surprise(self, ids: Sequence[int], targets: Sequence[int]) -> Floats:
        """-ln of the probability of a target after each of T ids, as [T] in float32.

        Slot 0 has to be empty, and is so again afterwards.
        """
        self._check_empty(0)
        if len(ids) != len(targets):
            raise ValueError(f"{len(ids)} ids and {len(targets)} targets")
        self._check(range(len(ids)), [*ids, *targets])
        nats = np.empty(len(ids), dtype=np.float32)
        integers = ctypes.c_int32 * len(ids)
        failed = self._library.slm_decoder_score(
            self._decoder,
            len(ids),
            integers(),
            integers(*range(len(ids))),
            integers(*ids),
            len(ids),
            integers(*targets),
            nats.ctypes.data,
        )
        self.release(0)
        if failed:
            raise MemoryError("there is too little memory to score a text")
        return nats

    def _begin(self, slot: int, ids: Sequence[int], n_logits: int) -> Floats:
        self._check_slots([slot])
        self._check_empty(slot)
        self._check(range(len(ids)), ids)
        self._lengths[slot] = len(ids)
        return self._run([slot] * len(ids), range(len(ids)), ids, n_logits)

    def _run(
        self, slots: Sequence[int], positions: Sequence[int], ids: Sequence[int], n_logits: int
    ) -> Floats:
        logits = np.empty((n_logits, self.vocab_size), dtype=np.float32)
        integers = ctypes.c_int32 * len(ids)
        if self._library.slm_decoder_run(
            self._decoder,
            len(ids),
            integers(*slots),
            integers(*positions),
            integers(*ids),
            n_logits,
            logits.ctypes.data,
        ):
            raise MemoryError("there is too little memory for another text's keys and values")
        return logits

    # Native code takes these numbers for addresses, hence no `assert`, which `python -O` removes.

    def _check_slots(self, slots: Sequence[int]) -> None:
        if not slots or min(slots) < 0 or max(slots) >= self.n_slots:
            raise ValueError(f"slots are 0 to {self.n_slots - 1}, found {list(slots)}")

    def _check_empty(self, slot: int) -> None:
        if self._lengths[slot]:
            raise ValueError(f"slot {slot} is taken")

    def _check(self, positions: Sequence[int], ids: Sequence[int]) -> None:
        if not len(ids):
            raise ValueError("a text begins with at least one id")
        if max(positions) >= self.block_size:
            raise ValueError(f"the context of {self.block_size} ids is full")
        if min(ids) < 0 or max(ids) >= self.vocab_size:
            raise ValueError(f"ids are 0 to {self.vocab_size - 1}, found {min(ids)} to {max(ids)}")


def arrays_of(model: GPT) -> dict[str, Floats]:
    """A model's weights on the CPU, in float32; they share its memory where they can."""
    return {
        name: tensor.detach().cpu().float().numpy() for name, tensor in model.state_dict().items()
    }


def _rotary_tables(config: GPTConfig) -> dict[str, Floats]:
    """Cosines and sines of `slm.model.layers`, where the model has rotary positions."""
    if config.position != "rope":
        return {}
    width = config.head_width
    exponents = np.arange(0, width, 2, dtype=np.float32) / np.float32(width)
    wavelengths = np.float32(config.rope_theta) ** -exponents
    angles = np.arange(config.block_size, dtype=np.float32)[:, None] * wavelengths
    return {"cos": np.cos(angles), "sin": np.sin(angles)}
