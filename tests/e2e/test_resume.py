"""A run that was stopped, however that came, goes on as if nothing had been: bit for bit."""

from __future__ import annotations

import importlib.util
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DRIVER = Path(__file__).with_name("train_driver.py")
N_STEPS = 20
SIGKILL = getattr(signal, "SIGKILL", 9)  # Windows has none
OF_THE_MACHINE = {"elapsed_seconds", "tokens_per_second", "peak_memory_bytes"}

needs_posix_signals = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows cannot send these signals to a process"
)


@pytest.fixture(scope="module")
def driver() -> ModuleType:
    """The driver as a module, for runs in this process."""
    spec = importlib.util.spec_from_file_location("train_driver", DRIVER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def job_in(out_dir: Path, data_dir: Path, **changes: Any) -> dict[str, Any]:
    """A run with all that could go astray: dropout, Muon, accumulation, samples, evaluations."""
    settings = {
        "batch_size": 8,
        "gradient_accumulation_steps": 4,
        "max_steps": N_STEPS,
        "optimizer": "muon",
        "document_masking": True,
        "seq_len_warmup": 8,
        "seq_len_warmup_fraction": 0.5,
        "warmup_steps": 3,
        "eval_interval": 4,
        "eval_tokens": 512,
        "checkpoint_interval": 3,
        "keep": "ladder",
        "sample_prompts": ["Tom saw"],
        "sample_tokens": 8,
        "device": "cpu",
        "dtype": "float32",
        "compile": "off",
        "threads": 1,
        "out_dir": str(out_dir),
    }
    return {"data_dir": str(data_dir), "settings": settings, **changes}


def start(job: dict[str, Any], jobs_file: Path) -> subprocess.Popen[str]:
    """The run in a new process."""
    jobs_file.write_text(json.dumps([job]), encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, str(DRIVER), str(jobs_file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stop_on_the_way(process: subprocess.Popen[str], number: int, chance: random.Random) -> str:
    """Send a signal some milliseconds after one of the steps; returns what was on stderr."""
    assert process.stdout is not None
    n_seen = chance.randint(1, 6)
    for line in process.stdout:
        assert line.startswith("step ")
        n_seen -= 1
        if not n_seen:
            break
    time.sleep(chance.uniform(0.0, 0.1))  # it waits before the last step, if it comes so far
    process.send_signal(number)
    _, errors = process.communicate(timeout=300)
    return errors


def records(out_dir: Path) -> list[dict[str, Any]]:
    """The metrics without what the clock decides."""
    lines = (out_dir / "metrics.jsonl").read_text("utf-8").splitlines()
    return [
        {k: v for k, v in json.loads(line).items() if k not in OF_THE_MACHINE} for line in lines
    ]


def state(directory: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((directory / "state.json").read_text("utf-8"))
    assert content["extra"].pop("pace").keys() == {"step_seconds", "reserved_seconds"}
    return {key: value for key, value in content.items() if key not in OF_THE_MACHINE}


def assert_same_run(found: Path, expected: Path) -> None:
    assert records(found) == records(expected)
    last = f"checkpoints/step-{N_STEPS:06d}"
    kept = [sorted(path.name for path in (run / "ladder").iterdir()) for run in (found, expected)]
    assert kept == [["step-000010", "step-000020"]] * 2
    ladder = (f"ladder/{name}/model" for name in kept[0])
    for name in (f"{last}/model", f"{last}/optimizer", "best/model", *ladder):
        path = f"{name}.safetensors"
        assert (found / path).read_bytes() == (expected / path).read_bytes(), name
    for name in (last, "best"):
        assert state(found / name) == state(expected / name)
    left = {path.name for path in found.iterdir()} - {path.name for path in expected.iterdir()}
    assert not {name for name in left if name.startswith(".partial")}


@pytest.fixture(scope="module")
def uninterrupted(
    driver: ModuleType, data_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out_dir = tmp_path_factory.mktemp("uninterrupted") / "run"
    driver.run(job_in(out_dir, data_dir), driver.Process())
    kinds = [record["kind"] for record in records(out_dir)]
    assert (kinds.count("train"), kinds.count("validation"), kinds.count("sample")) == (20, 5, 5)
    losses = [record["loss"] for record in records(out_dir) if record["kind"] == "train"]
    assert losses[-1] < losses[0] - 0.5  # it learns
    return out_dir


def test_20_steps_are_10_and_a_new_process_and_10(
    driver: ModuleType, data_dir: Path, tmp_path: Path, uninterrupted: Path
) -> None:
    out_dir = tmp_path / "run"
    driver.run(job_in(out_dir, data_dir, stop_after=10), driver.Process())
    assert [p.name for p in sorted((out_dir / "checkpoints").iterdir())][-1] == "step-000010"
    process = start(job_in(out_dir, data_dir, existing="resume"), tmp_path / "jobs.json")
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert output.split("\n")[:2] == ["step 11", "step 12"]
    assert_same_run(out_dir, uninterrupted)


@needs_posix_signals
@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (SIGKILL, -9)]
)
def test_a_signal_at_a_random_moment(
    driver: ModuleType,
    data_dir: Path,
    tmp_path: Path,
    uninterrupted: Path,
    number: int,
    exit_code: int,
) -> None:
    seed = random.randrange(10**9)
    print(f"moments drawn from the seed {seed}")
    chance = random.Random(seed)
    out_dir = tmp_path / "run"
    job = job_in(out_dir, data_dir, existing="resume")
    process = start({**job, "waits_after": N_STEPS - 1}, tmp_path / "jobs.json")
    errors = stop_on_the_way(process, number, chance)
    assert process.returncode == exit_code, errors
    if number != SIGKILL:
        assert "saved in" in errors
        saved = max((out_dir / "checkpoints").iterdir())
        assert saved.name in errors
        assert not list(out_dir.glob(".partial*"))
    driver.run(job, driver.Process())
    assert_same_run(out_dir, uninterrupted)
