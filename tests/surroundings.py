"""The same surroundings for every test, whatever started the tests.

`tests/conftest.py` calls `take_known_surroundings` before it imports anything else. It replaces
what a process inherits: variables, home, signals, file descriptors, locale, time zone, umask. A
test that needs other surroundings sets them itself.

SIGHUP alone stays as it was found, so that tests under `nohup` outlive their terminal. A test that
sends it asks for the fixture `heeds_hangup`.
"""

from __future__ import annotations

import contextlib
import locale
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

KEPT = {
    # Where the system has its programs, libraries, headers and temporary files.
    *("PATH", "PATHEXT", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "TMPDIR", "TEMP", "TMP"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "CPATH", "LIBRARY_PATH", "SDKROOT", "DEVELOPER_DIR"),
    "CUDA_VISIBLE_DEVICES",
    # Where Python has its modules, and whether it writes compiled ones.
    *("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE"),
    # What people choose about the tests.
    *(
        "SLM_SOAK",
        "SLM_SEED",
        "SLM_CHROMIUM",
        "SLM_AUTORESEARCH",
        "SLM_LLAMA2C",
        "SLM_NANOCHAT",
        "SLM_NANOGPT",
        "FUZZ_SECONDS",
        "PLAYWRIGHT_BROWSERS_PATH",
    ),
}
"""The variables that tests inherit; all others are removed."""
KEPT_PREFIXES = ("PYTEST_", "COVERAGE_", "COV_CORE_")
HOME_VARIABLE = "SLM_TESTS_HOME"
"""Names the home that was made for these tests; the processes that they start find it there."""
SET = {
    # For tiny tensors a second thread only waits for the first, and on a busy machine both do.
    "OMP_NUM_THREADS": "1",
    "TZ": "UTC",
}
"""Variables that have the same value in all tests."""
OPEN_FILES = 4096
"""How many files a process may have open at a time, where the system allows it."""


def known_variables(inherited: Mapping[str, str]) -> dict[str, str]:
    """The variables of tests, from those of the process that starts them."""
    kept = {
        name: value
        for name, value in inherited.items()
        if name in KEPT or name.startswith(KEPT_PREFIXES)
    }
    return {**kept, **SET}


def must_restart(inherited: Mapping[str, str]) -> bool:
    """Whether the interpreter was started in a way that cannot be changed while it runs.

    It reads variables such as PYTHONOPTIMIZE, and the encoding of the locale, at its start.
    """
    read = [name for name in inherited if name.startswith("PYTHON") and name not in KEPT]
    return bool(read) or sys.getfilesystemencoding() != "utf-8"


def restart() -> None:
    """Replace this process by the same command in the known surroundings."""
    os.execve(sys.executable, sys.orig_argv, known_variables(os.environ))


def take_known_surroundings() -> Path | None:
    """Replace all that this process has inherited.

    Returns:
        The home that it made, to be removed at the end; None where a parent process has made one.
    """
    made = None
    if HOME_VARIABLE not in os.environ:
        variables = known_variables(os.environ)
        with contextlib.suppress(RuntimeError):  # not everybody has a home
            browsers = Path("~/.cache/ms-playwright").expanduser()  # Playwright installs them there
            if browsers.is_dir():
                variables.setdefault("PLAYWRIGHT_BROWSERS_PATH", str(browsers))
        made = Path(tempfile.mkdtemp(prefix="slm-tests-home-"))
        variables |= dict.fromkeys(("HOME", "USERPROFILE", HOME_VARIABLE), str(made))
        os.environ.clear()
        os.environ.update(variables)
    for name in ("COLUMNS", "LINES"):  # set by readline, which pytest imports, for child processes
        os.environ.pop(name, None)
        os.unsetenv(name)
    if hasattr(time, "tzset"):
        time.tzset()
    with contextlib.suppress(locale.Error):
        locale.setlocale(locale.LC_ALL, "C.UTF-8")
    os.umask(0o022)
    _open_standard_files()
    _allow_open_files()
    _reset_signals()
    return made


def is_ones_own(folder: Path) -> bool:
    """Whether a folder belongs to this user, who can write to it."""
    is_owner = not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
    return is_owner and os.access(folder, os.W_OK)


def remove_home(home: Path | None) -> None:
    """Remove the home that `take_known_surroundings` made."""
    if home is not None:
        shutil.rmtree(home, ignore_errors=True)


def _open_standard_files() -> None:
    """Open those that are closed: else the next file to be opened takes the place of one."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def _allow_open_files() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _reset_signals() -> None:
    """Give every signal the effect that it has in a program started from a terminal."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    left = {"SIGINT", "SIGHUP", "SIGPIPE", "SIGXFSZ"}  # Python itself ignores the last two
    for number in signal.valid_signals():
        is_named = isinstance(number, signal.Signals)
        if is_named and number.name not in left and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
