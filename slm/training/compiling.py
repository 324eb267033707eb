"""`torch.compile`, where it pays for itself.

One block is compiled and reused for every layer, which costs a sixth of compiling a model of six.
"""

from __future__ import annotations

import contextlib
import math
import os
import platform
import sys

import torch

from slm.config import GPTConfig, TrainingConfig
from slm.errors import DeviceError
from slm.hardware.devices import can_compile
from slm.model import GPT, model_costs

ASSUMED_FLOPS = {"cpu": 1e11, "cuda": 1e13}
"""Training speed of a laptop in FLOP/s; only used to distinguish long runs from short ones."""
WORTHWHILE_SECONDS = {"cpu": 300.0, "cuda": 60.0}
"""Minimum planned length of a run for which compilation pays off."""


def run_should_compile(
    config: TrainingConfig, shape: GPTConfig, device: str, tokens_per_step: int
) -> bool:
    """Whether to compile the blocks of a run.

    Raises:
        DeviceError: the settings require it, and there is no compiler.
    """
    kind = device.partition(":")[0]
    if config.max_minutes is not None:
        planned_seconds = 60.0 * config.max_minutes
    else:
        flops = model_costs(shape).training_flops_per_token * tokens_per_step
        planned_seconds = config.max_steps * flops / ASSUMED_FLOPS.get(kind, math.inf)
    return should_compile(config.compile, device, planned_seconds, has_compiler=can_compile(device))


def should_compile(choice: str, device: str, planned_seconds: float, *, has_compiler: bool) -> bool:
    """The effect of the setting `compile` in a run of a planned length.

    `auto` decides from that length alone, not from a measurement, so that the same command always
    decides the same.

    Args:
        choice: `on`, `off` or `auto`.
        device: its kind, or with its number.
        planned_seconds: of the run.
        has_compiler: whether there is one for the device.

    Raises:
        DeviceError: `on`, and there is no compiler.
    """
    if choice == "on" and not has_compiler:
        raise DeviceError(
            f"compile=on is not possible here: no compiler for {device} was found",
            hint="install one (gcc, clang or MSVC; triton for CUDA), or use compile=auto",
        )
    if choice != "auto":
        return choice == "on"
    least_seconds = WORTHWHILE_SECONDS.get(device.partition(":")[0], math.inf)
    return has_compiler and planned_seconds >= least_seconds


def compile_blocks(model: GPT) -> None:
    """Compile the forward and backward pass of a block, once for all blocks."""
    options = kernel_options()
    for block in model.blocks:
        block.compile(dynamic=False, options=options)


def kernel_options() -> dict[str, str]:
    """Options of `torch.compile` without which its kernels may be wrong here.

    torch writes its kernels with vectors and turns off GCC's vectorizer of loops, but not that of
    straight code. With 512-bit vectors, which GCC uses for every CPU with AVX-512 that it does not
    know, GCC 12 turns the transposition of bfloat16 blocks into wrong code: gradients that are
    wrong, and some of them NaN. The tests have the kernel.
    """
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return {}
    architecture = os.environ.get("TORCHINDUCTOR_CPP_MARCH") or "native"
    return {"cpp.march": f"{architecture} -fno-tree-slp-vectorize"}  # it becomes -march=...


def eagerly() -> contextlib.AbstractContextManager[None]:
    """Run modules uncompiled in the block: each shape of an evaluation would compile again."""
    context: contextlib.AbstractContextManager[None] = torch.compiler.set_stance("force_eager")
    return context
