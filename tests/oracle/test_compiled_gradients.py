"""Compiled blocks against the same blocks uncompiled, in the dtypes of a run on a CPU."""

from __future__ import annotations

import platform
import sys

import pytest
import torch
from torch import Tensor

from slm.config import GPTConfig
from slm.hardware.devices import autocast, can_compile
from slm.model import GPT
from slm.model.attention import document_mask
from slm.training.compiling import compile_blocks

pytestmark = [
    pytest.mark.skipif(not can_compile("cpu"), reason="no compiler here"),
    # Both are of the compiler itself.
    pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning"),
]

X86 = (sys.platform, platform.machine()) == ("linux", "x86_64")


def gradients(dtype: str, *, compiled: bool) -> dict[str, Tensor]:
    """Of a block with heads of 64 and 128 tokens, the width at which GCC 12 went wrong."""
    torch.manual_seed(1)
    model = GPT(
        GPTConfig(
            vocab_size=64,
            block_size=128,
            n_layer=1,
            n_head=2,
            n_embd=128,
            norm="rmsnorm",
            position="rope",
            mlp="swiglu",
            qk_norm=True,
            bias=False,
            dropout=0.0,
        )
    )
    if compiled:
        torch.compiler.reset()
        compile_blocks(model)
    ids = torch.randint(64, (8, 129))
    with autocast("cpu", dtype):
        mask = document_mask(ids[:, :-1], 0)
        _, loss = model(ids[:, :-1], ids[:, 1:], attn_mask=mask)
    loss.backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "architecture",
    [
        None,
        # What GCC takes for a CPU that is newer than itself: 512-bit vectors with AVX-512.
        pytest.param("native -mtune=generic", marks=pytest.mark.skipif(not X86, reason="x86-64")),
    ],
)
def test_gradients_are_those_of_uncompiled_blocks(
    dtype: str, architecture: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if architecture is not None:
        monkeypatch.setenv("TORCHINDUCTOR_CPP_MARCH", architecture)
    plain, compiled = (gradients(dtype, compiled=choice) for choice in (False, True))
    assert plain.keys() == compiled.keys()
    largest = 1e-4 if dtype == "float32" else 0.03
    for name, expected in plain.items():
        distance = (compiled[name] - expected).norm() / expected.norm()
        assert distance < largest, f"{name}: {distance}"
