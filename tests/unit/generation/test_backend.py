from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from slm.checkpoint import Checkpoint, TrainState, load_checkpoint, save_checkpoint
from slm.errors import CheckpointError, DeviceError
from slm.generation import (
    GenerationOptions,
    Generator,
    TorchEngine,
    backend,
    build_engine,
    build_generator,
    load_generator,
)
from slm.model import GPT
from slm.native.build import NativeUnavailableError
from slm.native.engine import NativeEngine
from slm.presets import resolve
from slm.tokenizer.byte_level import BytesTokenizer

PROMPTS = ["One", "Two dogs ran", "T", "A cat", "x" * 30]
GREEDY = GenerationOptions(max_new_tokens=40, temperature=0.0, seed=0)
needs_compiler = pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")


@needs_compiler
def test_greedy_texts_of_float32_are_those_of_pytorch(model: GPT, tokenizer: Any) -> None:
    fast = build_generator(model, tokenizer, dtype="float32")
    assert isinstance(fast.engine, NativeEngine)
    expected = Generator(TorchEngine(model), tokenizer).complete(PROMPTS, GREEDY)
    assert fast.complete(PROMPTS, GREEDY) == expected
    assert expected[0].context_shifts > 0


@needs_compiler
@pytest.mark.parametrize("dtype", ["auto", "int8"])
def test_a_text_does_not_depend_on_its_company(model: GPT, tokenizer: Any, dtype: str) -> None:
    options = GenerationOptions(max_new_tokens=30, seed=3, samples=3, repetition_penalty=1.1)
    together = build_generator(model, tokenizer, dtype=dtype).complete(PROMPTS, options)
    in_pairs = build_generator(model, tokenizer, dtype=dtype, batch_size=2)
    assert in_pairs.complete(PROMPTS, options) == together
    *_, last = in_pairs.stream(PROMPTS[1], options)
    assert last.completion == together[5]


def test_without_a_compiler(model: GPT, tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(log: object) -> None:
        raise NativeUnavailableError("there is no C++ compiler")

    monkeypatch.setattr("slm.native.engine.native_library", missing)
    said: list[str] = []
    generator = build_generator(model, tokenizer, log=said.append)
    assert said == ["generating without native code: there is no C++ compiler"]
    assert isinstance(generator.engine, TorchEngine)
    assert generator.engine.dtype == "float32"
    assert isinstance(build_engine(model, 3, log=said.append), TorchEngine)
    assert len(said) == 2
    with pytest.raises(DeviceError, match="int8 needs native code"):
        build_generator(model, tokenizer, dtype="int8")
    with pytest.raises(DeviceError, match="int8 needs native code"):
        build_engine(model, 3, dtype="int8")


@needs_compiler
@pytest.mark.parametrize(
    ("dtype", "weights"), [("auto", "bfloat16"), ("float32", "float32"), ("int8", "int8")]
)
def test_engine_and_generator_run_the_same_way(
    model: GPT, tokenizer: Any, dtype: str, weights: str
) -> None:
    engine = build_engine(model, 3, dtype=dtype)
    generator = build_generator(model, tokenizer, dtype=dtype, batch_size=3)
    for found in (engine, generator.engine):
        assert isinstance(found, NativeEngine)
        assert (found.dtype, found.n_slots) == (weights, 3)


@needs_compiler
def test_weights_that_are_stored_in_int8_are_used_in_int8(model: GPT, tokenizer: Any) -> None:
    engine = build_engine(model, 3, stored_dtype="int8")
    generator = build_generator(model, tokenizer, stored_dtype="int8")
    assert engine.dtype == generator.engine.dtype == "int8"
    assert build_engine(model, 3, dtype="bfloat16", stored_dtype="int8").dtype == "bfloat16"


def test_float16_is_refused_on_a_cpu(model: GPT) -> None:
    with pytest.raises(DeviceError, match="float16"):
        build_engine(model, 3, dtype="float16")


def test_a_gpu_is_left_to_pytorch(tokenizer: Any, make_model: Any) -> None:
    model = make_model("modern").to("meta")
    assert torch.device("meta") == model.device
    with pytest.raises(DeviceError, match="int8 is for CPUs"):
        build_generator(model, tokenizer, dtype="int8")


@needs_compiler
def test_sequences_with_large_caches_run_in_waves(
    model: GPT, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = GenerationOptions(max_new_tokens=5, seed=3, samples=70)
    at_once = build_generator(model, tokenizer, batch_size=70)
    assert at_once.engine.n_slots == 70
    monkeypatch.setattr(backend, "CACHE_BYTES", 1)
    in_waves = build_generator(model, tokenizer, batch_size=70)
    assert in_waves.engine.n_slots == backend.MIN_BATCH_SIZE
    assert in_waves.complete(["One"], options) == at_once.complete(["One"], options)


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
@pytest.mark.parametrize("spoilt", ["blocks.1.mlp.", "blocks.0.attention."])
def test_numbers_that_overflow_are_an_error(
    model: GPT, tokenizer: Any, dtype: str, spoilt: str
) -> None:
    """All weights are finite, the logits are not."""
    matrices = [p for name, p in model.named_parameters() if spoilt in name and p.dim() == 2]
    assert matrices
    with torch.no_grad():
        for matrix in matrices:
            matrix.fill_(1e30)
    with pytest.raises(CheckpointError, match="not finite"):
        build_generator(model, tokenizer, dtype=dtype).complete(["One"], GREEDY)


# -- from a checkpoint ---------------------------------------------------------------------------


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    """A small model of bytes, saved and read again."""
    settings = resolve(
        "modern-12m",
        assignments=["n_layer=2", "n_embd=32", "n_head=2", "block_size=64", "vocab_size=257"],
    )
    torch.manual_seed(0)
    save_checkpoint(
        tmp_path / "saved",
        model_state=GPT(settings.model).state_dict(),
        config=settings,
        tokenizer=BytesTokenizer(),
        state=TrainState(),
    )
    return load_checkpoint(tmp_path / "saved")


@needs_compiler
@pytest.mark.parametrize("dtype", ["auto", "float32", "bfloat16", "int8"])
def test_a_checkpoints_texts_are_those_of_its_model(checkpoint: Checkpoint, dtype: str) -> None:
    options = GenerationOptions(max_new_tokens=80, seed=3, samples=3, repetition_penalty=1.2)
    direct = load_generator(checkpoint, dtype=dtype)
    assert isinstance(direct.engine, NativeEngine)
    through_pytorch = build_generator(
        checkpoint.build_model(),
        checkpoint.tokenizer,
        dtype=dtype,
        batch_size=direct.engine.n_slots,
    )
    expected = through_pytorch.complete(["One", "Two dogs"], options)
    assert direct.complete(["One", "Two dogs"], options) == expected


def test_a_checkpoint_without_a_compiler(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[object] = []

    def missing(log: object) -> None:
        tries.append(log)
        raise NativeUnavailableError("there is no C++ compiler")

    monkeypatch.setattr("slm.native.engine.native_library", missing)
    said: list[str] = []
    generator = load_generator(checkpoint, log=said.append)
    assert said == ["generating without native code: there is no C++ compiler"]
    assert len(tries) == 1
    assert isinstance(generator.engine, TorchEngine)
    assert len(generator.complete(["One"], GREEDY)[0].ids) == 40
    with pytest.raises(DeviceError, match="int8 needs native code"):
        load_generator(checkpoint, dtype="int8")


def test_a_checkpoint_on_what_is_not_there(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DeviceError, match="not available"):
        load_generator(checkpoint, device="cuda:99")
    with pytest.raises(DeviceError, match="float16"):
        load_generator(checkpoint, device="cpu", dtype="float16")
    # Where only PyTorch can tell what the device is, it is asked.
    monkeypatch.setattr("slm.hardware.devices.is_surely_cpu", lambda name: False)
    monkeypatch.setattr("slm.hardware.devices.resolve_device", lambda name: "meta")
    with pytest.raises(DeviceError, match="int8 is for CPUs, and the model is on meta"):
        load_generator(checkpoint, dtype="int8")
