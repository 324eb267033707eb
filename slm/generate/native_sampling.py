"""The draw of ids in native code: what `slm.generate.sampling.draw` does."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import torch
from torch import Tensor

from slm.generate.native_build import native_library
from slm.generate.options import GenerationOptions
from slm.generate.sampling import draw

_FILTERS = struct.Struct("=ifff")
"""`Filters` of native/sampling.h."""


def native_draw(
    logits: Tensor, options: Sequence[GenerationOptions], uniforms: Sequence[float]
) -> Tensor:
    """See `slm.generate.sampling.draw`.

    An id differs from that of PyTorch only where a uniform number falls within rounding of the
    border between two ids.

    Raises:
        NativeUnavailableError: there is no compiler here, or it fails.
    """
    in_place = logits.device.type == "cpu" and logits.dtype == torch.float32
    if not in_place or logits.stride(1) != 1:
        return draw(logits, options, uniforms)
    assert len(logits) == len(options) == len(uniforms)
    ids = torch.empty(len(logits), dtype=torch.int64)
    filters = [_FILTERS.pack(o.top_k or 0, o.temperature, o.top_p, o.min_p) for o in options]
    failed = native_library().slm_sample(
        logits.data_ptr(),
        len(logits),
        logits.stride(0),
        logits.size(1),
        b"".join(filters),
        struct.pack(f"={len(uniforms)}d", *uniforms),
        ids.data_ptr(),
    )
    if failed:
        raise MemoryError("there is too little memory to sample")
    return ids
