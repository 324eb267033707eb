"""`torch.compile`, where it pays for itself.

One block is compiled and reused for every layer, which costs a sixth of compiling a model of six.
"""

from __future__ import annotations

import contextlib

import torch

from slm.config import TrainingConfig
from slm.errors import DeviceError
from slm.model import GPT, costs_of
from slm.runtime import can_compile

ASSUMED_FLOPS = {"cpu": 1e11, "cuda": 1e13}
"""What a laptop reaches in training; only for telling long runs from short ones."""
WORTHWHILE_SECONDS = {"cpu": 300.0, "cuda": 60.0}
"""Planned lengths of a run from which compiling gives back more than it costs."""


def worth_compiling(config: TrainingConfig, model: GPT, device: str, tokens_per_step: int) -> bool:
    """Whether to compile the blocks of a run.

    `auto` decides from the planned length of the run alone, not from a measurement, so that the
    same command always decides the same.

    Raises:
        DeviceError: the settings demand it, and there is no compiler.
    """
    possible = can_compile(device)
    if config.compile == "on" and not possible:
        raise DeviceError(
            f"compile=on is not possible here: no compiler for {device} was found",
            hint="install one (gcc, clang or MSVC; triton for CUDA), or use compile=auto",
        )
    if config.compile != "auto":
        return config.compile == "on"
    kind = device.partition(":")[0]
    if not possible or kind not in WORTHWHILE_SECONDS:
        return False
    if config.max_minutes is not None:
        planned_seconds = config.max_minutes * 60.0
    else:
        flops = costs_of(model.config).training_flops_per_token
        planned_seconds = config.max_steps * tokens_per_step * flops / ASSUMED_FLOPS[kind]
    return planned_seconds >= WORTHWHILE_SECONDS[kind]


def compile_blocks(model: GPT) -> None:
    """Compile the forward and backward pass of a block, once for all blocks."""
    for block in model.blocks:
        block.compile(dynamic=False)


def eagerly() -> contextlib.AbstractContextManager[None]:
    """Run compiled modules uncompiled inside: evaluation has other shapes, compiled anew each."""
    context: contextlib.AbstractContextManager[None] = torch.compiler.set_stance("force_eager")
    return context
