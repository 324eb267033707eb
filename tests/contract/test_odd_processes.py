"""Commands in processes whose standard streams are closed, or whose locale knows ASCII only."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")


def run(
    *words: object, closed: str = "", folder: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `slm` in a shell that closes some of its streams."""
    command = shlex.join([sys.executable, "-m", "slm", *map(str, words)])
    return subprocess.run(
        ["sh", "-c", f"exec {command} {closed}"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_closed_streams_are_empty_ones(run_dir: Path, tmp_path: Path, closed: str) -> None:
    words = ["generate", "--checkpoint", run_dir, "One day", "--max-new-tokens", 4, "--seed", 1]
    done = run(*words, closed=closed, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("" if ">&-" in closed else "One day")
    assert ("seed 1, " in done.stderr) == ("2>&-" not in closed)


def test_a_run_without_any_stream_is_whole(data_dir: Path, run_dir: Path, tmp_path: Path) -> None:
    """What would be printed goes into no file of the run."""
    words = ["train", "--preset", "tiny", "--data", data_dir, "--out", "run", "--steps", 1]
    words += ["--set", "threads=1", "eval_tokens=256"]
    done = run(*words, closed="<&- >&- 2>&-", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    information = run("info", "run", "--json", folder=tmp_path)
    assert json.loads(information.stdout)["verified"] is True
    lines = (tmp_path / "run/metrics.jsonl").read_text("utf-8").splitlines()
    assert {json.loads(line)["kind"] for line in lines} == {"train", "validation", "sample"}


def test_prompts_from_a_closed_stdin(run_dir: Path, tmp_path: Path) -> None:
    done = run("generate", "--checkpoint", run_dir, "--file", "-", closed="<&-", folder=tmp_path)
    assert done.returncode == 2
    assert "contains no prompt" in done.stderr


def test_a_prompt_in_utf8_where_the_locale_is_ascii(run_dir: Path, tmp_path: Path) -> None:
    words = ["generate", "--checkpoint", run_dir, "Él día", "--stop", "ñ", "--json"]
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0"}
    done = run(*words, "--max-new-tokens", 4, "--seed", 1, folder=tmp_path, **ascii_only)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["prompts"] == ["Él día"]
    assert result["options"]["stop"] == ["ñ"]
