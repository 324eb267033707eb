"""Device, dtype, threads and memory of this machine.

PyTorch is imported inside the functions, so that importing this module is fast.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import platform
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from slm.errors import DeviceError
from slm.hardware.resources import usable_cpus, usable_memory

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "bfloat16", "float16")
BFLOAT16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "bf16")
"""In `torch.cpu.get_capabilities()`: two of x86, and that of ARM. Without them, bfloat16 is
emulated at a tenth of float32's speed. Intel's AVX-512 instruction has half of float32's speed,
and AMD's twice."""


def resolve_device(name: str) -> str:
    """The device of a setting; `auto` prefers CUDA, then MPS, then the CPU.

    Raises:
        DeviceError: this machine or this build of PyTorch does not have it.
    """
    import torch

    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": _has_mps()}
    if name == "auto":
        return next(kind for kind in ("cuda", "mps", "cpu") if available[kind])
    kind, _, index = name.partition(":")
    if not available.get(kind, False):
        raise DeviceError(
            f"the device {name!r} is not available here", hint="use --device auto or cpu"
        )
    if kind == "cuda" and index:
        if not index.isdecimal() or int(index) >= torch.cuda.device_count():
            raise DeviceError(
                f"the device {name!r} is not available here: "
                f"there are {torch.cuda.device_count()} CUDA devices, counted from 0"
            )
    elif index:
        raise DeviceError(f"unknown device {name!r}", hint=f"use {kind}")
    return name


GPU_SIGNS = (
    *("/dev/nvidiactl", "/dev/nvidia0", "/proc/driver/nvidia", "/sys/module/nvidia"),
    *("/dev/nvhost-ctrl", "/dev/nvmap"),  # boards with an integrated GPU
    "/dev/kfd",  # AMD
    "/dev/dxg",  # the GPU of a Windows host
)
"""Files of Linux systems with GPUs or GPU drivers that PyTorch might use."""


def is_surely_cpu(name: str) -> bool:
    """Whether `resolve_device` would return the CPU, decided without importing PyTorch.

    False if only PyTorch can decide.
    """
    if name != "auto" or "torch" in sys.modules:
        return name == "cpu" or (name == "auto" and resolve_device(name) == "cpu")
    return sys.platform == "linux" and not any(Path(path).exists() for path in GPU_SIGNS)


def _has_mps() -> bool:
    import torch

    return torch.backends.mps.is_available()


def resolve_dtype(name: str, device: str) -> str:
    """The dtype of matrix multiplications; `auto` is the fastest one that is safe on the device.

    On a CPU that is bfloat16 if it has fast instructions for that, and otherwise float32. Nothing
    is timed, so that the same command chooses the same dtype on a busy machine.

    Raises:
        DeviceError: the device cannot compute in the requested dtype.
    """
    import torch

    kind = device.partition(":")[0]
    if name != "auto":
        if kind == "cpu" and name == "float16":
            raise DeviceError(
                "float16 needs a GPU: its gradients would underflow here, and it is slow",
                hint="use dtype=auto, bfloat16 or float32",
            )
        return name
    if kind == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    if kind == "mps":
        return "float32"
    return "bfloat16" if _cpu_multiplies_bfloat16() else "float32"


def _cpu_multiplies_bfloat16() -> bool:
    """Whether this CPU has fast instructions for it, and this PyTorch kernels that use them."""
    import torch

    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    capabilities = torch.cpu.get_capabilities()
    fast = set(BFLOAT16_INSTRUCTIONS)
    if str(capabilities.get("cpu_name")).startswith("Intel"):
        fast.remove("avx512_bf16")
    return any(capabilities.get(name, False) for name in fast)


def autocast(device: str, dtype: str) -> contextlib.AbstractContextManager[object]:
    """A context in which matrix multiplications run in `dtype`; float32 changes nothing."""
    import torch

    if dtype == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.partition(":")[0], dtype=torch_dtype(dtype))


def torch_dtype(name: str) -> torch.dtype:
    """PyTorch's object for one of `DTYPES`."""
    import torch

    assert name in DTYPES, name
    dtype = getattr(torch, name)
    assert isinstance(dtype, torch.dtype)
    return dtype


def set_threads(threads: int | None) -> int:
    """Use this many CPU threads; None: see `cpu_threads`. Returns the number in use."""
    import torch

    threads = cpu_threads() if threads is None else threads
    if threads != torch.get_num_threads():
        torch.set_num_threads(threads)
    return torch.get_num_threads()


def cpu_threads() -> int:
    """The number of compute threads: PyTorch's default, limited by a CPU quota.

    On Linux this does not import PyTorch. A number that the user or the calling program has set is
    kept; see `slm.hardware.resources.usable_cpus` for the default.
    """
    cpus = usable_cpus()
    if "torch" not in sys.modules and sys.platform == "linux":
        return cpus.threads
    import torch

    in_use = torch.get_num_threads()
    # PyTorch's default is the number of cores; any other number was set.
    is_its_own = in_use == cpus.cores and cpus.chosen is None
    return cpus.threads if cpus.is_limited_by_quota and is_its_own else in_use


def memory_bytes(device: str) -> int | None:
    """The memory of a CUDA device, or the part of the machine's memory that this process may use.

    None if unknown.
    """
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.get_device_properties(device).total_memory)
    memory = usable_memory()
    return None if memory is None else memory.usable


def memory_limit(device: str) -> str:
    """The reason why `memory_bytes` is less than the machine has, in parentheses, or empty."""
    memory = None if device.startswith("cuda") else usable_memory()
    if memory is None or not memory.reason:
        return ""
    return f" ({memory.reason}; the machine has {memory.machine / 1e9:,.1f} GB)"


def peak_memory_bytes(device: str) -> float:
    """The peak memory of a CUDA device, or of this process; NaN if unknown."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return math.nan
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # other systems report kilobytes


def keep_freed_memory() -> bool:
    """Let this process keep freed memory for its next step; returns whether it does.

    By default the GNU C library returns large blocks to the system, which then clears each page
    again when the next step needs it. Other C libraries are not changed.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or platform.libc_ver()[0] != "glibc":
        return False
    trim_threshold, mmap_max = -1, -4  # names and numbers of malloc.h
    return bool(mallopt(mmap_max, 0) and mallopt(trim_threshold, 2**31 - 1))


def can_compile(device: str) -> bool:
    """Whether `torch.compile` has the compiler that it needs for the device."""
    if device.startswith("mps") or not _has_python_headers():
        return False
    if device.startswith("cuda"):
        return importlib.util.find_spec("triton") is not None and _triton_knows(device)
    # The compiler that torch.compile would call.
    default = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    return shutil.which(os.environ.get("CXX") or default) is not None


def _has_python_headers() -> bool:
    """Whether Python.h, which every compiled kernel includes, is readable."""
    return os.access(Path(sysconfig.get_path("include"), "Python.h"), os.R_OK)


def _triton_knows(device: str) -> bool:
    """Whether triton compiles for this GPU: compute capability 7.0 and newer."""
    import torch

    return torch.cuda.get_device_capability(device) >= (7, 0)
