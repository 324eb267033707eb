from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from slm.config import GPTConfig
from slm.generation import GenerationOptions, build_generator
from slm.model import GPT
from slm.model.layers import rotary_tables
from slm.native import build as native_build
from slm.native.build import NativeUnavailableError
from slm.native.engine import WEIGHT_DTYPES, NativeEngine, WeightDtype, _rotary_tables, arrays_of
from slm.tokenizer.byte_level import BytesTokenizer
from tests.unit.native.native_tensors import NativeTensors

pytestmark = pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")

MODERN: dict[str, Any] = {
    "norm": "rmsnorm",
    "position": "rope",
    "mlp": "swiglu",
    "qk_norm": True,
    "bias": False,
}
SHAPES: dict[str, dict[str, Any]] = {
    "gpt2": {"n_head": 3, "n_embd": 96},
    "gpt2 without biases": {"n_head": 3, "n_embd": 36, "bias": False, "tie_embeddings": False},
    "modern": {"n_head": 4, "n_kv_head": 2, "n_embd": 96, **MODERN},
    "odd widths": {
        **{"vocab_size": 301, "n_head": 3, "n_kv_head": 1, "head_dim": 10, "n_embd": 50},
        **{"mlp_dim": 77, "tie_embeddings": False, **MODERN},
    },
}
TOLERANCE = {"float32": 1e-5, "bfloat16": 0.02, "int8": 0.1}


def random_model(shape: str) -> GPT:
    """Weights and biases all random, so that none of them can be left out unseen."""
    torch.manual_seed(0)
    settings = {"vocab_size": 300, "block_size": 130, "n_layer": 2, "dropout": 0.0}
    model = GPT(GPTConfig(**(settings | SHAPES[shape]))).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            spread, centre = (0.2, 0.0) if parameter.dim() == 2 else (0.1, 0.5)
            parameter.copy_(torch.randn_like(parameter) * spread + centre)
    return model


def random_ids(model: GPT, count: int) -> list[int]:
    generator = torch.Generator().manual_seed(1)
    ids: list[int] = torch.randint(model.config.vocab_size, (count,), generator=generator).tolist()
    return ids


def plain(model: GPT, ids: list[int]) -> Tensor:
    with torch.no_grad():
        logits, _ = model(torch.tensor([ids]))
    assert isinstance(logits, Tensor)
    return logits[0]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weights", WEIGHT_DTYPES)
def test_logits_are_those_of_the_model(shape: str, weights: WeightDtype) -> None:
    model = random_model(shape)
    ids = random_ids(model, model.config.block_size)
    expected = plain(model, ids)
    logits = NativeTensors(model, 1, weights).all_logits(0, ids)
    assert (logits - expected).abs().mean() < TOLERANCE[weights] * expected.std()


@pytest.mark.parametrize("weights", WEIGHT_DTYPES)
def test_a_text_has_the_same_bits_in_any_slot_and_company_and_by_any_threads(
    weights: WeightDtype,
) -> None:
    model = random_model("modern")
    ids = random_ids(model, 60)
    whole = NativeTensors(model, 1, weights, threads=1).all_logits(0, ids)
    slots = NativeTensors(model, 20, weights, threads=3)
    alone = [slots.prefill(7, ids[:5]), *(slots.decode([7], [i])[0] for i in ids[5:])]
    assert torch.equal(torch.stack(alone), whole[4:])
    slots.free(7)
    for slot in range(0, 20, 2):
        slots.prefill(slot, ids[slot : slot + 3])
    beside = [slots.prefill(7, ids[:5])]
    for step, token_id in enumerate(ids[5:]):
        others = list(range(0, 20, 2))[: 1 + step % 10]
        logits = slots.decode([*others, 7], [*ids[: len(others)], token_id])
        beside.append(logits[-1])
    assert torch.equal(torch.stack(beside), whole[4:])


@pytest.mark.parametrize("weights", WEIGHT_DTYPES)
@pytest.mark.parametrize("shape", ["modern", "odd widths"])
def test_texts_that_come_and_go_have_the_bits_they_have_alone(
    shape: str, weights: WeightDtype
) -> None:
    """As in a server: long prompts are read while others are half told, in slots used before."""
    chance = random.Random(0)
    model = random_model(shape)
    ids = random_ids(model, 400)
    alone = NativeTensors(model, 1, weights, threads=1)
    texts, expected = [], []
    for _ in range(25):
        start, length = chance.randrange(270), chance.choice([129, 100, 97, 96, 40, 7, 2])
        texts.append(ids[start : start + length])
        expected.append(alone.all_logits(0, texts[-1]))
        alone.free(0)
    slots = NativeTensors(model, 13, weights, threads=2)
    waiting, running = list(range(len(texts))), dict[int, tuple[int, int]]()
    while waiting or running:
        for slot, (text, read) in tuple(running.items()):
            if read == len(texts[text]):
                del running[slot]
                slots.free(slot)
        if running:
            next_ids = [texts[text][read] for text, read in running.values()]
            logits = slots.decode(list(running), next_ids)
            for row, (slot, (text, read)) in zip(logits, tuple(running.items()), strict=True):
                assert torch.equal(row, expected[text][read])
                running[slot] = (text, read + 1)
        free = [slot for slot in range(13) if slot not in running]
        if waiting and free and chance.random() < 0.4:
            text, slot = waiting.pop(), chance.choice(free)
            read = chance.randint(1, len(texts[text]))
            assert torch.equal(slots.prefill(slot, texts[text][:read]), expected[text][read - 1])
            running[slot] = (text, read)


def test_a_slot_forgets_the_text_that_was_in_it(tmp_path: Path) -> None:
    model = random_model("gpt2")
    slots = NativeTensors(model, 2)
    first = slots.prefill(1, [5, 6, 7])
    slots.free(1)
    slots.prefill(1, random_ids(model, 50))
    slots.free(1)
    assert torch.equal(slots.prefill(1, [5, 6, 7]), first)


INSTRUCTIONS = {
    "every processor's": ((), ()),
    "AVX2": (("-mavx2", "-mfma"), ("avx2", "fma")),
    "AVX-VNNI": (("-mavx2", "-mfma", "-mavxvnni"), ("avx2", "fma", "avx_vnni")),
    "AVX-512 without tiles": (
        ("-march=native", "-mno-amx-tile", "-mno-amx-int8", "-mno-amx-bf16"),
        ("avx512_bf16", "amx_tile"),
    ),
}
"""Flags for the compiler, and what Linux says of processors that have them."""


def this_processor_has(features: Sequence[str]) -> bool:
    if not features:
        return True
    described = Path("/proc/cpuinfo")
    known = set(described.read_text("utf-8").split()) if described.is_file() else set()
    return known.issuperset(features)


@pytest.mark.slow
@pytest.mark.parametrize("instructions", INSTRUCTIONS)
def test_instructions_of_other_processors_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instructions: str
) -> None:
    flags, features = INSTRUCTIONS[instructions]
    if not this_processor_has(features):
        pytest.skip(f"this processor does not have {instructions}")
    monkeypatch.setenv(native_build.CACHE_VARIABLE, str(tmp_path))
    library = native_build.build_library((*native_build.PLAIN_FLAGS, *flags, "-O1"))
    monkeypatch.setattr("slm.native.engine.native_library", lambda log: library)
    for shape in ("modern", "odd widths"):
        model = random_model(shape)
        ids = random_ids(model, 70)
        expected = plain(model, ids)
        for weights in WEIGHT_DTYPES:
            slots = NativeTensors(model, 2, weights)
            logits = slots.all_logits(0, ids)
            assert (logits - expected).abs().mean() < TOLERANCE[weights] * expected.std()
            alone = [slots.prefill(1, ids[:60]), *(slots.decode([1], [i])[0] for i in ids[60:])]
            assert torch.equal(torch.stack(alone), logits[59:])


@pytest.mark.parametrize("weights", WEIGHT_DTYPES)
def test_the_surprisal_of_each_target(weights: WeightDtype) -> None:
    model = random_model("odd widths")
    ids = random_ids(model, 130)
    targets = random_ids(model, 131)[1:]
    slots = NativeTensors(model, 2, weights, threads=2)
    logits = slots.all_logits(1, ids)
    expected = F.cross_entropy(logits, torch.tensor(targets), reduction="none")
    for _ in range(2):  # the slot is empty again
        torch.testing.assert_close(slots.surprisal(ids, targets), expected, atol=1e-4, rtol=1e-5)


def test_memory_of_freed_sequences_is_used_again() -> None:
    slots = NativeTensors(random_model("modern"), 2, "float32")
    long = random_ids(random_model("modern"), 130)
    first = slots.all_logits(0, long)
    slots.free(0)
    second = slots.all_logits(1, long)
    slots.prefill(0, long[:70])
    assert torch.equal(first, second)
    third = slots.decode([0], long[70:71])
    assert torch.equal(third[0], first[70])


MISUSE = """
import numpy as np
from slm.config import GPTConfig
from slm.generation import GenerationOptions, build_generator
from slm.generation import GenerationOptions
from slm.native.engine import NativeEngine, arrays_of
from slm.native.sampling import sample_ids
from slm.model import GPT

def refused(call, *words):
    try:
        call()
    except ValueError as error:
        missing = [word for word in words if word not in str(error)]
        if not missing:
            return
        raise SystemExit(f"{error} lacks {missing}")
    raise SystemExit(f"not refused: {words}")

config = GPTConfig(vocab_size=300, block_size=130, n_layer=1, n_head=1, n_embd=16, dropout=0.0)
weights = arrays_of(GPT(config))
engine = NativeEngine(config, weights, 2)
engine.prefill([0], [[1]])
refused(lambda: engine.prefill([0], [[1]]), "taken")
refused(lambda: engine.surprisal([1], [1]), "taken")
refused(lambda: engine.prefill([1], [[]]), "at least one")
for slot in (-1, 2, 2**32):
    refused(lambda: engine.prefill([slot], [[1]]), "slots are 0 to 1")
    refused(lambda: engine.all_logits(slot, [1]), "slots are 0 to 1")
    refused(lambda: engine.decode([slot], [1]), "slots are 0 to 1")
    refused(lambda: engine.free([slot]), "slots are 0 to 1")
for token_id in (-1, 300, 2**32, -(2**32)):
    refused(lambda: engine.prefill([1], [[1, token_id]]), "ids are 0 to 299", str(token_id))
    refused(lambda: engine.decode([0], [token_id]), "ids are 0 to 299")
refused(lambda: engine.decode([1], [1]), "empty")
refused(lambda: engine.decode([0, 0], [1, 1]), "2 ids for the slots [0, 0]")
refused(lambda: engine.decode([0], [1, 1]), "2 ids")
refused(lambda: engine.decode([0], []), "0 ids")
refused(lambda: engine.decode([], []), "slots are")
refused(lambda: engine.prefill([1], [[1] * 131]), "full")
# What was refused has changed nothing.
engine.prefill([1], [[1]])
unchanged = np.array_equal(engine.decode([0], [2]), engine.decode([1], [2]))
engine.free([0])
engine.free([1])
engine.prefill([0], [[1] * 130])
refused(lambda: engine.decode([0], [1]), "full")
engine.free([0])
refused(lambda: engine.surprisal([], []), "at least one")
refused(lambda: engine.surprisal([1], [300]), "ids are 0 to 299")
refused(lambda: engine.surprisal([1], [1, 2]), "1 ids and 2 targets")
refused(lambda: engine.surprisal([1] * 131, [1] * 131), "full")
refused(lambda: NativeEngine(config, weights, 0), "n_slots")
more = {**weights, "other": weights["final_norm.weight"]}
refused(lambda: NativeEngine(config, more, 1), "other")
options, rows = GenerationOptions(), np.zeros((2, 300), np.float32)
for logits, numbers in (
    (rows, [0.5]),
    (rows, [0.5, 0.5, 0.5]),
    (rows, [0.5, 1.5]),
    (rows, [0.5, -0.1]),
    (rows, [0.5, float("nan")]),
    (rows[0], [0.5, 0.5]),
    (rows[:, :0], [0.5, 0.5]),
    (rows.astype(np.float64), [0.5, 0.5]),
):
    refused(lambda: sample_ids(logits, [options] * 2, numbers))
refused(lambda: sample_ids(rows, [options], [0.5, 0.5]))
print("asserts are on" if __debug__ else "asserts are off", unchanged)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("flags", "said"), [((), "on"), (("-O",), "off")])
def test_misuse_is_refused_with_and_without_asserts(flags: Sequence[str], said: str) -> None:
    """Native code takes ids, slots and positions for addresses: what is wrong must not reach it."""
    outcome = subprocess.run(
        [sys.executable, *flags, "-c", MISUSE], capture_output=True, encoding="utf-8", check=False
    )
    assert (outcome.stdout, outcome.stderr) == (f"asserts are {said} True\n", "")
    assert outcome.returncode == 0


def test_positions_turn_as_in_the_model() -> None:
    for shape in ("modern", "odd widths"):
        config = GPTConfig(**{"vocab_size": 300, "block_size": 1000, "n_layer": 1, **SHAPES[shape]})
        cos, sin = rotary_tables(config.block_size, config.head_width, config.rope_theta)
        found = _rotary_tables(config)
        torch.testing.assert_close(torch.from_numpy(found["cos"]), cos, atol=5e-5, rtol=0)
        torch.testing.assert_close(torch.from_numpy(found["sin"]), sin, atol=5e-5, rtol=0)
    assert _rotary_tables(random_model("gpt2").config) == {}


@pytest.mark.parametrize("change", [{"n_head": 1}, {"n_head": 2, "head_dim": None}])
def test_heads_that_are_too_wide_are_refused(change: dict[str, Any]) -> None:
    config = GPTConfig(vocab_size=257, block_size=8, n_layer=1, n_embd=2304, **change)
    with pytest.raises(NativeUnavailableError, match="no heads wider than 1,024"):
        NativeEngine(config, {}, 1)


@pytest.mark.parametrize("change", [{"mlp": "gelu_exact"}, {"local_window": 8}])
def test_shapes_that_it_does_not_have_run_in_pytorch(change: dict[str, Any]) -> None:
    config = GPTConfig(
        vocab_size=257, block_size=32, n_layer=2, n_head=2, n_embd=16, dropout=0.0, **change
    )
    model = GPT(config).eval()
    with pytest.raises(NativeUnavailableError, match=next(iter(change))):
        NativeEngine(config, arrays_of(model), 1)
    notes: list[str] = []
    generator = build_generator(model, BytesTokenizer(), log=notes.append)
    options = GenerationOptions(temperature=0.0, max_new_tokens=12)
    (completion,) = generator.complete(["Mia"], options)
    ids = torch.tensor([[256, *b"Mia"]])
    assert (
        list(completion.ids)
        == model.generate(ids, 12, temperature=0)[0, 4:].tolist()[: len(completion.ids)]
    )
    assert any("without native code" in note for note in notes)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork() on this system")
def test_a_child_process_frees_nothing_of_its_parent() -> None:
    """It has none of the threads, and would wait for them forever."""
    program = """
import os, sys, time
from tests.unit.native.test_engine import random_ids, random_model
from slm.native.engine import NativeEngine, arrays_of
model = random_model("modern")
engine = NativeEngine(model.config, arrays_of(model), 2, threads=2)
engine.prefill([0], [random_ids(model, 20)])
time.sleep(0.2)  # its threads sleep
if os.fork() == 0:
    engine.prefill([1], [random_ids(model, 20)])
    del engine
    sys.exit(0)
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)
