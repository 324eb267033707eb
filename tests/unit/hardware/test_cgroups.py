"""Limits of containers, read from trees that look like /proc and /sys, and from a real group."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slm.hardware.cgroups import Limits, cgroup_limits

MOUNT = "31 23 0:28 {root} {point} rw,nosuid shared:9 - {kind} {source} {options}\n"


class Tree:
    """A file system whose groups the test makes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("proc/self/cgroup", "")
        self.write("proc/self/mountinfo", "")

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def membership(self, *lines: str) -> None:
        self.write("proc/self/cgroup", "".join(f"{line}\n" for line in lines))

    def mount(self, point: str, *, controllers: str = "", root: str = "/") -> None:
        old = self.root / "proc/self/mountinfo"
        kind, options = ("cgroup", f"rw,{controllers}") if controllers else ("cgroup2", "rw")
        line = MOUNT.format(root=root, point=point, kind=kind, source=kind, options=options)
        old.write_text(old.read_text() + line)

    @property
    def limits(self) -> Limits:
        return cgroup_limits(self.root)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_without_groups_there_are_no_limits(tree: Tree, tmp_path: Path) -> None:
    assert tree.limits == Limits(None, None)
    assert cgroup_limits(tmp_path / "nothing") == Limits()


@pytest.mark.parametrize(
    ("cpu_max", "cpus"),
    [
        ("50000 100000", 0.5),
        ("150000 100000", 1.5),
        ("10000 5000", 2.0),
        ("25000", 0.25),
        ("max 100000", None),
        ("max", None),
        ("", None),
        ("0 100000", None),
        ("50000 0", None),
        ("-1 100000", None),
        ("many 100000", None),
        ("50000 often", None),
        ("1e5 100000", None),
        ("\u0661 100000", None),
        ("9" * 30 + " 100000", None),
    ],
)
def test_the_quota_of_version_2(tree: Tree, cpu_max: str, cpus: float | None) -> None:
    tree.membership("0::/job")
    tree.mount("/sys/fs/cgroup")
    tree.write("sys/fs/cgroup/job/cpu.max", cpu_max + "\n")
    assert tree.limits.cpus == cpus


@pytest.mark.parametrize(
    ("files", "memory"),
    [
        ({"memory.max": "1000000"}, 1_000_000),
        ({"memory.max": "1000000", "memory.high": "800000"}, 800_000),
        ({"memory.max": "max", "memory.high": "800000"}, 800_000),
        ({"memory.max": "max", "memory.high": "max"}, None),
        ({"memory.max": "-5"}, None),
        ({"memory.max": "1 GB"}, None),
    ],
)
def test_the_memory_of_version_2(tree: Tree, files: dict[str, str], memory: int | None) -> None:
    tree.membership("0::/job")
    tree.mount("/sys/fs/cgroup")
    for name, text in files.items():
        tree.write(f"sys/fs/cgroup/job/{name}", text)
    assert tree.limits.memory_bytes == memory


@pytest.mark.parametrize(
    ("quota", "period", "cpus"),
    [
        ("50000", "100000", 0.5),
        ("-1", "100000", None),
        ("300000", "", 3.0),
        ("x", "y", None),
        ("", "", None),
    ],
)
def test_version_1(tree: Tree, quota: str, period: str, cpus: float | None) -> None:
    tree.membership("4:memory:/m", "2:cpu,cpuacct:/c", "1:name=systemd:/s")
    tree.mount("/sys/fs/cgroup/cpu,cpuacct", controllers="cpu,cpuacct")
    tree.mount("/sys/fs/cgroup/memory", controllers="memory")
    tree.mount("/sys/fs/cgroup/systemd", controllers="name=systemd")
    tree.write("sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_quota_us", quota)
    tree.write("sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_period_us", period)
    tree.write("sys/fs/cgroup/memory/m/memory.limit_in_bytes", "123456789")
    assert tree.limits == Limits(cpus, 123_456_789)


def test_the_tightest_of_all_groups_around_the_process(tree: Tree) -> None:
    tree.membership("0::/a/b/c")
    tree.mount("/sys/fs/cgroup")
    for group, cpu, memory in (
        ("a", "400000 100000", "900"),
        ("a/b", "50000 100000", "max"),
        ("a/b/c", "200000 100000", "1000"),
        ("a/b/c/below", "1000 100000", "1"),
        ("another", "1000 100000", "1"),
    ):
        tree.write(f"sys/fs/cgroup/{group}/cpu.max", cpu)
        tree.write(f"sys/fs/cgroup/{group}/memory.max", memory)
    assert tree.limits == Limits(0.5, 900)


def test_a_container_that_sees_its_own_group_as_the_root(tree: Tree) -> None:
    tree.membership("0::/")
    tree.mount("/sys/fs/cgroup")
    tree.write("sys/fs/cgroup/cpu.max", "50000 100000")
    tree.write("sys/fs/cgroup/memory.max", "1000")
    assert tree.limits == Limits(0.5, 1000)


@pytest.mark.parametrize("inner", ["", "/inner"])
def test_a_container_that_is_told_its_path_outside(tree: Tree, inner: str) -> None:
    tree.membership(f"3:cpu:/docker/abc{inner}", f"2:memory:/docker/abc{inner}")
    tree.mount("/sys/fs/cgroup/cpu", controllers="cpu", root="/docker/abc")
    tree.mount("/sys/fs/cgroup/memory", controllers="memory", root="/docker/abc")
    tree.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000")
    tree.write(f"sys/fs/cgroup/memory{inner}/memory.limit_in_bytes", "1000")
    assert tree.limits == Limits(0.5, 1000)


@pytest.mark.parametrize("path", ["/../elsewhere", "/kubepods/pod1/c1", "/"])
def test_a_path_that_cannot_be_seen_leaves_the_mounted_group(tree: Tree, path: str) -> None:
    tree.membership(f"0::{path}")
    tree.mount("/sys/fs/cgroup", root="/docker/abc")
    tree.write("sys/fs/cgroup/cpu.max", "50000 100000")
    assert tree.limits.cpus == 0.5


def test_no_path_leads_out_of_the_mount(tree: Tree) -> None:
    tree.membership("0::/../../secret")
    tree.mount("/sys/fs/cgroup")
    tree.write("sys/secret/cpu.max", "50000 100000")
    assert tree.limits == Limits()


def test_both_versions_side_by_side(tree: Tree) -> None:
    tree.membership("4:memory:/m", "1:cpu:/", "0::/unit")
    tree.mount("/sys/fs/cgroup/memory", controllers="memory")
    tree.mount("/sys/fs/cgroup/unified")
    tree.write("sys/fs/cgroup/memory/m/memory.limit_in_bytes", "1000")
    tree.write("sys/fs/cgroup/unified/unit/cpu.max", "50000 100000")
    assert tree.limits == Limits(0.5, 1000)


def test_mounted_elsewhere_and_under_an_odd_name(tree: Tree) -> None:
    tree.membership("0::/my job: 1")
    tree.mount("/mnt/control\\040groups")
    tree.write("mnt/control groups/my job: 1/cpu.max", "50000 100000")
    assert tree.limits.cpus == 0.5


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_other_file_systems_are_none(tree: Tree, kind: str) -> None:
    tree.membership("0::/")
    line = MOUNT.format(root="/", point="/x", kind=kind, source="s", options="rw,cpu")
    tree.write("proc/self/mountinfo", line)
    tree.write("x/cpu.max", "50000 100000")
    tree.write("x/cpu.cfs_quota_us", "50000")
    assert tree.limits == Limits()


def test_what_cannot_be_read_limits_nothing(tree: Tree) -> None:
    tree.membership("0::/job")
    tree.mount("/sys/fs/cgroup")
    (tree.root / "sys/fs/cgroup/job/cpu.max").mkdir(parents=True)
    (tree.root / "sys/fs/cgroup/job/memory.max").write_bytes(b"\xff\xfe\x00")
    assert tree.limits == Limits()


@given(membership=st.text(max_size=60), mounts=st.text(max_size=120), limit=st.text(max_size=30))
def test_garbage_is_no_limit_and_no_error(
    tmp_path_factory: pytest.TempPathFactory, membership: str, mounts: str, limit: str
) -> None:
    root = tmp_path_factory.mktemp("garbage")
    (root / "proc/self").mkdir(parents=True)
    for name, text in (("cgroup", membership), ("mountinfo", mounts), ("cpu.max", limit)):
        content = text.encode("utf-8", "surrogatepass")
        (root / "proc/self" / name).write_bytes(content)
    limits = cgroup_limits(root)
    assert limits.cpus is None or limits.cpus > 0


# -- a real one ------------------------------------------------------------------------------------

PRINT = """
from slm.hardware.resources import usable_cpus, usable_memory
from slm.hardware.devices import cpu_threads
cpus, memory = usable_cpus({}), usable_memory()
print(cpus.quota, cpus.threads, cpus.workers, cpu_threads(), memory.usable)
"""


def _make(group: Path, **limits: str) -> None:
    group.mkdir()
    for name, value in limits.items():
        (group / name).write_text(value)


@pytest.fixture
def real_groups() -> Iterator[list[Path]]:
    """Groups with half a CPU and 2 GB, of whichever version this machine lets us make."""
    top, made = Path("/sys/fs/cgroup"), []
    name = f"slm-test-{os.getpid()}"
    quota = {"cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "100000"}
    memory = 2_000_003_072  # whole pages
    try:
        try:
            if (top / "cgroup.controllers").exists():
                made.append(top / name)
                _make(made[-1], **{"cpu.max": "50000 100000", "memory.max": str(memory)})
            else:
                for controller, limits in (
                    ("cpu", quota),
                    ("memory", {"memory.limit_in_bytes": str(memory)}),
                ):
                    made.append(top / controller / name)
                    _make(made[-1], **limits)
        except OSError as error:
            pytest.skip(f"this machine lets us make no control group: {error}")
        yield made
    finally:
        for group in made:
            if group.is_dir():
                group.rmdir()


@pytest.mark.skipif(sys.platform != "linux", reason="control groups are Linux's")
def test_a_process_in_real_groups(real_groups: list[Path]) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")
    }
    join = " && ".join(f"echo $$ > '{group}/cgroup.procs'" for group in real_groups)
    done = subprocess.run(
        ["sh", "-c", f'{join} && exec "$@"', "sh", sys.executable, "-c", PRINT],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert done.stdout.split() == ["0.5", "1", "1", "1", "2000003072"]
