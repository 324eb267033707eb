"""One run a directory: the second is refused at once, and a dead holder is no holder."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import tell_stories
from tests.faults.forked import SIGKILL, Nursery, needs_fork

pytestmark = needs_fork

SECOND = """
import sys
from slm.cli import main
code = main(sys.argv[1:])
print(code, "torch" in sys.modules)
"""
WAIT_SECONDS = 300.0


def holder_of(run: Path) -> int:
    """The process that a run's directory says it is held by, once it does."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if (run / ".lock-holder").exists():
            return int((run / ".lock-holder").read_text("utf-8").removeprefix("pid "))
        time.sleep(0.01)
    raise AssertionError("nobody holds the directory")


@pytest.mark.parametrize("phase", ["import", "prepare", "step"])
def test_a_second_run_is_refused_before_pytorch_is_imported(
    children: Nursery, tmp_path: Path, phase: str
) -> None:
    (tmp_path / "stories.txt").write_text(tell_stories(200, seed=3), encoding="utf-8")
    words = ["train", "--preset", "tiny", "--source", "stories.txt", "--tokenizer", "bytes"]
    words += ["--out", "run", "--steps", "8", "--set", "threads=1", "device=cpu", "dtype=float32"]
    children.start("command_with_a_pause", arguments=words, folder=str(tmp_path), phase=phase)
    holder = holder_of(tmp_path / "run")
    try:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        second = subprocess.run(
            [sys.executable, "-c", SECOND, *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(holder, SIGKILL)
        outcome = children.wait()
    assert outcome.was_killed, outcome.errors
    assert second.stdout.split() == ["3", "False"], second.stderr
    assert f"run is in use by another process (pid {holder})" in second.stderr

    # What is left of the dead one is no obstacle.
    code = children.succeed(
        "command_with_a_pause", arguments=[*words, "--fresh"], folder=str(tmp_path), phase="none"
    )["code"]
    assert code == 0
    assert (tmp_path / "run/checkpoints/step-000008").is_dir()
