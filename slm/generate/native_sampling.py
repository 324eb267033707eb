"""The draw among the likeliest ids, in native code: what `slm.generate.sampling.draw` does."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from slm.generate.native_build import native_library
from slm.generate.options import GenerationOptions
from slm.generate.sampling import draw


class _Filters(ctypes.Structure):
    """`Filters` of native/sampling.h."""

    _fields_ = (
        ("top_k", ctypes.c_int32),
        ("temperature", ctypes.c_float),
        ("top_p", ctypes.c_float),
        ("min_p", ctypes.c_float),
    )


def native_draw(logits: Tensor, options: GenerationOptions, uniforms: Sequence[float]) -> Tensor:
    """See `slm.generate.sampling.draw`; where all ids may be drawn, it is that itself.

    An id differs from that of PyTorch only where a uniform number falls within rounding of the
    border between two ids.

    Raises:
        NativeUnavailableError: there is no compiler here, or it fails.
    """
    in_place = logits.device.type == "cpu" and logits.dtype == torch.float32
    among_few = options.top_k is not None and 0 < options.top_k < logits.size(1)
    if options.temperature == 0.0 or not among_few or not in_place or logits.stride(1) != 1:
        return draw(logits, options, uniforms)
    ids = torch.empty(len(logits), dtype=torch.int64)
    filters = _Filters(options.top_k, options.temperature, options.top_p, options.min_p)
    failed = native_library().slm_sample(
        logits.data_ptr(),
        len(logits),
        logits.stride(0),
        logits.size(1),
        ctypes.byref(filters),
        (ctypes.c_double * len(uniforms))(*uniforms),
        ids.data_ptr(),
    )
    if failed:
        raise MemoryError("there is too little memory to sample")
    return ids
