"""Sampling in native code: the same ids as `slm.generation.torch_engine.sample_ids`."""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from slm.native.build import native_library

_FILTERS = struct.Struct("=ifff")
"""`Filters` of src/sampling.h."""


class SamplingOptions(Protocol):
    """The filters of one sequence, see `slm.generation.options.GenerationOptions`."""

    @property
    def temperature(self) -> float: ...
    @property
    def top_k(self) -> int | None: ...
    @property
    def top_p(self) -> float: ...
    @property
    def min_p(self) -> float: ...
    @property
    def repetition_penalty(self) -> float: ...


def sample_ids(
    logits: Any,
    options: Sequence[SamplingOptions],
    uniforms: Sequence[float],
    seen: Sequence[Collection[int]] | None = None,
) -> list[int]:
    """See `slm.generation.engine.Engine.sample`; the logits are in float32, on the CPU.

    An id differs from PyTorch's only if the uniform number is within rounding of the border
    between two ids.

    Raises:
        NativeUnavailableError: there is no compiler here, or it fails.
        ValueError: the logits are not [n, V] in float32, or their number is not that of the options
            and the uniform numbers.
    """
    rows: npt.NDArray[np.float32] = np.asarray(logits)
    # Native code uses these as addresses and lengths, hence no `assert`, which -O removes.
    if rows.dtype != np.float32 or rows.ndim != 2 or 0 in rows.shape:
        raise ValueError(f"logits must be [n, V] in float32, found {rows.shape} in {rows.dtype}")
    if not len(rows) == len(options) == len(uniforms):
        raise ValueError(
            f"{len(rows)} rows of logits, {len(options)} options, {len(uniforms)} numbers"
        )
    if not all(0.0 <= number <= 1.0 for number in uniforms):
        raise ValueError(f"uniform numbers must be from 0 to 1, found {list(uniforms)}")
    if seen is not None:
        rows = _penalized(rows, options, seen)
    elif rows.strides[1] != rows.itemsize:
        rows = np.ascontiguousarray(rows)
    ids = np.empty(len(rows), dtype=np.int64)
    filters = [_FILTERS.pack(o.top_k or 0, o.temperature, o.top_p, o.min_p) for o in options]
    failed = native_library().slm_sample(
        rows.ctypes.data,
        len(rows),
        rows.strides[0] // rows.itemsize,
        rows.shape[1],
        b"".join(filters),
        struct.pack(f"={len(uniforms)}d", *uniforms),
        ids.ctypes.data,
    )
    if failed:
        raise MemoryError("there is too little memory to sample")
    sampled: list[int] = ids.tolist()
    return sampled


def _penalized(
    logits: npt.NDArray[np.float32],
    options: Sequence[SamplingOptions],
    seen: Sequence[Collection[int]],
) -> npt.NDArray[np.float32]:
    """A copy [n, V]; see `slm.generation.sampling.penalize_repetition`."""
    logits = np.array(logits, order="C")
    for row, each, ids in zip(logits, options, seen, strict=True):
        columns = list(ids)
        found = row[columns]
        penalty = np.float32(each.repetition_penalty)
        row[columns] = np.where(found > 0, found / penalty, found * penalty)
    return logits
