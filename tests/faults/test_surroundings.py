"""Clocks, time zones, locales and read-only folders: training gives the same weights."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import tell_stories
from tests.faults.forked import Nursery, needs_fork, nursery

pytestmark = needs_fork

NOBODY = 65534
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

/* The real clock, moved by CLOCK_OFFSET seconds. */
static long offset(void) {
  const char *text = getenv("CLOCK_OFFSET");
  return text ? atol(text) : 0;
}

int clock_gettime(clockid_t id, struct timespec *now) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(id, now);
  if (!result && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += offset();
  return result;
}

time_t time(time_t *place) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (place) *place = now.tv_sec;
  return now.tv_sec;
}

int gettimeofday(struct timeval *place, void *zone) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  place->tv_sec = now.tv_sec;
  place->tv_usec = now.tv_nsec / 1000;
  return 0;
}
"""
# Half a day into 1970, so that no zone is before its beginning; and after 32 bits are full.
THEN = {"1970": 43_200, "2038": 2**31 + 10}
TURKISH = "tr_TR.UTF-8"
ZONES = {"UTC0": "+0000", "NPT-5:45": "+0545", "NST3:30NDT": "-0"}
"""As POSIX writes them, which needs no table of zones; and how their offsets begin."""
CASES = {  # every pair of year, zone and locale
    "1970": [("UTC0", "C"), ("NPT-5:45", TURKISH), ("NST3:30NDT", "C")],
    "2038": [("UTC0", TURKISH), ("NPT-5:45", "C"), ("NST3:30NDT", TURKISH)],
}
TRAINING = [
    "--preset",
    "tiny",
    "--steps",
    "6",
    "--set",
    "eval_interval=3",
    "checkpoint_interval=3",
    "dtype=float32",
    "threads=1",
    "dropout=0.1",
]


@pytest.fixture(scope="module")
def data(children: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared text."""
    folder = tmp_path_factory.mktemp("surroundings")
    source = folder / "stories.txt"
    source.write_text(tell_stories(100, seed=0), encoding="utf-8", newline="\n")
    children.succeed("prepare_data", source=source, out_dir=folder / "data")
    return folder / "data"


def training(data: Path, out: Path) -> list[str]:
    return ["train", "--data", str(data), "--out", str(out), *TRAINING]


def weights_of(run: Path) -> str:
    """SHA-256 of the last weights and the best ones."""
    digest = hashlib.sha256()
    for place in ("checkpoints/step-000006", "best"):
        digest.update((run / place / "model.safetensors").read_bytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def expected(children: Nursery, data: Path) -> str:
    """The weights of a run in ordinary surroundings."""
    out = data.with_name("ordinary")
    children.succeed("command", arguments=training(data, out), folder=data.parent)
    return weights_of(out)


# -- clocks, zones, locales ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def elsewhen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Children whose clocks can be moved."""
    compiler = shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("moving the clock needs a C compiler and LD_PRELOAD")
    folder = tmp_path_factory.mktemp("clock")
    source, library = folder / "clock.c", folder / "clock.so"
    source.write_text(SHIM, encoding="ascii")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True
    )
    # By its name alone, as blanks and colons of a path would end it.
    with nursery({"LD_PRELOAD": library.name, "LD_LIBRARY_PATH": str(folder)}) as children:
        yield children


@pytest.fixture(scope="module")
def turkish(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str] | None:
    """Variables that give the Turkish locale, made here if it is not installed; None: neither.

    In Turkish the lower case of I is not i.
    """
    if shutil.which("locale") is not None:
        known = subprocess.run(["locale", "-a"], check=True, capture_output=True, text=True).stdout
        if "tr_TR.utf8" in known.split():
            return {"LC_ALL": TURKISH}
    compiler = shutil.which("localedef")
    folder = tmp_path_factory.mktemp("locales")
    if compiler is not None:
        command = [compiler, "-i", "tr_TR", "-f", "UTF-8", str(folder / TURKISH)]
        if subprocess.run(command, check=False, capture_output=True).returncode == 0:
            return {"LC_ALL": TURKISH, "LOCPATH": str(folder)}
    print(f"there is no locale {TURKISH} here")
    return None


@pytest.mark.parametrize("year", CASES)
def test_clocks_zones_and_locales(
    year: str,
    elsewhen: Nursery,
    turkish: dict[str, str] | None,
    data: Path,
    expected: str,
    tmp_path: Path,
) -> None:
    for zone, language in CASES[year]:
        variables = {"LC_ALL": "C"} if language == "C" or turkish is None else turkish
        out = tmp_path / zone.replace(":", "-")
        offset = str(int(THEN[year] - time.time()))
        seen: dict[str, Any] = elsewhen.succeed(
            "command",
            arguments=training(data, out),
            folder=tmp_path,
            variables={"TZ": zone, "CLOCK_OFFSET": offset, **variables},
        )
        assert abs(seen["clock"] - THEN[year]) < 3600
        assert seen["zone"].startswith(ZONES[zone])
        assert seen["locale"] == variables["LC_ALL"]
        assert weights_of(out) == expected, (year, zone, language)
        print(f"clock in {year}, zone {zone}, locale {variables['LC_ALL']}: the same weights")


# -- read-only folders -----------------------------------------------------------------------------


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder, and all in it, that nobody may write to."""
    everything = [folder, *folder.rglob("*")]
    modes = [path.stat().st_mode for path in everything]
    for path, mode in zip(everything, modes, strict=True):
        path.chmod(mode & 0o555)
    try:
        yield
    finally:
        for path, mode in zip(everything, modes, strict=True):
            path.chmod(mode)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory(dir="/tmp" if os.geteuid() == 0 else None) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_read_only_data_and_home(
    children: Nursery, data: Path, expected: str, tmp_path: Path, place: Path
) -> None:
    home, out, warm = place / "home", place / "out", tmp_path / "warm"
    home.mkdir()
    out.mkdir()
    shutil.copytree(data, place / "data")
    is_root = os.geteuid() == 0
    if is_root:  # who may write everywhere
        os.chown(out, NOBODY, NOBODY)
    somebody = {
        "folder": home,
        "variables": {"HOME": str(home), "TMPDIR": str(out)},
        "user": NOBODY if is_root else None,
    }
    run = out / "run"
    told = ["One day", "--max-new-tokens", "4"]
    with read_only(place / "data"), read_only(home):
        children.succeed(
            "command",
            arguments=training(place / "data", run),
            warm_up=[training(data, warm)],
            **somebody,
        )
        assert weights_of(run) == expected
        with read_only(run):
            outcome = children.run(
                "command",
                arguments=["generate", "--checkpoint", str(run), *told],
                warm_up=[["generate", "--checkpoint", str(warm), *told]],
                **somebody,
            )
        assert outcome.status == 0, outcome.errors
        assert outcome.errors.count("One day") == 2  # the warm-up, and this
        assert not list(home.iterdir())
