"""How many CPUs and how much memory are used, and why."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from slm.hardware import resources
from slm.hardware.cgroups import Limits
from slm.hardware.resources import (
    Cpus,
    Memory,
    busy_cpu_seconds,
    limit_libraries,
    usable_cpus,
    usable_memory,
)


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> dict[str, float | int | None]:
    """A machine of 4 cores with two hardware threads each, and what its groups allow."""
    found: dict[str, float | int | None] = {"cpus": None, "memory_bytes": None}
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(resources, "_affinity", lambda: set(range(8)))
    monkeypatch.setattr(resources, "_core_of", lambda processor: str(processor % 4))
    monkeypatch.setattr(resources, "cgroup_limits", lambda: Limits(**found))  # type: ignore[arg-type]
    monkeypatch.setattr(resources, "_limited", {})
    return found


@pytest.mark.parametrize(
    ("quota", "threads", "workers", "said"),
    [
        (None, 4, 8, "4 of 8 CPUs (one thread per core)"),
        (0.5, 1, 1, "1 of 8 CPUs (cgroup quota 0.5)"),
        (0.01, 1, 1, "1 of 8 CPUs (cgroup quota 0.01)"),
        (1.0, 1, 1, "1 of 8 CPUs (cgroup quota 1)"),
        (1.9, 1, 1, "1 of 8 CPUs (cgroup quota 1.9)"),
        (2.0, 2, 2, "2 of 8 CPUs (cgroup quota 2)"),
        (3.75, 3, 3, "3 of 8 CPUs (cgroup quota 3.75)"),
        (6.0, 4, 6, "4 of 8 CPUs (one thread per core)"),
        (8.0, 4, 8, "4 of 8 CPUs (one thread per core)"),
        (64.0, 4, 8, "4 of 8 CPUs (one thread per core)"),
    ],
)
def test_a_thread_for_each_core_and_each_whole_cpu_of_the_quota(
    limits: dict[str, float | None], quota: float | None, threads: int, workers: int, said: str
) -> None:
    limits["cpus"] = quota
    cpus = usable_cpus({})
    assert (cpus.threads, cpus.workers, str(cpus)) == (threads, workers, said)


@pytest.mark.parametrize(
    ("environment", "threads", "reason"),
    [
        ({"OMP_NUM_THREADS": "3"}, 3, "OMP_NUM_THREADS"),
        ({"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "2"}, 2, "MKL_NUM_THREADS"),
        ({"OMP_NUM_THREADS": ""}, 1, "cgroup quota 0.5"),
        ({"OMP_NUM_THREADS": "0"}, 1, "cgroup quota 0.5"),
        ({"OMP_NUM_THREADS": "many"}, 1, "cgroup quota 0.5"),
        ({"OMP_NUM_THREADS": "2,3"}, 1, "cgroup quota 0.5"),
    ],
)
def test_what_the_user_chose_counts(
    limits: dict[str, float | None], environment: dict[str, str], threads: int, reason: str
) -> None:
    limits["cpus"] = 0.5
    cpus = usable_cpus(environment)
    assert (cpus.threads, cpus.reason, cpus.workers) == (threads, reason, 1)


def test_the_affinity(limits: dict[str, float | None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "_affinity", lambda: {1, 2})
    assert str(usable_cpus({})) == "2 of 8 CPUs (affinity)"
    limits["cpus"] = 1.0
    assert str(usable_cpus({})) == "1 of 8 CPUs (cgroup quota 1)"
    limits["cpus"] = 2.5  # more than it may run on
    assert usable_cpus({}).quota is None


def test_a_system_that_tells_little(
    limits: dict[str, float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "_affinity", set)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert str(usable_cpus({})) == "1 of 1 CPU"
    monkeypatch.undo()
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert resources._affinity() == set()
    assert resources._core_of(10**6) == "1000000"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert resources._core_of(0) == "0"


# -- libraries -------------------------------------------------------------------------------------


def test_libraries_are_limited_by_a_quota_only(limits: dict[str, float | None]) -> None:
    environment: dict[str, str] = {}
    limit_libraries(environment)
    assert environment == {}
    limits["cpus"] = 2.5
    limit_libraries(environment)
    assert environment == dict.fromkeys(resources.LIBRARY_VARIABLES, "2")
    assert usable_cpus(environment).reason == "cgroup quota 2.5"  # no choice of the user's


@pytest.mark.parametrize("variable", ["OMP_NUM_THREADS", "MKL_NUM_THREADS"])
def test_libraries_keep_what_the_user_set(limits: dict[str, float | None], variable: str) -> None:
    limits["cpus"] = 0.5
    environment = {variable: "4", "RAYON_NUM_THREADS": "3"}
    limit_libraries(environment)
    assert environment == {
        variable: "4",
        "RAYON_NUM_THREADS": "3",
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
    }
    assert usable_cpus(environment).threads == 4


# -- memory ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "usable", "said"),
    [
        (None, 8 << 30, "8.6 GB"),
        (1 << 29, 1 << 29, "0.5 of 8.6 GB (cgroup memory limit)"),
        (9223372036854771712, 8 << 30, "8.6 GB"),  # "none" in version 1
    ],
)
def test_memory(
    limits: dict[str, float | int | None],
    monkeypatch: pytest.MonkeyPatch,
    limit: int | None,
    usable: int,
    said: str,
) -> None:
    sizes = {"SC_PHYS_PAGES": 2 << 20, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__, raising=False)
    limits["memory_bytes"] = limit
    memory = usable_memory()
    assert memory == Memory(8 << 30, usable)
    assert str(memory) == said


def test_memory_that_nobody_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sysconf", lambda name: -1, raising=False)
    assert usable_memory() is None
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert usable_memory() is None


# -- the time that all programs use ----------------------------------------------------------------

STAT = """cpu  9 9 9 9 9 9 9 9 9 9
cpu0 100 20 30 9999 50 1 2 3 40 5
cpu1 1000 0 0 0 0 0 0 0 0 0
cpu2 7000 0 0 0 0 0 0 0 0 0
intr 1 2 3
"""


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="Windows has no /proc")
def test_busy_seconds_of_the_processors_of_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sysconf", lambda name: 100)
    monkeypatch.setattr(resources, "_affinity", lambda: {0, 1})
    (tmp_path / "proc").mkdir()
    stat = tmp_path / "proc/stat"
    stat.write_text(STAT)
    assert busy_cpu_seconds(tmp_path) == 11.56
    for text in ("", "cpu0 1 2 3\n", STAT.replace("9999", "-1"), "cpux 1 2 3 4 5 6 7 8\n"):
        stat.write_text(text)
        assert busy_cpu_seconds(tmp_path) is None
    stat.unlink()
    assert busy_cpu_seconds(tmp_path) is None


def test_cpus_are_compared_by_value() -> None:
    assert Cpus(2, 2, 2, None, None) == Cpus(2, 2, 2, None, None)
    assert str(Cpus(2, 2, 2, None, None)) == "2 of 2 CPUs"
