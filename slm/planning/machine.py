"""Training speed of this machine, measured in a few seconds, relative to the reference machine.

The reference machine of the scaling law is described in docs/explanation/scaling-law.md.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace

import torch

from slm.config import RunConfig
from slm.hardware.devices import (
    can_compile,
    keep_freed_memory,
    memory_bytes,
    resolve_device,
    resolve_dtype,
    set_threads,
)
from slm.model import GPT, model_costs
from slm.parallel.processes import Process
from slm.planning.scaling_law import seconds_per_token
from slm.planning.steps import MachineProfile, plan_should_compile
from slm.planning.timing import step_seconds
from slm.presets import resolve
from slm.runs.borrowed import restored_torch
from slm.runs.guarded_step import GuardedStep
from slm.training.compiling import compile_blocks

PROBE = ("n_layer=4", "n_embd=192", "n_head=3", "mlp_dim=none", "block_size=128")
PROBE_ROWS = 32
WARM_UP_STEPS = 2
SHORTEST_PROBE, PROBE_SHARE, LONGEST_PROBE = 1.5, 0.005, 20.0
"""The probe takes this share of a run, within these seconds: some machines are faster at first than
they stay, one by 40% for 15 s, which only the probe of a long run outlasts."""
COMPILED_PROBE_MINUTES = 15.0
"""Before runs of at least this length the probe compiles its steps, if the run does: the gain
differs between processors, and the first compilation takes some seconds."""


def probe_machine(
    settings: RunConfig, minutes: float, *, owns_process: bool = False
) -> MachineProfile:
    """Time some training steps of a small model, with the settings of the run.

    Args:
        settings: device, dtype, threads, and whether blocks are compiled.
        minutes: the length of the run.
        owns_process: see `slm.runs.run_trainer.RunTrainer`.

    Raises:
        DeviceError: the device, or a compiler that the settings require, is not available.
    """
    with contextlib.nullcontext() if owns_process else restored_torch():
        return _probe(settings, minutes, keeps_memory=owns_process)


def probe_seconds(minutes: float) -> float:
    """How long to time steps before a run of this length."""
    return min(max(SHORTEST_PROBE, PROBE_SHARE * 60.0 * minutes), LONGEST_PROBE)


def _probe(settings: RunConfig, minutes: float, *, keeps_memory: bool) -> MachineProfile:
    set_threads(settings.train.threads)
    device = resolve_device(settings.train.device)
    dtype = resolve_dtype(settings.train.dtype, device)
    if keeps_memory and device == "cpu":
        keep_freed_memory()
    probe = resolve("modern-12m", assignments=PROBE)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = GPT(probe.model).to(device)
        ids = torch.randint(probe.model.vocab_size, (PROBE_ROWS, probe.model.block_size + 1))
        ids = ids.to(device)
    has_compiler = can_compile(device)

    def relative_speed(seconds: float, *, compiled: bool) -> float:
        stepper = GuardedStep(model, probe.train, device=device, dtype=dtype, process=Process())
        each = step_seconds(
            lambda: stepper.step([(ids[:, :-1], ids[:, 1:])], 1, 1e-3),
            device,
            warm_up=WARM_UP_STEPS,
            enough_seconds=seconds,
        )
        flops = model_costs(probe.model).training_flops_per_token
        return ids[:, 1:].numel() * seconds_per_token(flops, compiled=compiled) / each

    may_compile = minutes >= COMPILED_PROBE_MINUTES
    seconds = probe_seconds(minutes)
    machine = MachineProfile(
        device=device.partition(":")[0],
        dtype=dtype,
        relative_speed=relative_speed(SHORTEST_PROBE if may_compile else seconds, compiled=False),
        has_compiler=has_compiler,
        memory_bytes=memory_bytes(device),
    )
    if not may_compile:
        return machine
    # A short look is enough to decide; the speed that is planned with takes its time.
    compiled = plan_should_compile(settings, minutes, machine)
    if compiled:
        compile_blocks(model)
    return replace(machine, relative_speed=relative_speed(seconds, compiled=compiled))
