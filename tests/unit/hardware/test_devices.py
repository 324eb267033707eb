"""Devices, number formats, threads and compilers."""

from __future__ import annotations

import math
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from slm.errors import DeviceError
from slm.hardware import devices
from slm.hardware.devices import (
    autocast,
    can_compile,
    cpu_threads,
    is_surely_cpu,
    keep_freed_memory,
    memory_bytes,
    memory_limit,
    resolve_device,
    resolve_dtype,
    set_threads,
    torch_dtype,
)
from slm.hardware.resources import Cpus, Memory
from slm.parallel.processes import Process, device_of_process


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What this machine has, as the test wishes."""
    has = {"cuda": 0, "mps": False, "bf16": True, "emulated": True}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has["cuda"] > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: has["cuda"])
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: has["mps"])
    monkeypatch.setattr(
        torch.cuda,
        "is_bf16_supported",
        lambda including_emulation=True: has["bf16"] or (including_emulation and has["emulated"]),
    )
    return has


# -- devices ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(1, True, "cuda"), (0, True, "mps"), (0, False, "cpu")]
)
def test_auto_takes_the_fastest(
    machine: dict[str, Any], cuda: int, mps: bool, expected: str
) -> None:
    machine.update(cuda=cuda, mps=mps)
    assert resolve_device("auto") == expected


@pytest.mark.parametrize("has_torch", [True, False])
def test_whether_it_is_surely_the_cpu(
    machine: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, has_torch: bool
) -> None:
    device = tmp_path / "nvidiactl"
    monkeypatch.setattr(devices, "GPU_SIGNS", (str(device),))
    monkeypatch.setattr(sys, "platform", "linux")
    if not has_torch:
        monkeypatch.delitem(sys.modules, "torch")
    assert is_surely_cpu("auto")
    assert is_surely_cpu("cpu")
    assert not is_surely_cpu("cuda")
    device.touch()
    machine.update(cuda=1)
    assert not is_surely_cpu("auto")
    assert is_surely_cpu("cpu")
    device.unlink()
    machine.update(cuda=0, mps=True)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not is_surely_cpu("auto")


@pytest.fixture
def cpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """`cpus(cores, quota, chosen)`: what this machine has, as the test wishes."""

    def have(cores: int, quota: float | None = None, chosen: tuple[str, int] | None = None) -> None:
        found = Cpus(cores, cores, cores, quota, chosen)
        monkeypatch.setattr(devices, "usable_cpus", lambda: found)

    before = torch.get_num_threads()
    yield have
    torch.set_num_threads(before)


def test_as_many_threads_as_pytorch_uses(cpus: Callable[..., None]) -> None:
    cpus(2)
    torch.set_num_threads(3)
    assert cpu_threads() == set_threads(None) == 3
    cpus(3)
    assert cpu_threads() == set_threads(None) == 3


def test_no_more_threads_than_a_quota_is_worth(cpus: Callable[..., None]) -> None:
    torch.set_num_threads(3)
    cpus(3, 2.5)
    assert cpu_threads() == 2
    assert torch.get_num_threads() == 3  # asking changes nothing
    assert set_threads(None) == torch.get_num_threads() == 2
    assert set_threads(3) == 3
    cpus(3, 2.5, ("OMP_NUM_THREADS", 3))
    assert set_threads(None) == 3
    cpus(4, 2.5)  # PyTorch would have taken 4: 3 is the choice of the program
    assert set_threads(None) == 3


def test_threads_without_pytorch(
    cpus: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delitem(sys.modules, "torch")
    cpus(6)
    assert cpu_threads() == 6
    cpus(6, 1.5)
    assert cpu_threads() == 1
    cpus(6, 1.5, ("OMP_NUM_THREADS", 5))
    assert cpu_threads() == 5


def test_memory_of_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "usable_memory", lambda: Memory(8 * 10**9, 2 * 10**9))
    assert memory_bytes("cpu") == 2 * 10**9
    assert memory_limit("cpu") == " (cgroup memory limit; the machine has 8.0 GB)"
    assert memory_limit("cuda:0") == ""
    monkeypatch.setattr(devices, "usable_memory", lambda: Memory(8 * 10**9, 8 * 10**9))
    assert memory_limit("cpu") == ""
    monkeypatch.setattr(devices, "usable_memory", lambda: None)
    assert memory_bytes("cpu") is None
    assert memory_limit("cpu") == ""


def test_what_is_there_is_taken(machine: dict[str, Any]) -> None:
    machine.update(cuda=2, mps=True)
    for name in ("cpu", "cuda", "cuda:0", "cuda:1", "mps"):
        assert resolve_device(name) == name


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps", "tpu", ""])
def test_what_is_not_there_is_an_error(machine: dict[str, Any], name: str) -> None:
    with pytest.raises(DeviceError, match="not available here") as caught:
        resolve_device(name)
    assert repr(name) in caught.value.message
    assert caught.value.hint is not None


@pytest.mark.parametrize("name", ["cuda:2", "cuda:x", "cuda:-1", "cuda:\u00b2", "cpu:0", "mps:1"])
def test_a_wrong_number_is_an_error(machine: dict[str, Any], name: str) -> None:
    machine.update(cuda=2, mps=True)
    with pytest.raises(DeviceError):
        resolve_device(name)


def test_each_process_its_own_gpu(machine: dict[str, Any]) -> None:
    machine.update(cuda=2)
    second = Process(rank=5, world_size=8, local_rank=1)
    assert device_of_process("cuda", second) == "cuda:1"
    assert device_of_process("cuda:0", second) == "cuda:0"
    assert device_of_process("cpu", second) == "cpu"
    assert device_of_process("cuda", Process()) == "cuda"
    with pytest.raises(DeviceError, match="there are 2 CUDA devices"):
        device_of_process("cuda", Process(rank=2, world_size=4, local_rank=2))


# -- number formats --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", devices.DTYPES)
def test_a_named_format_is_taken_where_it_can_be(name: str) -> None:
    assert resolve_dtype(name, "cuda:1") == name
    assert torch_dtype(name) is getattr(torch, name)


def test_float16_on_a_cpu_is_an_error() -> None:
    with pytest.raises(DeviceError, match="float16"):
        resolve_dtype("float16", "cpu")


def test_auto_on_a_gpu(machine: dict[str, Any]) -> None:
    assert resolve_dtype("auto", "cuda:0") == "bfloat16"
    machine["bf16"] = False  # an old one: PyTorch would emulate it, slowly
    assert resolve_dtype("auto", "cuda") == "float16"
    assert resolve_dtype("auto", "mps") == "float32"


@pytest.mark.parametrize(
    ("capabilities", "has_onednn", "expected"),
    [
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False}, True, "float32"),
        ({"avx512_f": True, "avx512_bf16": True}, True, "bfloat16"),
        ({"avx512_bf16": True, "cpu_name": "AMD EPYC 9R14"}, True, "bfloat16"),
        ({"avx512_bf16": True, "cpu_name": "Intel Xeon"}, True, "float32"),
        ({"avx512_bf16": True, "amx_bf16": True, "cpu_name": "Intel Xeon"}, True, "bfloat16"),
        ({"amx_tile": True, "amx_bf16": True}, True, "bfloat16"),
        ({"neon": True, "bf16": True}, True, "bfloat16"),
        ({"neon": True, "bf16": True}, False, "float32"),
        ({"neon": True, "sve": True, "sve_max_length": 256}, True, "float32"),
    ],
)
def test_auto_on_a_cpu_follows_its_instructions(
    monkeypatch: pytest.MonkeyPatch,
    capabilities: dict[str, bool | int | str],
    has_onednn: bool,
    expected: str,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: has_onednn)
    assert resolve_dtype("auto", "cpu") == expected


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="the flags are read there")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the flags are those of x86")
def test_the_capabilities_are_those_of_this_processor() -> None:
    words = set(Path("/proc/cpuinfo").read_text("utf-8").split())
    fast = {"amx_bf16"} if "GenuineIntel" in words else {"amx_bf16", "avx512_bf16"}
    expected = "bfloat16" if fast & words else "float32"
    assert resolve_dtype("auto", "cpu") == expected


def test_autocast() -> None:
    matrix = torch.ones(2, 2)
    with autocast("cpu", "float32"):
        assert (matrix @ matrix).dtype == torch.float32
    with autocast("cpu", "bfloat16"):
        assert (matrix @ matrix).dtype == torch.bfloat16


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps"])
def test_autocast_on_a_gpu_is_of_its_kind(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    asked = []
    monkeypatch.setattr(
        torch, "autocast", lambda kind, dtype: asked.append((kind, dtype)) or nullcontext()
    )
    for dtype in devices.DTYPES:
        with autocast(device, dtype):
            pass
    kind = device.partition(":")[0]
    assert asked == [(kind, torch.bfloat16), (kind, torch.float16)]


# -- threads and compilers -------------------------------------------------------------------------


def test_threads() -> None:
    before = torch.get_num_threads()
    try:
        assert set_threads(None) == before
        assert set_threads(1) == torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_a_cpu_needs_the_compiler_that_torch_would_call(
    monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    compiler = {"linux": "g++", "darwin": "clang++", "win32": "cl"}[platform]
    installed = {compiler}
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: name if name in installed else None)
    assert can_compile("cpu")
    monkeypatch.setenv("CXX", "icpx")
    assert not can_compile("cpu")
    installed.add("icpx")
    assert can_compile("cpu")
    monkeypatch.delenv("CXX")
    installed.remove(compiler)
    assert not can_compile("cpu")
    assert not can_compile("mps")


@pytest.mark.parametrize(
    ("there", "capability", "possible"),
    [(True, (7, 0), True), (True, (6, 1), False), (False, (9, 0), False)],
)
def test_a_gpu_needs_triton_and_triton_a_gpu_it_knows(
    monkeypatch: pytest.MonkeyPatch, there: bool, capability: tuple[int, int], possible: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: object() if there and name == "triton" else None
    )
    assert can_compile("cuda:0") is possible


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of the GNU C library")
def test_freed_memory_is_kept() -> None:
    script = (
        "import resource, torch; from slm.hardware.devices import keep_freed_memory as keep;"
        "faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "def touched():\n"
        "    before = faults()\n"
        "    for _ in range(4): torch.ones(1 << 24).sum()\n"
        "    return faults() - before\n"
        "touched(); before = touched(); assert keep()\n"
        "for _ in range(4): after = touched()\n"
        "print(before, after)"
    )
    run = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    given_back, kept = map(int, run.stdout.split())
    assert kept < 0.1 * given_back


def test_the_peak_of_memory_is_that_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    monkeypatch.setattr(sys, "platform", "linux")
    assert devices.peak_memory_bytes("cpu") >= 1024 * kilobytes
    monkeypatch.setattr(sys, "platform", "darwin")  # which counts in bytes
    assert devices.peak_memory_bytes("cpu") < 1024 * kilobytes
    monkeypatch.setitem(sys.modules, "resource", None)
    assert math.isnan(devices.peak_memory_bytes("cpu"))


@pytest.mark.parametrize("where", ["darwin", "win32"])
def test_other_systems_keep_their_own_ways(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.setattr(sys, "platform", where)
    assert not keep_freed_memory()
