"""How fast this machine trains, found in a few seconds."""

from __future__ import annotations

import torch

from slm.config import RunConfig
from slm.model import GPT
from slm.presets import resolve
from slm.runtime import (
    Process,
    can_compile,
    keep_freed_memory,
    memory_bytes,
    resolve_device,
    resolve_dtype,
    set_threads,
)
from slm.train.plan import Machine
from slm.train.speed import step_seconds
from slm.train.step import Stepper

REFERENCE_SECONDS = 0.175
"""What the step below takes on the machine of docs/law.md."""
PROBE = ("n_layer=4", "n_embd=192", "n_head=3", "mlp_dim=none", "block_size=128")
PROBE_ROWS = 16
WARM_UP_STEPS, STEPS = 3, 7


def probe_machine(settings: RunConfig) -> Machine:
    """Time some training steps of a small model, in the number format that the run will use.

    Args:
        settings: device, number format and threads.

    Raises:
        DeviceError: the device is not there.
    """
    set_threads(settings.train.threads)
    device = resolve_device(settings.train.device)
    dtype = resolve_dtype(settings.train.dtype, device)
    if device == "cpu":
        keep_freed_memory()
    probe = resolve("modern-12m", assignments=PROBE)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = GPT(probe.model).to(device)
        ids = torch.randint(probe.model.vocab_size, (PROBE_ROWS, 129)).to(device)
    stepper = Stepper(model, probe.train, device=device, dtype=dtype, process=Process())
    seconds = step_seconds(
        lambda: stepper.step([(ids[:, :-1], ids[:, 1:])], 1, 1e-3),
        device,
        warm_up=WARM_UP_STEPS,
        steps=STEPS,
    )
    return Machine(
        device=device.partition(":")[0],
        dtype=dtype,
        speed=REFERENCE_SECONDS / seconds,
        has_compiler=can_compile(device),
        memory_bytes=memory_bytes(device),
    )
