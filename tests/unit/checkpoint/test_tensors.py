"""Files of tensors: equal to the library's, exact, and closed to hostile headers."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from slm.checkpoint.manifest import FileRecord, HashingReader, HashingWriter
from slm.checkpoint.tensors import (
    DTYPES,
    Header,
    StoredTensor,
    read_stored,
    read_tensors,
    write_tensors,
)
from slm.errors import CheckpointError

TENSORS = {
    "matrix": torch.arange(6, dtype=torch.float32).reshape(2, 3) / 7,
    "transposed": torch.arange(6, dtype=torch.float32).reshape(2, 3).T,
    "sliced": torch.arange(10)[1::2],
    "scalar": torch.tensor(0.1, dtype=torch.float64),
    "empty": torch.empty(0, 4, dtype=torch.float64),
    "odd": torch.tensor([1, 2, 3], dtype=torch.uint8),
    "weights": torch.nn.Parameter(torch.ones(3)),
    "infinite": torch.tensor([float("nan"), float("inf"), -0.0]),
    **{f"dtype {code}": torch.ones(3).to(getattr(torch, d.name)) for code, d in DTYPES.items()},
}


def write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    with path.open("wb") as stream:
        write_tensors(HashingWriter(stream), tensors)


def read_stored_from(path: Path) -> dict[str, StoredTensor]:
    with path.open("rb") as stream:
        reader = HashingReader(stream, path, record_of(path.read_bytes()))
        return read_stored(reader, check=lambda header: None)


def record_of(content: bytes, size: int | None = None) -> FileRecord:
    chunks = (content[start : start + (1 << 20)] for start in range(0, len(content), 1 << 20))
    digest = hashlib.sha256(content).hexdigest()
    return FileRecord(
        len(content) if size is None else size, digest, tuple(map(zlib.crc32, chunks))
    )


def read(path: Path, size: int | None = None) -> dict[str, Tensor]:
    content = path.read_bytes()
    record = record_of(content[:size], size)
    with path.open("rb") as stream:
        reader = HashingReader(stream, path, record)
        tensors = read_tensors(reader, check=lambda header: None)
        reader.verify()
    return tensors


def assert_same_bits(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].shape == tensor.shape
        bits = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
        assert torch.equal(found[name].reshape(-1).view(torch.uint8), bits), name


def test_every_kind_of_tensor_comes_back_bit_for_bit(tmp_path: Path) -> None:
    write(tmp_path / "a", TENSORS)
    assert_same_bits(read(tmp_path / "a"), TENSORS)


def test_no_tensors_at_all(tmp_path: Path) -> None:
    write(tmp_path / "a", {})
    assert read(tmp_path / "a") == {}


def test_the_library_reads_what_we_write(tmp_path: Path) -> None:
    write(tmp_path / "a", TENSORS)
    assert_same_bits(safetensors.torch.load_file(tmp_path / "a"), TENSORS)
    with safetensors.safe_open(tmp_path / "a", "pt") as opened:
        assert opened.metadata() == {"format": "pt"}


def test_we_read_what_the_library_writes(tmp_path: Path) -> None:
    tensors = {name: tensor.detach().contiguous() for name, tensor in TENSORS.items()}
    safetensors.torch.save_file(tensors, tmp_path / "a", metadata={"format": "pt"})
    assert_same_bits(read(tmp_path / "a"), tensors)


def test_equal_tensors_give_equal_files(tmp_path: Path) -> None:
    write(tmp_path / "a", TENSORS)
    write(tmp_path / "b", dict(reversed(TENSORS.items())))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("code", [code for code, d in DTYPES.items() if d.is_floating_point])
def test_values_are_had_without_pytorch(tmp_path: Path, code: str) -> None:
    dtype = getattr(torch, DTYPES[code].name)
    numbers = torch.tensor([[0.0, -1.5, 3.14159], [1e-5, 60_000.0, -0.0]]).to(dtype)
    largest = torch.finfo(dtype).max
    tensors = {
        "numbers": numbers,
        "none": torch.empty(0, 3, dtype=dtype),
        "scalar": torch.tensor(0.1).to(dtype),
        "nan": torch.tensor([1.0, float("nan"), 2.0]).to(dtype),
        "inf": torch.tensor([1.0, float("inf")]).to(dtype),
        "minus inf": torch.tensor([float("-inf"), 0.0]).to(dtype),
        "largest": torch.tensor([largest, -largest], dtype=dtype),
    }
    write(tmp_path / "a", tensors)
    found = read_stored_from(tmp_path / "a")
    for name, tensor in tensors.items():
        values = found[name].float32()
        assert values.dtype == np.float32
        assert values.shape == tensor.shape
        if code != "F64":  # whose largest are infinite in float32
            np.testing.assert_array_equal(values, tensor.float().numpy())
        assert found[name].is_finite() == bool(tensor.isfinite().all()), name
    assert np.array_equal(found["numbers"].float32(), numbers.float().numpy())


def test_a_dtype_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="complex64"):
        write(tmp_path / "a", {"z": torch.ones(1, dtype=torch.complex64)})


def file_with(path: Path, header: Any, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(shape: Any = (2,), begin: Any = 0, end: Any = 8, dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


HOSTILE: dict[str, Any] = {
    "not JSON": b"{",
    "not UTF-8": b'{"\xff": 1}',
    "not a mapping": [1],
    "nested": b"[" * 10_000 + b"]" * 10_000,
    "nested mappings": b'{"a":' * 10_000,
    "a name twice": b'{"a":1,"a":1}',
    "no number": b'{"a":NaN}',
    "no entry": {"a": 1},
    "nothing in it": {"a": {}},
    "unknown key": {"a": entry() | {"more": 1}},
    "unknown dtype": {"a": entry(dtype="F31")},
    "dtype of another kind": {"a": entry(dtype=["F32"])},
    "negative shape": {"a": entry((-2,))},
    "fractional shape": {"a": entry((2.0,))},
    "true as a number": {"a": entry((True, 2))},
    "shape and bytes differ": {"a": entry((3,))},
    "enormous shape": {"a": entry((2**61, 2**61, 0))},
    "enormous and empty": {"a": entry((2**61, 2**61, 0), 0, 0), "b": entry()},
    "empty and enormous": {"a": entry((0, 2**30, 2**30), 0, 0), "b": entry()},
    "a name of a megabyte": {"a" * (1 << 20): entry((3,))},
    "enormous size": {"a": entry((2**40,), 0, 2**42)},
    "too many dimensions": {"a": entry((1,) * 9, 0, 4)},
    "a false end": {"a": entry((2,), 0, 7)},
    "backwards": {"a": entry((2,), 8, 0)},
    "beyond the end": {"a": entry((2,), 8, 16)},
    "a gap": {"a": entry((1,), 4, 8)},
    "overlap": {"a": entry(), "b": entry((1,), 4, 8)},
    "unused bytes": {"a": entry((1,), 0, 4)},
    "askew": {"a": entry((1,), 0, 1, "U8"), "b": entry((1,), 1, 5), "c": entry((3,), 5, 8, "U8")},
    "100,000 tensors": {f"t{k}": entry((0,), 0, 0) for k in range(100_000)},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_header_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(CheckpointError, match="hostile") as caught:
        read(file_with(tmp_path / "hostile", HOSTILE[kind], bytes(8)))
    assert len(caught.value.message) < 400 + len(str(tmp_path))


@pytest.mark.parametrize("length", [2**64 - 1, 2**40, 100_000_001, 9])
def test_an_impossible_header_length_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "hostile"
    path.write_bytes(length.to_bytes(8, "little") + b"{}      ")
    with pytest.raises(CheckpointError, match="invalid header length"):
        read(path)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9])
def test_a_file_of_a_few_bytes_is_refused(tmp_path: Path, size: int) -> None:
    (tmp_path / "short").write_bytes(b"\x02" + bytes(7) + b"{}")
    with pytest.raises(CheckpointError, match="short"):
        read(tmp_path / "short", size)


def test_the_header_is_seen_before_the_tensors_are_read(tmp_path: Path) -> None:
    # A sparse terabyte: were memory taken before the check, this would end the process.
    size = 2**40
    path = file_with(tmp_path / "sparse", {"a": entry((size // 4,), 0, size)})
    total = path.stat().st_size + size
    with path.open("r+b") as stream:
        stream.truncate(1 << 20)
        first_chunk = stream.read()

    class RefusedError(Exception):
        pass

    def refuse(header: Header) -> None:
        assert header["a"].shape == (size // 4,)
        raise RefusedError

    with path.open("rb") as stream, pytest.raises(RefusedError):
        read_tensors(HashingReader(stream, path, record_of(first_chunk, total)), refuse)


def test_more_memory_than_there_is_has_an_error_of_ours(tmp_path: Path) -> None:
    size = 2**56
    path = file_with(tmp_path / "sparse", {"a": entry((size // 4,), 0, size)})
    total = path.stat().st_size + size
    with path.open("r+b") as stream:
        stream.truncate(1 << 20)
        reader = HashingReader(stream, path, record_of(stream.read(), total))
        stream.seek(0)
        with pytest.raises(CheckpointError, match="bytes of memory, more than are available"):
            read_tensors(reader, lambda header: None)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["F32", "BOOL", "x", ""]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["dtype", "shape", "data_offsets", "a"]), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(header=json_values | st.dictionaries(st.text(), json_values), data=st.binary(max_size=16))
def test_any_header_gives_tensors_or_our_error(
    tmp_path_factory: pytest.TempPathFactory, header: Any, data: bytes
) -> None:
    path = file_with(tmp_path_factory.getbasetemp() / "fuzzed", header, data)
    try:
        tensors = read(path)
    except CheckpointError:
        return
    assert sum(tensor.nbytes for tensor in tensors.values()) == len(data)
