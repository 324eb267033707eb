"""Reads and writes safetensors files in one pass, together with their checksums.

The format (https://huggingface.co/docs/safetensors): the header's length as 8 little-endian bytes;
the header, JSON with each tensor's dtype, shape and byte range; the tensors' bytes without gaps.
The safetensors library reads these files too; decision 0010 has the measured reasons for this
module: checksums are computed in the same pass, memory holds the tensors once, a full disk is an
ordinary error, and a malicious header is refused before anything is allocated for it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from slm.checkpoint.manifest import HashingReader, HashingWriter, parse_json
from slm.errors import CheckpointError, shown
from slm.storage.files import CHUNK_BYTES

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Dtype:
    """A dtype of the format."""

    name: str
    """PyTorch's name."""
    stored: np.dtype[Any]
    """The NumPy dtype of the bytes; bfloat16 is stored as unsigned integers."""
    is_floating_point: bool = False


DTYPES = {
    "F64": Dtype("float64", np.dtype("<f8"), is_floating_point=True),
    "F32": Dtype("float32", np.dtype("<f4"), is_floating_point=True),
    "F16": Dtype("float16", np.dtype("<f2"), is_floating_point=True),
    "BF16": Dtype("bfloat16", np.dtype("<u2"), is_floating_point=True),
    "I64": Dtype("int64", np.dtype("<i8")),
    "I32": Dtype("int32", np.dtype("<i4")),
    "I16": Dtype("int16", np.dtype("<i2")),
    "I8": Dtype("int8", np.dtype("i1")),
    "U8": Dtype("uint8", np.dtype("u1")),
    "BOOL": Dtype("bool", np.dtype("?")),
}
"""The format's names of dtypes."""
_CODES = {dtype.name: code for code, dtype in DTYPES.items()}
_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 1 << 23
_MAX_TENSORS = 50_000
_MAX_DIMENSIONS = 8
_MAX_ELEMENTS = 2**59
"""Not counting dimensions of size zero: PyTorch's strides must not overflow for them either."""


@dataclass(frozen=True)
class TensorEntry:
    """The header's entry of one tensor; `begin` counts bytes from the end of the header."""

    dtype: Dtype
    shape: tuple[int, ...]
    begin: int

    @property
    def size(self) -> int:
        """The number of bytes."""
        return math.prod(self.shape) * self.dtype.stored.itemsize

    @property
    def end(self) -> int:
        """The offset after the tensor's last byte."""
        return self.begin + self.size


Header = Mapping[str, TensorEntry]


@dataclass(frozen=True)
class StoredTensor:
    """The bytes of a tensor; only `tensor` needs PyTorch."""

    entry: TensorEntry
    content: npt.NDArray[np.uint8]
    """The tensor's bytes."""

    def tensor(self) -> Tensor:
        """The tensor, on the CPU; it shares this memory."""
        import torch

        dtype: torch.dtype = getattr(torch, self.entry.dtype.name)
        if not self.entry.size:
            return torch.empty(self.entry.shape, dtype=dtype)
        return torch.from_numpy(self.content).view(dtype).reshape(self.entry.shape)

    def float32(self) -> npt.NDArray[np.float32]:
        """The values of a floating-point tensor, in its shape."""
        numbers = self.content.view(self.entry.dtype.stored)
        if self.entry.dtype.name == "bfloat16":  # the upper half of a float32
            numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
        with np.errstate(over="ignore"):  # from float64
            return numbers.astype(np.float32, copy=False).reshape(self.entry.shape)

    def is_finite(self) -> bool:
        """Whether a floating-point tensor has neither NaN nor infinities."""
        if not self.entry.size:
            return True
        numbers = self.content.view(self.entry.dtype.stored)
        if self.entry.dtype.name == "bfloat16":  # NaN and infinities have an exponent of all ones
            return not bool(((numbers & 0x7F80) == 0x7F80).any())
        # Minimum and maximum show NaN and infinities, without a temporary array.
        with np.errstate(invalid="ignore"):
            return bool(np.isfinite(numbers.min()) and np.isfinite(numbers.max()))


def write_tensors(writer: HashingWriter, tensors: Mapping[str, Tensor]) -> None:
    """Write named tensors from any device, one at a time.

    Raises:
        CheckpointError: the format does not have a tensor's dtype.
    """
    # Large items first, so that every tensor starts at a multiple of its item size.
    ordered = sorted(entries_of(tensors).items(), key=lambda item: (-_item_size(item[1]), item[0]))
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    begin = 0
    for name, entry in ordered:
        end = begin + entry.size
        header[name] = {
            "dtype": _CODES[entry.dtype.name],
            "shape": list(entry.shape),
            "data_offsets": [begin, end],
        }
        begin = end
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % _LENGTH_BYTES)
    writer.write(len(text).to_bytes(_LENGTH_BYTES, "little") + text)
    for name, _ in ordered:
        flat = tensors[name].detach().cpu().contiguous().reshape(-1)
        content = _bytes_of(flat)
        for start in range(0, len(content), CHUNK_BYTES):
            writer.write(content[start : start + CHUNK_BYTES])


def entries_of(tensors: Mapping[str, Tensor]) -> dict[str, TensorEntry]:
    """Dtypes and shapes of named tensors, as a header has them, but without positions.

    Raises:
        CheckpointError: the format does not have a tensor's dtype.
    """
    entries = {}
    for name, tensor in tensors.items():
        code = _CODES.get(str(tensor.dtype).removeprefix("torch."))
        if code is None:
            raise CheckpointError(f"{name} has dtype {tensor.dtype}, which cannot be saved")
        entries[name] = TensorEntry(DTYPES[code], tuple(tensor.shape), begin=0)
    return entries


def _item_size(entry: TensorEntry) -> int:
    return int(entry.dtype.stored.itemsize)


def read_tensors(reader: HashingReader, check: Callable[[Header], None]) -> dict[str, Tensor]:
    """Read named tensors onto the CPU; see `read_stored`."""
    return {name: stored.tensor() for name, stored in read_stored(reader, check).items()}


def read_stored(reader: HashingReader, check: Callable[[Header], None]) -> dict[str, StoredTensor]:
    """Read named tensors into one block of memory.

    Args:
        reader: a file at its beginning.
        check: is called with the header before anything is allocated, and raises if it is wrong.

    Raises:
        CheckpointError: the header is malformed, or the file is too short.
    """
    header, header_size = _read_header(reader)
    check(header)
    try:
        block = np.empty(reader.size - header_size, dtype=np.uint8)
    except (ValueError, MemoryError):
        raise CheckpointError(
            f"{reader.path} needs {reader.size:,} bytes of memory, more than are available"
        ) from None
    reader.read_into(block.data)
    return {
        name: StoredTensor(entry, block[entry.begin : entry.end]) for name, entry in header.items()
    }


def _bytes_of(flat: Tensor) -> memoryview:
    """The memory of a contiguous one-dimensional tensor."""
    import torch

    return flat.view(torch.uint8).numpy().data


def _read_header(reader: HashingReader) -> tuple[dict[str, TensorEntry], int]:
    """The entries in the order of their bytes, and the size of the header in bytes."""
    length = int.from_bytes(reader.read(_LENGTH_BYTES), "little")
    if length > min(_MAX_HEADER_BYTES, reader.size - _LENGTH_BYTES):
        raise CheckpointError(f"{reader.path} has an invalid header length of {length} bytes")
    text = reader.read(length)
    if text.count(b'"data_offsets"') > _MAX_TENSORS:  # before parsing makes as many objects
        raise CheckpointError(f"{reader.path} has more than {_MAX_TENSORS:,} tensors")
    table = parse_json(text, reader.path)
    if not isinstance(table, dict):
        raise CheckpointError(f"{reader.path} has a malformed header")
    entries = [
        (name, _parse_entry(name, entry, reader))
        for name, entry in table.items()
        if name != "__metadata__"
    ]
    entries.sort(key=lambda item: (item[1].begin, item[1].end))
    end = 0
    for name, entry in entries:
        if entry.begin != end or entry.begin % entry.dtype.stored.itemsize:
            raise CheckpointError(
                f"{reader.path}: the bytes of {shown(name)} overlap others, or leave a gap, or are "
                "misaligned"
            )
        end = entry.end
    header_size = _LENGTH_BYTES + length
    if header_size + end != reader.size:
        raise CheckpointError(
            f"{reader.path} has {reader.size - header_size} bytes of tensors, "
            f"its header describes {end}"
        )
    return dict(entries), header_size


def _parse_entry(name: str, entry: Any, reader: HashingReader) -> TensorEntry:
    malformed = CheckpointError(f"{reader.path} has a malformed entry for the tensor {shown(name)}")
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise malformed
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not (
        isinstance(entry["dtype"], str)
        and entry["dtype"] in DTYPES
        and _are_sizes(shape)
        and len(shape) <= _MAX_DIMENSIONS
        and math.prod(size or 1 for size in shape) < _MAX_ELEMENTS
        and _are_sizes(offsets)
        and len(offsets) == 2
    ):
        raise malformed
    parsed = TensorEntry(DTYPES[entry["dtype"]], tuple(shape), offsets[0])
    if parsed.end != offsets[1]:
        raise malformed
    return parsed


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(
        type(number) is int and 0 <= number < 2**62 for number in value
    )
