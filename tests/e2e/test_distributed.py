"""Two processes, connected by gloo, train as one would with the same global batch."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch.distributed

DRIVER = Path(__file__).with_name("train_driver.py")
N_STEPS = 6
ACCUMULATION = 4

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
        reason="this PyTorch has no gloo",
    ),
]


def job_in(folder: Path, data_dir: Path, **changes: Any) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    settings = {
        "batch_size": 3,
        "gradient_accumulation_steps": ACCUMULATION,
        "max_steps": N_STEPS,
        "optimizer": "muon",
        "warmup_steps": 2,
        "eval_interval": 3,
        "eval_tokens": 7 * 32,  # an odd number of windows: the processes get unequal shares
        "sample_prompts": [],
        "device": "cpu",
        "dtype": "float32",
        "compile": "off",
        "threads": 1,
        "out_dir": str(folder / "run"),
    }
    return {
        "data_dir": str(data_dir),
        "settings": settings,
        "dropout": 0.0,  # each process draws its own
        "batches": str(folder),
        **changes,
    }


def rows_by_step(folder: Path, world_size: int) -> dict[int, list[list[int]]]:
    """The rows of every optimizer step, in the order of the data, whoever trained on them."""
    found: dict[int, list[list[int]]] = {}
    per_process = [
        {int(k): rows for k, rows in json.loads(path.read_text("utf-8")).items()}
        for path in sorted(folder.glob("rank-*.json"))
    ]
    assert len(per_process) == world_size
    for micro_batch in sorted(per_process[0]):
        for batches in per_process:
            step = micro_batch * world_size // ACCUMULATION
            found.setdefault(step, []).extend(batches[micro_batch])
    return found


def losses(folder: Path, kind: str, key: str = "loss") -> dict[int, float]:
    lines = (folder / "run/metrics.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    return {record["step"]: record[key] for record in records if record["kind"] == kind}


@pytest.fixture(scope="module")
def folders(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three runs: one process; two processes; one for two steps, then two, then one again."""
    spec = importlib.util.spec_from_file_location("train_driver", DRIVER)
    assert spec is not None
    assert spec.loader is not None
    driver = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(driver)
    top = tmp_path_factory.mktemp("distributed")
    one, two, mixed, poisoned = (top / name for name in ("one", "two", "mixed", "poisoned"))
    driver.run(job_in(one, data_dir), driver.Process())
    driver.run(job_in(mixed, data_dir, stop_after=2), driver.Process())
    (mixed / "rank-0.json").unlink()
    jobs = [job_in(two, data_dir), job_in(mixed, data_dir, existing="resume", stop_after=2)]
    jobs.append(job_in(poisoned, data_dir, poison=1))
    jobs[-1]["settings"]["on_nonfinite"] = "skip"
    (top / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    result = subprocess.run(
        [sys.executable, *torchrun, str(DRIVER), str(top / "jobs.json")],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    # The main process alone speaks: once for each step.
    steps = [line for line in result.stdout.splitlines() if line.startswith("step ")]
    every_step = list(range(1, N_STEPS + 1))
    assert steps == [f"step {n}" for n in [*every_step, 3, 4, *every_step]]
    back = top / "back"
    driver.run(
        {**job_in(mixed, data_dir, existing="resume"), "batches": str(back)}, driver.Process()
    )
    return {"one": one, "two": two, "mixed": mixed, "back": back, "poisoned": poisoned}


def test_the_same_order_of_samples(folders: dict[str, Path]) -> None:
    one = rows_by_step(folders["one"], 1)
    assert sorted(one) == list(range(N_STEPS))
    assert all(len(rows) == 3 * ACCUMULATION for rows in one.values())
    assert rows_by_step(folders["two"], 2) == one


def test_the_same_losses(folders: dict[str, Path]) -> None:
    for kind, n_records in (("train", N_STEPS), ("validation", 2)):
        one = losses(folders["one"], kind)
        assert len(one) == n_records
        assert losses(folders["two"], kind) == pytest.approx(one, abs=1e-5)
    one = losses(folders["one"], "train", "grad_norm")
    assert losses(folders["two"], "train", "grad_norm") == pytest.approx(one, rel=1e-4)
    assert losses(folders["one"], "train")[N_STEPS] < losses(folders["one"], "train")[1] - 0.1


def test_going_on_with_more_processes_and_with_fewer(folders: dict[str, Path]) -> None:
    one = rows_by_step(folders["one"], 1)
    mixed, back = rows_by_step(folders["mixed"], 2), rows_by_step(folders["back"], 1)
    assert sorted(mixed) == [0, 2, 3]  # the first batch is looked at beforehand
    assert sorted(back) == [0, 4, 5]
    for step, rows in [*mixed.items(), *back.items()]:
        if step:
            assert rows == one[step]
    assert losses(folders["mixed"], "train") == pytest.approx(
        losses(folders["one"], "train"), abs=1e-5
    )


def test_what_is_not_finite_in_one_process_is_skipped_by_all(folders: dict[str, Path]) -> None:
    lines = (folders["poisoned"] / "run/metrics.jsonl").read_text("utf-8").splitlines()
    found = [record for record in map(json.loads, lines) if record["kind"] == "anomaly"]
    assert [(record["step"], record["anomaly"]) for record in found] == [
        (2, "skipped"),
        (4, "skipped"),
    ]
    assert "gradient of blocks.0.mlp.up_proj.weight" in found[0]["text"]
    assert "weights of another process" in found[1]["text"]
    after, undisturbed = (losses(folders[name], "train") for name in ("poisoned", "two"))
    assert all(math.isfinite(loss) for loss in after.values())
    assert (after[1], after[2]) == (undisturbed[1], undisturbed[2])
    assert after[3] != undisturbed[3]


def start_two(words: list[str]) -> list[subprocess.Popen[str]]:
    """Two processes of one run, as torchrun would start them."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = str(listener.getsockname()[1])
    addresses = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    return [
        subprocess.Popen(
            [sys.executable, "-m", "slm", *words],
            env={**os.environ, **addresses, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_one_process_is_killed_and_torchrun_brings_it_back(data_dir: Path, tmp_path: Path) -> None:
    """With the same command, which has no `--resume`; and the run is the undisturbed one's."""
    settings = ["batch_size=3", "gradient_accumulation_steps=4", "optimizer=muon", "dropout=0.1"]
    settings += ["warmup_steps=2", "eval_interval=3", "eval_tokens=224", "checkpoint_interval=2"]
    settings += ["sample_prompts=[]", "dtype=float32", "compile=off", "threads=1"]
    words = ["train", "--preset", "tiny", "--data", str(data_dir), "--steps", "8"]
    words += ["--device", "cpu", *(w for setting in settings for w in ("--set", setting)), "--out"]
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    pair = start_two([*words, str(undisturbed)])
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    torchrun += ["--max-restarts", "1", str(DRIVER.with_name("torchrun_driver.py")), "5"]
    result = subprocess.run(
        [sys.executable, *torchrun, *words, str(killed)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    errors = [process.communicate(timeout=100)[1] for process in pair]
    assert [process.returncode for process in pair] == [0, 0], errors
    assert result.returncode == 0, result.stderr
    assert "another process of this run is gone" in result.stderr
    assert "going on at step 4" in result.stderr
    last = "checkpoints/step-000008"
    for name in (f"{last}/model", f"{last}/optimizer", "best/model"):
        found, expected = (run / f"{name}.safetensors" for run in (killed, undisturbed))
        assert found.read_bytes() == expected.read_bytes(), name
    assert not list(tmp_path.glob("*/previous-*"))
