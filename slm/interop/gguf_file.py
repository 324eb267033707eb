"""The contents of a GGUF file: its fields, and its tensors in float32.

Every count and size is compared with the size of the file before anything is allocated. The format:
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from slm.errors import CheckpointError, ConfigError, shown

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MAX_ENTRIES = 1 << 16
"""Of fields, and of tensors."""
MAX_ARRAY = 1 << 22
"""Values of one field; the merges of a large vocabulary are about a million."""
MAX_FIELD_BYTES = 256 << 20
"""Of all fields together."""

Floats = npt.NDArray[np.float32]

_SCALARS = {
    **{0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?"},
    **{10: "<Q", 11: "<q", 12: "<d"},
}
"""Types of single values, as `struct` writes them."""
_STRING, _ARRAY = 8, 9
_ALIGNMENT = "general.alignment"

_Q8_0 = np.dtype([("scale", "<f2"), ("values", "i1", 32)])
"""A group of 32 weights."""
_STORED: Mapping[int, tuple[str, int, int]] = {
    **{0: ("F32", 1, 4), 1: ("F16", 1, 2), 8: ("Q8_0", 32, _Q8_0.itemsize), 30: ("BF16", 1, 2)}
}
"""Number of a dtype to its name, weights per group, and bytes per group."""


@dataclass(frozen=True)
class GGUFTensor:
    """A tensor in a file."""

    shape: tuple[int, ...]
    """In the order of PyTorch."""
    dtype: int
    """The format's number of it."""
    offset: int
    """Of its first byte, from the beginning of the file."""


class GGUFFile:
    """A file that is open for reading.

    Args:
        path: the file.

    Attributes:
        fields: values by key.
        tensors: by name.

    Raises:
        CheckpointError: it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._content = np.memmap(path, dtype=np.uint8, mode="r")
        except (OSError, ValueError) as error:
            raise CheckpointError(f"cannot read {path}: {error}") from None
        self._at = len(MAGIC)
        self.fields: dict[str, Any] = {}
        self.tensors: dict[str, GGUFTensor] = {}
        if bytes(self._content[: len(MAGIC)]) != MAGIC:
            raise self._damage("it does not begin as a GGUF file")
        version = self._scalar(4)
        if version not in VERSIONS:
            raise self._damage(f"its version is {version}, and 2 and 3 are read")
        n_tensors, n_fields = self._count(MAX_ENTRIES), self._count(MAX_ENTRIES)
        for _ in range(n_fields):
            key = self._string()
            self.fields[key] = self._value(self._scalar(4))
            if self._at > MAX_FIELD_BYTES:
                raise self._damage(f"its fields have more than {MAX_FIELD_BYTES:,} bytes")
        headers = [self._tensor_header() for _ in range(n_tensors)]
        alignment = self.fields.get(_ALIGNMENT, 32)
        if type(alignment) is not int or not 0 < alignment <= 1 << 16:
            raise self._damage(f"its alignment is {shown(alignment)}")
        start = -(-self._at // alignment) * alignment
        for name, tensor in headers:
            if name in self.tensors:
                raise self._damage(f"it has the tensor {shown(name)} twice")
            self.tensors[name] = GGUFTensor(tensor.shape, tensor.dtype, start + tensor.offset)

    def values(self, name: str) -> Floats:
        """A tensor in float32.

        Raises:
            ConfigError: its dtype is not supported.
            CheckpointError: it reaches beyond the end of the file.
        """
        tensor = self.tensors[name]
        if tensor.dtype not in _STORED:
            known = ", ".join(sorted(kind for kind, _, _ in _STORED.values()))
            raise ConfigError(
                f"{self.path}: {shown(name)} has a dtype that is not supported "
                f"(number {tensor.dtype} of GGUF)",
                hint=f"supported: {known}",
            )
        kind, group, group_bytes = _STORED[tensor.dtype]
        n_values = math.prod(tensor.shape)
        n_bytes = n_values // group * group_bytes
        if tensor.shape[-1] % group or n_bytes > len(self._content) - tensor.offset:
            raise self._damage(f"{shown(name)} reaches beyond its end")
        content = self._content[tensor.offset : tensor.offset + n_bytes]
        if kind == "Q8_0":
            groups = content.view(_Q8_0)
            values = groups["values"].astype(np.float32)
            values *= groups["scale"].astype(np.float32)[:, None]
        elif kind == "BF16":
            values = (content.view("<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            values = content.view("<f4" if kind == "F32" else "<f2").astype(np.float32)
        return values.reshape(tensor.shape)

    def _damage(self, problem: str) -> CheckpointError:
        return CheckpointError(f"{self.path} is damaged: {problem}")

    def _take(self, n_bytes: int) -> bytes:
        end = self._at + n_bytes
        if end > len(self._content):
            raise self._damage("it ends too early")
        taken = bytes(self._content[self._at : end])
        self._at = end
        return taken

    def _scalar(self, kind: int) -> Any:
        layout = _SCALARS[kind]
        return struct.unpack(layout, self._take(struct.calcsize(layout)))[0]

    def _count(self, largest: int) -> int:
        count: int = self._scalar(10)
        if count > min(largest, len(self._content)):
            raise self._damage(f"it claims {count:,} entries")
        return count

    def _string(self) -> str:
        content = self._take(self._count(MAX_FIELD_BYTES))
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            raise self._damage(f"{shown(content[:40].decode('latin-1'))} is not UTF-8") from None

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind in _SCALARS:
            return self._scalar(kind)
        if kind != _ARRAY:
            raise self._damage(f"it has a field of the type {kind}")
        inner: int = self._scalar(4)
        count = self._count(MAX_ARRAY)
        if inner == _STRING:
            return [self._string() for _ in range(count)]
        if inner not in _SCALARS:
            raise self._damage(f"it has a field with an array of the type {inner}")
        layout = _SCALARS[inner]
        return np.frombuffer(self._take(count * struct.calcsize(layout)), layout).tolist()

    def _tensor_header(self) -> tuple[str, GGUFTensor]:
        name = self._string()
        n_dimensions = self._scalar(4)
        if not 0 < n_dimensions <= 4:
            raise self._damage(f"{shown(name)} has {n_dimensions} dimensions")
        shape = tuple(reversed([self._scalar(10) for _ in range(n_dimensions)]))
        return name, GGUFTensor(shape, self._scalar(4), self._scalar(10))
