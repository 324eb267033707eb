"""The native engine: the fastest way to generate on a CPU, without PyTorch.

`slm/native/src` has the arithmetic of `slm.model` in C++, one token per row. With float32 weights
the results equal PyTorch's up to rounding. bfloat16 and int8 weights are smaller; docs/LOG.md has
what they cost in quality.

Letters: n sequences, V ids of the model.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from slm.config import GPTConfig
from slm.hardware.devices import cpu_threads
from slm.log import Log
from slm.native.build import NativeUnavailableError, native_library
from slm.native.sampling import SamplingOptions, sample_ids

if TYPE_CHECKING:
    from slm.model import GPT

FloatArray = npt.NDArray[np.float32]

WeightDtype = Literal["float32", "bfloat16", "int8"]
WEIGHT_DTYPES: tuple[WeightDtype, ...] = get_args(WeightDtype)

KNOWN = {
    "norm": {"layernorm", "rmsnorm"},
    "position": {"learned", "rope"},
    "mlp": {"gelu", "swiglu"},
}
"""The settings' values that the native code has; a model with another one runs in PyTorch."""

WIDEST_HEAD = 1024
"""Buffers of src/attention.h have room for it: see its `MAX_WIDTH`."""

WEIGHTS_PER_THREAD = 500_000
"""With fewer weights each, threads spend their time waiting for each other."""


class _Shape(ctypes.Structure):
    """`Shape` of src/engine.h."""

    _fields_ = (
        *(
            (name, ctypes.c_int32)
            for name in (
                *("vocab_size", "block_size", "n_layer", "n_head", "kv_heads"),
                *("n_embd", "head_width", "mlp_width"),
                *("rms_norm", "rotary", "gated", "qk_norm", "tied"),
                *("dtype", "slots", "threads"),
            )
        ),
        ("norm_eps", ctypes.c_float),
    )


class NativeEngine:
    """An engine as `slm.generation.engine.Engine` describes it, with logits as arrays.

    A sequence has the same logits, bit for bit, whatever the other slots hold.

    Args:
        config: the shape.
        weights: the arrays of `GPT.state_dict()` by name; they are copied.
        n_slots: how many sequences can run at the same time.
        dtype: of the copy, and of keys and values. bfloat16 halves and int8 quarters what each
            token reads from memory.
        threads: None: all that are available for computing, but fewer for a small model.
        log: called before a compiler runs.

    Raises:
        NativeUnavailableError: there is no compiler here, it fails, or the shape is not supported.
        ValueError: n_slots is below 1, or the weights are not those of this shape.
        MemoryError: the weights do not fit into memory.
    """

    def __init__(
        self,
        config: GPTConfig,
        weights: Mapping[str, FloatArray],
        n_slots: int,
        dtype: WeightDtype = "float32",
        *,
        threads: int | None = None,
        log: Log | None = None,
    ) -> None:
        _require_known(config)
        if n_slots < 1:
            raise ValueError(f"n_slots must be at least 1, found {n_slots}")
        self.config = config
        self.n_slots = n_slots
        self.block_size = config.block_size
        self.vocab_size = config.vocab_size
        self.dtype = dtype
        if threads is None:
            n_weights = sum(values.size for values in weights.values())
            threads = max(1, min(cpu_threads(), n_weights // WEIGHTS_PER_THREAD))
        self.threads = threads
        self._lengths = [0] * n_slots
        self._library = native_library(log)
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
            dtype=WEIGHT_DTYPES.index(dtype),
            slots=n_slots,
            threads=threads,
            norm_eps=config.norm_eps,
        )
        self._handle = self._library.slm_engine_new(ctypes.byref(shape))
        if not self._handle:
            raise MemoryError("there is too little memory for the model's weights")
        weakref.finalize(self, _delete, self._library, self._handle, os.getpid())
        for name, values in {**weights, **_rotary_tables(config)}.items():
            values = np.ascontiguousarray(values, dtype=np.float32)
            refused = self._library.slm_engine_load_tensor(
                self._handle, name.encode(), values.ctypes.data, values.size
            )
            if refused:
                raise ValueError(f"the native code does not know {name} {list(values.shape)}")

    def prefill(self, slots: Sequence[int], contexts: Sequence[Sequence[int]]) -> FloatArray:
        """See `Engine`."""
        return np.concatenate(
            [
                self._prefill(slot, ids, n_logits=1)
                for slot, ids in zip(slots, contexts, strict=True)
            ]
        )

    def decode(self, slots: Sequence[int], ids: Sequence[int]) -> FloatArray:
        """See `Engine`."""
        self._check_slots(slots)
        if not len(set(slots)) == len(slots) == len(ids):
            raise ValueError(f"{len(ids)} ids for the slots {list(slots)}")
        positions = [self._lengths[slot] for slot in slots]
        if not all(positions):
            raise ValueError(f"one of the slots {list(slots)} is empty")
        self._check_ids(positions, ids)
        for slot in slots:
            self._lengths[slot] += 1
        return self._run(slots, positions, ids, len(ids))

    def free(self, slots: Sequence[int]) -> None:
        """See `Engine`; the memory is kept for later sequences, in any slot."""
        for slot in slots:
            self._check_slots([slot])
            self._lengths[slot] = 0
            self._library.slm_engine_free(self._handle, slot)

    def sample(
        self,
        logits: Any,
        options: Sequence[SamplingOptions],
        uniforms: Sequence[float],
        seen: Sequence[Collection[int]] | None = None,
    ) -> list[int]:
        """See `Engine`."""
        return sample_ids(logits, options, uniforms, seen)

    def all_logits(self, slot: int, ids: Sequence[int]) -> FloatArray:
        """Like `prefill` for one slot, with the logits after each of the T ids: [T, V]."""
        return self._prefill(slot, ids, n_logits=len(ids))

    def surprisal(self, ids: Sequence[int], targets: Sequence[int]) -> FloatArray:
        """-ln of the probability of a target after each of T ids: [T] in float32, in nats.

        Slot 0 has to be empty, and is empty again afterwards.
        """
        self._check_empty(0)
        if len(ids) != len(targets):
            raise ValueError(f"{len(ids)} ids and {len(targets)} targets")
        self._check_ids(range(len(ids)), [*ids, *targets])
        nats = np.empty(len(ids), dtype=np.float32)
        integers = ctypes.c_int32 * len(ids)
        failed = self._library.slm_engine_surprisal(
            self._handle,
            len(ids),
            integers(),
            integers(*range(len(ids))),
            integers(*ids),
            len(ids),
            integers(*targets),
            nats.ctypes.data,
        )
        self.free([0])
        if failed:
            raise MemoryError("there is too little memory to score a sequence")
        return nats

    def _prefill(self, slot: int, ids: Sequence[int], n_logits: int) -> FloatArray:
        self._check_slots([slot])
        self._check_empty(slot)
        self._check_ids(range(len(ids)), ids)
        self._lengths[slot] = len(ids)
        return self._run([slot] * len(ids), range(len(ids)), ids, n_logits)

    def _run(
        self, slots: Sequence[int], positions: Sequence[int], ids: Sequence[int], n_logits: int
    ) -> FloatArray:
        logits = np.empty((n_logits, self.vocab_size), dtype=np.float32)
        integers = ctypes.c_int32 * len(ids)
        if self._library.slm_engine_run(
            self._handle,
            len(ids),
            integers(*slots),
            integers(*positions),
            integers(*ids),
            n_logits,
            logits.ctypes.data,
        ):
            raise MemoryError("there is too little memory for the keys and values of a sequence")
        return logits

    # Native code uses these numbers as addresses, hence no `assert`, which `python -O` removes.

    def _check_slots(self, slots: Sequence[int]) -> None:
        if not slots or min(slots) < 0 or max(slots) >= self.n_slots:
            raise ValueError(f"slots are 0 to {self.n_slots - 1}, found {list(slots)}")

    def _check_empty(self, slot: int) -> None:
        if self._lengths[slot]:
            raise ValueError(f"slot {slot} is taken")

    def _check_ids(self, positions: Sequence[int], ids: Sequence[int]) -> None:
        if not len(ids):
            raise ValueError("a sequence starts with at least one id")
        if max(positions) >= self.block_size:
            raise ValueError(f"the context of {self.block_size} ids is full")
        if min(ids) < 0 or max(ids) >= self.vocab_size:
            raise ValueError(f"ids are 0 to {self.vocab_size - 1}, found {min(ids)} to {max(ids)}")


def _require_known(config: GPTConfig) -> None:
    """Refuse a shape that the native code does not have.

    Raises:
        NativeUnavailableError: the message names the setting.
    """
    for name, known in KNOWN.items():
        if getattr(config, name) not in known:
            raise NativeUnavailableError(f"it does not have {name}={getattr(config, name)}")
    if config.head_width > WIDEST_HEAD:
        raise NativeUnavailableError(
            f"it has no heads wider than {WIDEST_HEAD:,}, and the model's are {config.head_width:,}"
        )
    if config.local_window is not None and config.local_window < config.block_size:
        raise NativeUnavailableError(f"it does not have local_window={config.local_window}")


def _delete(library: ctypes.CDLL, handle: int, owner: int) -> None:
    """Free an engine, but not in a child process after fork(), which has none of its threads."""
    if os.getpid() == owner:
        library.slm_engine_delete(handle)


def arrays_of(model: GPT) -> dict[str, FloatArray]:
    """A model's weights as float32 arrays; they share its memory if they can."""
    return {
        name: tensor.detach().cpu().float().numpy() for name, tensor in model.state_dict().items()
    }


def _rotary_tables(config: GPTConfig) -> dict[str, FloatArray]:
    """Cosines and sines of `slm.model.layers`, if the model has rotary positions."""
    if config.position != "rope":
        return {}
    width = config.head_width
    exponents = np.arange(0, width, 2, dtype=np.float32) / np.float32(width)
    wavelengths = np.float32(config.rope_theta) ** -exponents
    angles = np.arange(config.block_size, dtype=np.float32)[:, None] * wavelengths
    return {"cos": np.cos(angles), "sin": np.sin(angles)}
