"""How many CPUs and how much memory this process may use, and what limits them.

The affinity of the process, the limits of its container, and the variables with which a user
chooses a number of threads. Nothing here imports PyTorch.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from slm.hardware.cgroups import cgroup_limits

THREADS_VARIABLES = ("MKL_NUM_THREADS", "OMP_NUM_THREADS")
"""With which a user chooses the number of PyTorch's threads; the first one counts."""
LIBRARY_VARIABLES = ("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "TORCHINDUCTOR_COMPILE_THREADS")
"""From which libraries take their number of threads: PyTorch and NumPy, tokenizers, and the
compiler of PyTorch's kernels. Most look at the affinity only, not at a quota."""

_limited: dict[str, str] = {}
"""Variables that `limit_libraries` has set: no choice of the user's."""


@dataclass(frozen=True)
class Cpus:
    """The CPUs of this machine, and what of them this process uses."""

    machine: int
    allowed: int
    """On which the process may run: its affinity, in a container its cpuset."""
    cores: int
    """Of these, counted once where a core has several hardware threads."""
    quota: float | None
    """CPU seconds per second that its control groups allow, where that is less than `allowed`."""
    chosen: tuple[str, int] | None
    """The variable with which the user chose a number of threads, and the number."""

    @property
    def workers(self) -> int:
        """How many threads do independent work, such as encoding text."""
        return self.allowed if self.quota is None else max(1, math.floor(self.quota + 1e-6))

    @property
    def threads(self) -> int:
        """How many threads compute together."""
        return min(self.cores, self.workers) if self.chosen is None else self.chosen[1]

    @property
    def is_limited_by_quota(self) -> bool:
        """Whether they are fewer because of the quota."""
        return self.chosen is None and self.workers < self.cores

    @property
    def reason(self) -> str:
        """Why there are not as many threads as the machine has CPUs; empty: there are."""
        if self.chosen is not None:
            return self.chosen[0]
        if self.is_limited_by_quota:
            return f"cgroup quota {self.quota:.3g}"
        if self.threads == self.machine:
            return ""
        return "affinity" if self.allowed < self.machine else "one thread per core"

    def __str__(self) -> str:
        of = f"{self.threads} of {self.machine} {'CPU' if self.machine == 1 else 'CPUs'}"
        return f"{of} ({self.reason})" if self.reason else of


@dataclass(frozen=True)
class Memory:
    """The memory of this machine, and how much of it this process may use."""

    machine: int
    usable: int

    @property
    def reason(self) -> str:
        """What makes it less than the machine has; empty: nothing does."""
        return "cgroup memory limit" if self.usable < self.machine else ""

    def __str__(self) -> str:
        usable, machine = (f"{size / 1e9:.1f}" for size in (self.usable, self.machine))
        return f"{usable} of {machine} GB ({self.reason})" if self.reason else f"{machine} GB"


def usable_cpus(environment: Mapping[str, str] = os.environ) -> Cpus:
    """What this process uses of the machine's CPUs, from its limits as they are now.

    It computes with one thread for each core that it may run on, as PyTorch does, and for each
    whole CPU of its quota: threads that compute in step wait for the slowest, and one that is
    stopped because the quota is used up holds up all others. So half a CPU is worth one thread,
    and so is one and a half.
    """
    machine = os.cpu_count() or 1
    processors = _affinity() or set(range(machine))
    quota = cgroup_limits().cpus
    return Cpus(
        machine=machine,
        allowed=len(processors),
        cores=len({_core_of(processor) for processor in processors}),
        quota=quota if quota is not None and quota < len(processors) else None,
        chosen=_chosen(environment),
    )


def usable_memory() -> Memory | None:
    """What this process may use of the machine's memory; None where the system does not say."""
    try:
        pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # AttributeError: Windows
        return None
    if pages <= 0 or page_bytes <= 0:
        return None
    machine, limit = pages * page_bytes, cgroup_limits().memory_bytes
    return Memory(machine, machine if limit is None else min(machine, limit))


def busy_cpu_seconds(root: Path = Path("/")) -> float | None:
    """CPU time that all programs have used on the processors of this process, since the start.

    Time that a hypervisor gave to another virtual machine counts, too. None where the system does
    not say.

    Args:
        root: of the file system.
    """
    try:
        text = (root / "proc/stat").read_text(encoding="ascii")
        ticks_per_second = os.sysconf("SC_CLK_TCK")
    except (AttributeError, OSError, ValueError):
        return None
    processors, ticks = _affinity(), 0
    for line in text.splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name[3:].isdecimal() and int(name[3:]) in processors:
            if len(fields) < 8 or not all(field.isdecimal() for field in fields):
                return None
            user, nice, system, _idle, _waiting, irq, softirq, steal = map(int, fields[:8])
            ticks += user + nice + system + irq + softirq + steal
    return ticks / ticks_per_second if ticks else None


def limit_libraries(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let libraries that are imported later use no more threads than a CPU quota is worth.

    What the user has set stays. Without a quota nothing is set.
    """
    cpus = usable_cpus(environment)
    if cpus.workers >= cpus.allowed:
        return
    for name in LIBRARY_VARIABLES:
        is_chosen = cpus.chosen is not None and name in THREADS_VARIABLES
        if name not in environment and not is_chosen:
            environment[name] = _limited[name] = str(cpus.workers)


def _chosen(environment: Mapping[str, str]) -> tuple[str, int] | None:
    """The variable with which the user chose a number of threads, and the number."""
    for name in THREADS_VARIABLES:
        value = environment.get(name, "")
        if value.isdecimal() and int(value) > 0 and _limited.get(name) != value:
            return name, int(value)
    return None


def _affinity() -> set[int]:
    """The processors that this process may run on; empty where the system does not say."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def _core_of(processor: int) -> str:
    """What the hardware threads of one core have in common."""
    if sys.platform != "linux":
        return str(processor)
    topology = Path(f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list")
    try:
        return topology.read_text(encoding="ascii")
    except OSError:
        return str(processor)
