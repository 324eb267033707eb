"""The CPUs and the memory that this process may use, and what limits them.

Considered are the process's affinity, the limits of its container, and the environment variables
that set a number of threads. This module does not import PyTorch.
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
"""Variables that set the number of PyTorch's threads; the first one takes precedence."""
LIBRARY_VARIABLES = ("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "TORCHINDUCTOR_COMPILE_THREADS")
"""Variables that set the number of threads of libraries: PyTorch and NumPy, tokenizers, and the
compiler of PyTorch's kernels. Most libraries consider the affinity, but not a quota."""

_limited: dict[str, str] = {}
"""Variables that were set by `limit_libraries`, not by the user."""


@dataclass(frozen=True)
class Cpus:
    """The CPUs of this machine, and those that this process uses."""

    machine: int
    allowed: int
    """CPUs on which the process may run: its affinity, or the cpuset of its container."""
    cores: int
    """Physical cores among these."""
    quota: float | None
    """CPU seconds per second that its control groups allow, if that is less than `allowed`."""
    chosen: tuple[str, int] | None
    """The variable with which the user has set a number of threads, and the number."""

    @property
    def workers(self) -> int:
        """The number of threads for independent work, such as encoding text."""
        return self.allowed if self.quota is None else max(1, math.floor(self.quota + 1e-6))

    @property
    def threads(self) -> int:
        """The number of threads that compute together."""
        return min(self.cores, self.workers) if self.chosen is None else self.chosen[1]

    @property
    def is_limited_by_quota(self) -> bool:
        """Whether the quota reduces the number of threads."""
        return self.chosen is None and self.workers < self.cores

    @property
    def reason(self) -> str:
        """Why there are fewer threads than the machine has CPUs, or empty."""
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
        """The reason why it is less than the machine has, or empty."""
        return "cgroup memory limit" if self.usable < self.machine else ""

    def __str__(self) -> str:
        usable, machine = (f"{size / 1e9:.1f}" for size in (self.usable, self.machine))
        return f"{usable} of {machine} GB ({self.reason})" if self.reason else f"{machine} GB"


def usable_cpus(environment: Mapping[str, str] = os.environ) -> Cpus:
    """The CPUs that this process uses, from its current limits.

    It uses one thread for each core that it may run on, like PyTorch, but no more than the whole
    CPUs of its quota: threads that compute together wait for the slowest one, and a thread that is
    stopped by the quota delays all others. So a quota of 0.5 or 1.5 CPUs gives one thread.
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
    """The memory that this process may use; None if unknown."""
    try:
        pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # AttributeError: Windows
        return None
    if pages <= 0 or page_bytes <= 0:
        return None
    machine, limit = pages * page_bytes, cgroup_limits().memory_bytes
    return Memory(machine, machine if limit is None else min(machine, limit))


def busy_cpu_seconds(root: Path = Path("/")) -> float | None:
    """CPU time that all programs have used on this process's processors since the system's start.

    Time that a hypervisor gave to another virtual machine is included. None if unknown.

    Args:
        root: the root of the file system.
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
    """Limit the threads of libraries that are imported later to the CPU quota.

    Variables that the user has set are kept. Without a quota nothing is set.
    """
    cpus = usable_cpus(environment)
    if cpus.workers >= cpus.allowed:
        return
    for name in LIBRARY_VARIABLES:
        is_chosen = cpus.chosen is not None and name in THREADS_VARIABLES
        if name not in environment and not is_chosen:
            environment[name] = _limited[name] = str(cpus.workers)


def _chosen(environment: Mapping[str, str]) -> tuple[str, int] | None:
    """The variable with which the user has set a number of threads, and the number."""
    for name in THREADS_VARIABLES:
        value = environment.get(name, "")
        if value.isdecimal() and int(value) > 0 and _limited.get(name) != value:
            return name, int(value)
    return None


def _affinity() -> set[int]:
    """The processors that this process may run on; empty if unknown."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def _core_of(processor: int) -> str:
    """An identifier of the core that a processor belongs to."""
    if sys.platform != "linux":
        return str(processor)
    topology = Path(f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list")
    try:
        return topology.read_text(encoding="ascii")
    except OSError:
        return str(processor)
