"""Tests have the same surroundings whatever starts them: `nohup`, a script, cron, another locale.

See `tests/surroundings.py`.
"""

from __future__ import annotations

import locale
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.surroundings import HOME_VARIABLE, KEPT, KEPT_PREFIXES, SET

ROOT = Path(__file__).parents[2]
NOWHERE = "/nowhere/at all"
DEAD = "http://127.0.0.1:9"
ODD_VARIABLES = {
    **{"LC_ALL": "C", "LANG": "de_DE", "LANGUAGE": "de", "TZ": "Asia/Kathmandu", "CI": "true"},
    **{"HOME": NOWHERE, "USER": "nobody", "XDG_CACHE_HOME": NOWHERE, "XDG_CONFIG_HOME": NOWHERE},
    **dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"), DEAD),
    **{"ALL_PROXY": DEAD, "all_proxy": DEAD, "NO_PROXY": "example.org"},
    **{"HF_HOME": NOWHERE, "HF_ENDPOINT": DEAD, "HF_TOKEN": "x", "HF_HUB_OFFLINE": "1"},
    **{"OMP_NUM_THREADS": "7", "MKL_NUM_THREADS": "7", "CUBLAS_WORKSPACE_CONFIG": "x"},
    **{"SLM_CACHE": NOWHERE, "SLM_DEBUG": "1", "SLM_API_KEY": "key", "SLM_ANYTHING": "x"},
    **{"COLUMNS": "20", "LINES": "3", "TERM": "dumb", "NO_COLOR": "1", "FORCE_COLOR": "1"},
    **{"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "TORCHELASTIC_RUN_ID": "x"},
    **{"PYTHONUTF8": "0", "PYTHONOPTIMIZE": "1", "PYTHONHASHSEED": "7", "PYTHONWARNINGS": "ignore"},
    **{"PYTHONINTMAXSTRDIGITS": "640", "PYTHONDEVMODE": "1", "CXX": NOWHERE, "MPLBACKEND": "x"},
    **{"TIKTOKEN_CACHE_DIR": NOWHERE, "TMPDIR": ""},
}
SENSITIVE = [
    *("tests/contract/test_surroundings.py", "tests/unit/terminal/test_signals.py"),
    *("tests/unit/cli/test_app.py", "tests/unit/cli/test_output.py", "tests/unit/test_errors.py"),
    "tests/faults/test_signals.py::test_the_terminal_is_closed",
    "--deselect=tests/contract/test_surroundings.py::test_sensitive_tests_pass_in_the_oddest_ones",
]
"""Tests that have fallen when something was inherited, and quick ones that could."""

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has none of this")


def test_variables() -> None:
    known = {*KEPT, *SET, HOME_VARIABLE, "HOME", "USERPROFILE", "SLM_CACHE", "MPLCONFIGDIR"}
    found = {name for name in os.environ if not name.startswith(KEPT_PREFIXES)}
    # What pytest itself, its plugins and the libraries of the tests set.
    by_libraries = {
        "LC_CTYPE",
        "KMP_DUPLICATE_LIB_OK",
        "KMP_INIT_AT_FORK",
        "TORCHINDUCTOR_CACHE_DIR",
    }
    assert found <= known | by_libraries
    assert all(os.environ[name] == value for name, value in SET.items())


def test_the_home_is_new_and_can_be_written_to() -> None:
    home = Path.home()
    assert home == Path(os.environ[HOME_VARIABLE])
    assert home.is_dir()
    assert os.access(home, os.W_OK)


def test_the_interpreter() -> None:
    assert sys.getfilesystemencoding() == "utf-8"
    assert locale.getpreferredencoding(False).lower() == "utf-8"
    assert sys.flags.optimize == 0
    assert sys.flags.hash_randomization == 1
    assert not sys.flags.dev_mode
    assert sys.get_int_max_str_digits() == 4300


@on_posix
def test_the_process() -> None:
    assert time.tzname == ("UTC", "UTC")
    before = os.umask(0o022)
    assert before == 0o022
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1, signal.SIGALRM):
        assert signal.getsignal(number) == signal.SIG_DFL
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
    for descriptor in range(3):
        os.fstat(descriptor)


ODD_START = """
import os, resource, signal, sys
for name in ("SIGHUP", "SIGINT", "SIGTERM", "SIGCHLD", "SIGUSR1", "SIGALRM"):
    signal.signal(getattr(signal, name), signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])
os.umask(0o077)
os.close(0)
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
os.execv(sys.executable, [sys.executable, "-m", "pytest", *sys.argv[1:]])
"""


@on_posix
def test_sensitive_tests_pass_in_the_oddest_ones(tmp_path: Path) -> None:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", ODD_START, *SENSITIVE, "-p", "no:cacheprovider"]
        + [f"--basetemp={tmp_path / 'nested tests'}"],
        cwd=ROOT,
        env={**kept, **ODD_VARIABLES, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    counts = done.stdout.splitlines()[-1]
    assert re.search(r"\d\d passed, 1 deselected in", counts), counts  # none was skipped
