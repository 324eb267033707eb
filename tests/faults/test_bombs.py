"""Files that are made to take all memory or time are refused at once, in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MEGABYTES = 256
"""What the process may have besides what it has when all is imported."""
SECONDS = 5.0
"""Of processor time, so that a busy machine changes nothing; most bombs take some milliseconds."""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's accounts of memory")
def test_no_bomb_takes_memory_or_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "tests.faults.bombs", str(tmp_path), str(MEGABYTES)]
    done = subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(reports) >= 50
    for report in reports:
        assert report["ours"], report
        assert str(tmp_path) in report["outcome"], report
        assert report["seconds"] < SECONDS, report
        assert report["grown"] < MEGABYTES * 2**20, report
    slowest = max(reports, key=lambda report: report["seconds"])
    largest = max(reports, key=lambda report: report["grown"])
    with capsys.disabled():
        print(
            f"\n{len(reports)} bombs refused; the slowest ({slowest['name']}) took "
            f"{slowest['seconds']:.2f} s, the largest ({largest['name']}) "
            f"{largest['grown'] / 2**20:.0f} MB"
        )
