"""int8 weights come back exactly, and the native engine computes with what is stored."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from slm.checkpoint import load_checkpoint, save_checkpoint, verify_checkpoint
from slm.checkpoint.int8 import QuantizedTensor, quantize, quantized_state
from slm.checkpoint.store import Checkpoint
from slm.config.run_files import MANIFEST_NAME
from slm.errors import CheckpointError
from slm.model import GPT
from slm.native.engine import NativeEngine, arrays_of
from tests.fixtures.make_fixtures import HERE
from tests.unit.checkpoint.test_store import forge_tensors

if TYPE_CHECKING:
    from conftest import Run

needs_compiler = pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
MATRIX = "blocks.0.mlp.up_proj.weight"
Floats = npt.NDArray[np.float32]


def dequantized(integers: npt.NDArray[np.int8], scales: Floats) -> Floats:
    return integers.astype(np.float32) * scales[:, None]


def matrices() -> dict[str, Floats]:
    random = np.random.default_rng(0)
    normal = random.normal(size=(400, 96)).astype(np.float32)
    ties = np.arange(1, 2**12, dtype=np.uint32)[:, None] + np.uint32(0x3F7E0000)
    return {
        "normal": normal,
        "of many sizes": normal * np.exp(random.normal(0, 15, (400, 1))).astype(np.float32),
        "every end of a scale": ties.view(np.float32) * np.array([[1, -0.5, 0.1]], np.float32),
        "empty rows": np.zeros((3, 5), np.float32),
        "no inputs": np.zeros((3, 0), np.float32),
        "subnormal": np.full((2, 3), 1e-45, np.float32),
        "huge": np.full((2, 3), -3e38, np.float32),
    }


@pytest.mark.parametrize("kind", matrices())
def test_quantizing_again_changes_nothing(kind: str) -> None:
    values = matrices()[kind]
    integers, scales = quantize(values)
    assert np.abs(integers.astype(int)).max(initial=0) <= 127
    product = dequantized(integers, scales)
    exact = integers.astype(np.float64) * scales.astype(np.float64)[:, None]
    assert (product == exact).all(), "a product is rounded"
    assert (np.abs(product - values) <= scales[:, None] * 0.501 + 1e-44).all()
    again, same_scales = quantize(product)
    assert (again == integers).all()
    assert (same_scales == scales).all()


def test_a_row_uses_the_whole_range() -> None:
    integers, _ = quantize(matrices()["of many sizes"])
    assert (np.abs(integers.astype(int)).max(axis=1) == 127).all()


@pytest.fixture
def int8_checkpoint(tiny_run: Run, tmp_path: Path) -> Path:
    content = tiny_run.content()
    content["model_state"] = quantized_state(arrays_of(tiny_run.model))
    save_checkpoint(tmp_path / "int8", **content)
    return tmp_path / "int8"


def test_a_checkpoint_comes_back_in_float32(int8_checkpoint: Path, tiny_run: Run) -> None:
    assert json.loads((int8_checkpoint / MANIFEST_NAME).read_text())["version"] == 2
    loaded = load_checkpoint(int8_checkpoint)
    assert loaded.weights_dtype == "int8"
    original = arrays_of(tiny_run.model)
    assert loaded.weights().keys() == loaded.model_state.keys() == original.keys()
    for name, values in loaded.weights().items():
        is_quantized = values.ndim == 2 and name != "position_embedding.weight"
        expected = dequantized(*quantize(original[name])) if is_quantized else original[name]
        assert (values == expected).all(), name
        assert torch.equal(loaded.model_state[name], torch.from_numpy(expected))
    model = loaded.build_model()
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_it_is_a_quarter_of_the_size(tmp_path: Path, tiny_run: Run) -> None:
    run = tiny_run.with_shape(n_embd=128)
    weights = GPT(run.config.model).state_dict()
    sizes = []
    for name, state in {
        "float32": weights,
        "int8": quantized_state({name: w.numpy() for name, w in weights.items()}),
    }.items():
        save_checkpoint(tmp_path / name, **(run.content() | {"model_state": state}))
        sizes.append((tmp_path / name / "model.safetensors").stat().st_size)
    assert sizes[1] < 0.28 * sizes[0]


@needs_compiler
@pytest.mark.parametrize("shape", [{}, {"position": "rope", "tie_embeddings": False}])
def test_the_native_engine_computes_with_what_is_stored(
    tmp_path: Path, tiny_run: Run, shape: dict[str, Any]
) -> None:
    """Its int8 logits are the same bits from the original weights as from the checkpoint."""
    run = tiny_run.with_shape(n_embd=72, block_size=32, **shape)
    torch.manual_seed(0)
    weights = arrays_of(GPT(run.config.model))
    content = run.content() | {"model_state": quantized_state(weights)}
    save_checkpoint(tmp_path / "int8", **content)
    stored = load_checkpoint(tmp_path / "int8").weights()
    logits = [
        NativeEngine(run.config.model, each, 1, "int8").all_logits(0, range(1, 30))
        for each in (weights, stored)
    ]
    assert (logits[0] == logits[1]).all()


def test_what_the_first_version_wrote_is_read() -> None:
    """The fixture was made by `slm export v1/run slm int8 --dtype int8 --license MIT`, once."""
    stored = load_checkpoint(HERE / "int8")
    original = load_checkpoint(HERE / "v1" / "run" / "best")
    assert (stored.weights_dtype, original.weights_dtype) == ("int8", "float32")
    for name, values in original.weights().items():
        expected = dequantized(*quantize(values)) if values.ndim == 2 else values
        assert (stored.weights()[name] == expected).all(), name
    assert stored.tokenizer.fingerprint == original.tokenizer.fingerprint
    assert stored.card is not None
    assert stored.card.license == "MIT"


# -- forgery -------------------------------------------------------------------------------------


def forged(checkpoint: Path, **changes: Tensor | None) -> dict[str, Tensor]:
    loaded: Checkpoint = load_checkpoint(checkpoint)
    tensors = {}
    for name, stored in loaded._weights.items():
        if isinstance(stored, QuantizedTensor):
            tensors[name] = stored.integers.tensor()
            tensors[f"{name}_scale"] = stored.scales.tensor()
        else:
            tensors[name] = stored.tensor()
    given = {name.replace("__", "."): tensor for name, tensor in changes.items()}
    return {name: t for name, t in (tensors | given).items() if t is not None}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda q, s: {MATRIX: q, f"{MATRIX}_scale": None}, "no float32.*weight_scale"),
        (lambda q, s: {f"{MATRIX}_scale": s[:-1]}, "no float32.*weight_scale"),
        (lambda q, s: {f"{MATRIX}_scale": s[:, None]}, "no float32.*weight_scale"),
        (lambda q, s: {f"{MATRIX}_scale": s.double()}, "no float32.*weight_scale"),
        (lambda q, s: {f"{MATRIX}_scale": s * torch.nan}, "non-finite"),
        (lambda q, s: {f"{MATRIX}_scale": s * torch.inf}, "non-finite"),
        (lambda q, s: {f"{MATRIX}_scale": s * 0 + 3e38}, "non-finite"),
        (lambda q, s: {f"{MATRIX}_scale": -s}, "non-finite"),
        (lambda q, s: {MATRIX: q * 0 - 128}, "non-finite"),
        (lambda q, s: {MATRIX: q[:-1], f"{MATRIX}_scale": s[:-1]}, "has shape"),
        (lambda q, s: {MATRIX: q.float()}, "unknown weights .*weight_scale"),
        (lambda q, s: {"final_norm.weight": torch.ones(4).to(torch.int8)}, "no float32"),
        (lambda q, s: {MATRIX: q.to(torch.uint8)}, "unknown weights .*weight_scale"),
        (lambda q, s: {"more_scale": s}, "unknown weights 'more_scale'"),
    ],
)
def test_forged_int8_weights_are_refused(
    int8_checkpoint: Path,
    change: Callable[[Tensor, Tensor], dict[str, Tensor | None]],
    problem: str,
) -> None:
    tensors = forged(int8_checkpoint)
    changes = change(tensors[MATRIX], tensors[f"{MATRIX}_scale"])
    forge_tensors(int8_checkpoint, "model.safetensors", forged(int8_checkpoint, **changes))
    with pytest.raises(CheckpointError, match=problem):
        verify_checkpoint(int8_checkpoint)


def test_tensors_that_do_not_fit_are_not_saved(tmp_path: Path, tiny_run: Run) -> None:
    content = tiny_run.content()
    content["model_state"] = quantized_state(arrays_of(tiny_run.model))
    content["model_state"][f"{MATRIX}_scale"][0] = torch.nan
    with pytest.raises(CheckpointError, match="weight_scale has non-finite values"):
        save_checkpoint(tmp_path / "int8", **content)
    del content["model_state"][f"{MATRIX}_scale"]
    with pytest.raises(CheckpointError, match="no float32"):
        save_checkpoint(tmp_path / "int8", **content)
    assert list(tmp_path.iterdir()) == []
