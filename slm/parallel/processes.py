"""The processes of a distributed run: rank, device, and process group.

PyTorch is imported inside the functions, so that importing this module is fast.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from slm.errors import ConfigError
from slm.hardware.devices import resolve_device


@dataclass(frozen=True)
class Process:
    """This process among the processes of a run.

    `rank` is its number among all processes, `local_rank` among those of this machine.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files and prints the messages."""
        return self.rank == 0

    @classmethod
    def from_environment(cls) -> Process:
        """The process of torchrun's RANK, WORLD_SIZE and LOCAL_RANK; without them, a single one.

        Raises:
            ConfigError: the variables have invalid values.
        """
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        given = {name: os.environ[name] for name in names if name in os.environ}
        if "RANK" not in given or "WORLD_SIZE" not in given:
            return cls()
        if not all(value.isdecimal() for value in given.values()):
            raise ConfigError(
                f"the environment of torchrun is invalid: {given}", hint="start with torchrun"
            )
        rank, world_size = int(given["RANK"]), int(given["WORLD_SIZE"])
        if rank >= world_size:
            raise ConfigError(f"rank {rank} is not below the world size {world_size}")
        return cls(rank, world_size, int(given.get("LOCAL_RANK", rank)))

    @classmethod
    def from_environment_or_alone(cls) -> Process:
        """The same, for reporting errors: invalid variables are ignored."""
        try:
            return cls.from_environment()
        except ConfigError:
            return cls()


def device_of_process(device: str, process: Process) -> str:
    """The device of a process: with several processes, each uses its own GPU.

    gloo, which connects processes without CUDA, does not support MPS tensors: they use the CPU.

    Raises:
        DeviceError: there are more processes than GPUs.
    """
    if device == "mps" and process.world_size > 1:
        return "cpu"
    if device == "cuda" and process.world_size > 1:
        return resolve_device(f"cuda:{process.local_rank}")
    return device


@contextlib.contextmanager
def process_group(process: Process, device: str) -> Iterator[None]:
    """Connect the processes of a run during the block: NCCL on GPUs, gloo on CPUs."""
    if process.world_size == 1:
        yield
        return
    import torch.distributed
    from torch.distributed import PrefixStore  # type: ignore[attr-defined]
    from torch.distributed.rendezvous import rendezvous

    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    # Otherwise, restarted processes would find the addresses of those that died.
    store, rank, world_size = next(rendezvous("env://"))
    if os.environ.get("LOCAL_WORLD_SIZE") == os.environ.get("WORLD_SIZE"):  # a single machine
        start = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        store = PrefixStore(f"start {start}", store)
    torch.distributed.init_process_group(
        "nccl" if device.startswith("cuda") else "gloo",
        store=store,
        rank=rank,
        world_size=world_size,
    )
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()
