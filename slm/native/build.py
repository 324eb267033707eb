"""Builds the native code for this processor when it is first needed.

The compiler runs once, for a few seconds. The library is stored in the user's cache folder. Its
name is a hash of the sources, the flags and the processor, so a change of any of them makes a new
one. docs/decisions/0019-native-decoder.md explains why this is not done at installation.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from slm.errors import SlmError, UsageError
from slm.log import Log
from slm.storage.files import PARTIAL_PREFIX

SOURCES = Path(__file__).with_name("src")
MAIN_SOURCE = "library.cpp"
CACHE_VARIABLE = "SLM_CACHE"
COMPILERS = ("c++", "g++", "clang++")
COMPILE_SECONDS = 120
PLAIN_FLAGS = ("-std=c++17", "-O3", "-fno-math-errno", "-fPIC", "-shared", "-pthread")
NATIVE_FLAG = "-mcpu=native" if platform.machine() in ("arm64", "aarch64") else "-march=native"

_INT, _LONG, _POINTER = ctypes.c_int32, ctypes.c_int64, ctypes.c_void_p
_SIGNATURES = {
    "slm_engine_new": (_POINTER, [_POINTER]),
    "slm_engine_delete": (None, [_POINTER]),
    "slm_engine_load_tensor": (_INT, [_POINTER, ctypes.c_char_p, _POINTER, _LONG]),
    "slm_engine_run": (_INT, [_POINTER, _INT, _POINTER, _POINTER, _POINTER, _INT, _POINTER]),
    "slm_engine_surprisal": (
        _INT,
        [_POINTER, _INT, _POINTER, _POINTER, _POINTER, _INT, _POINTER, _POINTER],
    ),
    "slm_engine_free": (None, [_POINTER, _INT]),
    "slm_sample": (_INT, [_POINTER, _INT, _LONG, _INT, _POINTER, _POINTER, _POINTER]),
}
"""The functions of src/library.cpp: types of their results and arguments."""


class NativeUnavailableError(SlmError):
    """The native code cannot be built or loaded here. PyTorch does the same, but slower."""


_loaded: list[ctypes.CDLL] = []
"""The library, once it is loaded."""


def native_library(log: Log | None = None) -> ctypes.CDLL:
    """The compiled library: already loaded, from the cache folder, or compiled now.

    Args:
        log: called before the compiler runs, which takes a few seconds.

    Raises:
        NativeUnavailableError: there is no compiler, or it fails.
    """
    if _loaded:
        return _loaded[0]
    if sys.platform == "win32":
        raise NativeUnavailableError("the native code needs Linux or macOS")
    problem = NativeUnavailableError("the native code was never compiled")
    for flags in ((NATIVE_FLAG, *PLAIN_FLAGS), PLAIN_FLAGS):
        try:
            _loaded.append(build_library(flags, log=log))
            return _loaded[0]
        except NativeUnavailableError as error:
            problem = error
    raise problem


def build_library(flags: tuple[str, ...], *, log: Log | None = None) -> ctypes.CDLL:
    """The library compiled with these flags.

    Raises:
        NativeUnavailableError: there is no compiler, or it fails.
    """
    with _cache_directory() as directory:
        path = directory / f"slm-native-{_fingerprint(flags)}.so"
        if not path.is_file():
            compiler = _compiler()
            if log is not None:
                log("compiling the native engine for this processor, once")
            _compile(compiler, flags, path)
        try:
            library = ctypes.CDLL(str(path))
        except OSError as error:
            raise NativeUnavailableError(f"cannot load {path}: {error}") from None
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _compiler() -> list[str]:
    """The compiler, and its first arguments, if `CXX` has any: `ccache g++`."""
    chosen = os.environ.get("CXX", "").strip()
    for name in [chosen] if chosen else COMPILERS:
        first, *rest = [name] if shutil.which(name) else name.split()
        if found := shutil.which(first):
            return [found, *rest]
    raise NativeUnavailableError(
        f"there is no C++ compiler: looked for {chosen or ', '.join(COMPILERS)}",
        hint="install g++ or clang++, and generation becomes several times faster",
    )


def _compile(compiler: list[str], flags: tuple[str, ...], path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=PARTIAL_PREFIX, dir=path.parent) as work:
        made = Path(work, path.name)
        command = [*compiler, *flags, "-o", str(made), str(SOURCES / MAIN_SOURCE)]
        try:
            subprocess.run(
                command,
                check=True,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=COMPILE_SECONDS,
                stdin=subprocess.DEVNULL,
            )
            made.replace(path)
        except subprocess.CalledProcessError as error:
            first = (error.stderr.strip() or "no message").splitlines()[0]
            raise NativeUnavailableError(f"{compiler[0]} failed: {first}") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NativeUnavailableError(f"{compiler[0]} failed: {error}") from None


def _fingerprint(flags: tuple[str, ...]) -> str:
    """The name of a library: a hash of its sources, its flags and its processor."""
    parts = [*flags, platform.machine(), _processor()]
    for source in sorted(SOURCES.iterdir()):
        if source.suffix in (".cpp", ".h"):
            parts += [source.name, source.read_text(encoding="utf-8")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def _processor() -> str:
    """A description that differs between processors with different instructions."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        wanted = ("model name", "flags", "Features", "CPU part")
        return "\n".join(dict.fromkeys(line for line in lines if line.startswith(wanted)))
    return platform.processor()


@contextlib.contextmanager
def _cache_directory() -> Iterator[Path]:
    """A folder that only this user can write to, since code is loaded from it.

    It is a temporary one if the user's cache folder cannot be used.
    """
    try:
        directory = users_cache()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = directory.stat()
        usable = (
            status.st_uid == os.getuid()
            and not status.st_mode & 0o022
            and os.access(directory, os.W_OK)
        )
    except (OSError, UsageError):
        usable = False
    if usable:
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="slm-native-") as private:
        yield Path(private)


def users_cache() -> Path:
    """The folder for what this user's commands can make again.

    Raises:
        UsageError: neither the environment nor the system names the user's home.
    """
    if given := os.environ.get(CACHE_VARIABLE):
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    if base and sys.platform != "darwin":
        return Path(base) / "slm"
    try:
        home = Path.home()
    except RuntimeError:
        raise UsageError(
            "there is no folder for caches, because this user has no home",
            hint=f"set {CACHE_VARIABLE} to a folder that this user can write to",
        ) from None
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "slm"
