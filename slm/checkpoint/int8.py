"""int8 weights in a checkpoint: a matrix as integers, with a scale for each of its rows.

    blocks.0.mlp.up_proj.weight          int8      [rows, inputs], -127 to 127
    blocks.0.mlp.up_proj.weight_scale    float32   [rows]

A weight is its integer times the scale of its row. The scale is the row's largest absolute value
divided by 127, rounded to 17 significant bits. So the product, of 7 bits and 17 bits, is exact in
float32, and quantizing it again gives the same integers and scales, bit for bit: the native
engine, which quantizes float32 weights in the same way, computes with what is stored here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from slm.checkpoint.tensors import StoredTensor, TensorEntry
from slm.errors import CheckpointError, shown

if TYPE_CHECKING:
    from torch import Tensor

SCALE_SUFFIX = "_scale"
LARGEST = 127
NOT_MULTIPLIED = "position_embedding.weight"
"""A matrix whose rows are only added, which the native engine keeps in float32 too."""

_DROPPED_BITS = 7
"""Of the 24 significant bits of a float32, so that 17 remain."""
_LARGEST_SCALE = float(np.finfo(np.float32).max) / (LARGEST + 1)


def quantize(
    values: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """The integers [rows, inputs] and the scales [rows] of a matrix of finite numbers.

    The arithmetic is that of `Matrix::pack` in slm/native/src/matrix.h.
    """
    largest = np.abs(values).max(axis=1, initial=0.0).astype(np.float32)
    bits = (largest / np.float32(LARGEST)).view(np.uint32)
    half, mask = 1 << (_DROPPED_BITS - 1), ~((1 << _DROPPED_BITS) - 1) & 0xFFFFFFFF
    scales = ((bits + np.uint32(half)) & np.uint32(mask)).view(np.float32)
    divisors = np.where(scales > 0, scales, np.float32(np.inf))
    return np.rint(values / divisors[:, None]).astype(np.int8), scales


def quantized_state(weights: Mapping[str, npt.NDArray[np.float32]]) -> dict[str, Tensor]:
    """The tensors of a checkpoint with int8 weights: matrices quantized, all others in float32.

    Args:
        weights: the arrays of `GPT.state_dict()` by name.
    """
    import torch

    state = {}
    for name, values in weights.items():
        if values.ndim != 2 or name == NOT_MULTIPLIED:
            state[name] = torch.from_numpy(values)
            continue
        integers, scales = quantize(values)
        state[name] = torch.from_numpy(integers)
        state[name + SCALE_SUFFIX] = torch.from_numpy(scales)
    return state


@dataclass(frozen=True)
class QuantizedTensor:
    """A stored int8 matrix with its scales; it has the methods of `StoredTensor`."""

    integers: StoredTensor
    scales: StoredTensor

    @property
    def entry(self) -> TensorEntry:
        """The header's entry of the integers."""
        return self.integers.entry

    def float32(self) -> npt.NDArray[np.float32]:
        """The weights, in the matrix's shape."""
        values = self._integers().astype(np.float32)
        values *= self.scales.float32()[:, None]
        return values

    def tensor(self) -> Tensor:
        """The weights as a tensor in float32, on the CPU."""
        import torch

        return torch.from_numpy(self.float32())

    def is_finite(self) -> bool:
        """Whether all weights are finite, and the numbers are ones that `quantize` may return."""
        scales, integers = self.scales.float32(), self._integers()
        if not integers.size:
            return True
        in_range = scales.min() >= 0 and scales.max() <= _LARGEST_SCALE  # false for NaN
        return bool(in_range and integers.min() >= -LARGEST)

    def _integers(self) -> npt.NDArray[np.int8]:
        return self.integers.content.view(np.int8).reshape(self.entry.shape)


def without_scales(entries: Mapping[str, TensorEntry], where: Path) -> dict[str, TensorEntry]:
    """The weights of a header: its entries without the scales of int8 matrices.

    Raises:
        CheckpointError: an int8 tensor is not a matrix with a float32 scale for each row.
    """
    weights = dict(entries)
    for name, entry in entries.items():
        if entry.dtype.name != "int8":
            continue
        scales = weights.pop(name + SCALE_SUFFIX, None)
        if (
            len(entry.shape) != 2
            or scales is None
            or scales.dtype.name != "float32"
            or scales.shape != entry.shape[:1]
        ):
            raise CheckpointError(
                f"{where}: {shown(name)} has dtype int8, and there is no float32 "
                f"{shown(name + SCALE_SUFFIX)} with a number for each of its rows"
            )
    return weights


def with_scales(stored: Mapping[str, StoredTensor]) -> dict[str, StoredTensor | QuantizedTensor]:
    """The weights of a file, each int8 matrix together with its scales."""
    quantized = {
        name: QuantizedTensor(tensor, stored[name + SCALE_SUFFIX])
        for name, tensor in stored.items()
        if tensor.entry.dtype.name == "int8"
    }
    scales = {name + SCALE_SUFFIX for name in quantized}
    return {
        name: quantized.get(name, tensor) for name, tensor in stored.items() if name not in scales
    }
