"""The GPU check, on a CPU: its verdicts, and one real check of it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import gpu_check
import pytest
from gpu_check import CheckError, Machine, Outcome


def machine_with(folder: Path, losses: dict[str, list[float]], seconds: float = 60.0) -> Machine:
    """A machine whose losses are given by dtype, the same in both families."""

    class Told(Machine):
        def losses(self, family: str, **request: Any) -> list[float]:
            return losses[request.get("dtype", "float32")]

        def command(self, *arguments: str, processes: int = 1) -> str:
            return ""

    return Told("cpu", folder, time.monotonic() + seconds, small=True)


@pytest.mark.parametrize(("apart", "passed"), [(0.01, True), (0.06, False), (float("nan"), False)])
def test_losses_that_differ_fail(tmp_path: Path, apart: float, passed: bool) -> None:
    like = [3.0] * gpu_check.STEPS
    machine = machine_with(tmp_path, {"float32": like, "bfloat16": [*like[1:], 3.0 + apart]})
    (outcome,) = gpu_check.run_checks(machine, ["bfloat16"])
    assert outcome.passed is passed


def test_a_check_that_breaks_does_not_stop_the_next(tmp_path: Path) -> None:
    like = [3.0] * gpu_check.STEPS
    machine = machine_with(tmp_path, {"float32": like, "float16": [3.0], "bfloat16": like})
    first, second = gpu_check.run_checks(machine, ["float16", "bfloat16"])
    assert (first.passed, second.passed) == (False, True)
    assert "20 and 1 losses" in first.summary


def test_checks_after_the_time_is_up_are_left_out(tmp_path: Path) -> None:
    machine = machine_with(tmp_path, {}, seconds=-1.0)
    (outcome,) = gpu_check.run_checks(machine, ["eager"])
    assert outcome == Outcome("eager", None, "left out: the time was up")


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    machine = Machine("cpu", tmp_path, time.monotonic() + 600, small=True)
    with pytest.raises(CheckError, match="no run directory|nothing|does not exist"):
        machine.command("info", "nowhere")


@pytest.mark.slow
def test_generation_is_checked_and_written_down(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = f"--device cpu --only generation --out {tmp_path}".split()
    assert gpu_check.main(arguments) == 0
    report = json.loads((tmp_path / "gpu_check.json").read_text(encoding="utf-8"))
    (check,) = report["checks"]
    assert check["passed"]
    assert check["figures"]["characters"] > 200
    assert "| generation | passed |" in (tmp_path / "gpu_check.md").read_text(encoding="utf-8")
    assert "| generation | passed |" in capsys.readouterr().out
