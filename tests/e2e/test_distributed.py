"""Two processes, connected by gloo, train as one would with the same global batch."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed
from safetensors.torch import load_file

from slm.checkpoint import open_checkpoint
from slm.config.run_files import MODEL_FILE
from slm.generation import GenerationOptions, Generator, TorchEngine
from slm.interop.model_file import load_model_file
from slm.model import GPT

DRIVER = Path(__file__).with_name("train_driver.py")
N_STEPS = 6
ACCUMULATION = 4
PROMPT = "One day"

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


def sharded_jobs(top: Path, data_dir: Path) -> list[dict[str, Any]]:
    """A sharded run, one that is interrupted, one that goes on from one process, and a bad one."""

    def job(name: str, settings: dict[str, Any], **changes: Any) -> dict[str, Any]:
        made = job_in(top / name, data_dir, **changes)
        made["settings"].update(sharding="fsdp", **settings)
        return made

    return [
        job("sharded", {"sample_prompts": [PROMPT]}, default_callbacks=True),
        job("paused", {}, stop_after=4),
        job("paused", {}, existing="resume"),
        job("joined", {}, existing="resume", stop_after=2),
        job("poisoned-shares", {"on_nonfinite": "skip"}, poison=1),
    ]


@pytest.fixture(scope="module")
def folders(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs of one process, of two, of first one, then two, then one again, and sharded ones."""
    spec = importlib.util.spec_from_file_location("train_driver", DRIVER)
    assert spec is not None
    assert spec.loader is not None
    driver = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(driver)
    top = tmp_path_factory.mktemp("distributed")
    names = ("one", "two", "mixed", "poisoned", "joined")
    one, two, mixed, poisoned, joined = (top / name for name in names)
    driver.run(job_in(one, data_dir), driver.Process())
    for folder in (mixed, joined):
        driver.run(job_in(folder, data_dir, stop_after=2), driver.Process())
        (folder / "rank-0.json").unlink()
    jobs = [job_in(two, data_dir), job_in(mixed, data_dir, existing="resume", stop_after=2)]
    jobs.append(job_in(poisoned, data_dir, poison=1))
    jobs[-1]["settings"]["on_nonfinite"] = "skip"
    jobs += sharded_jobs(top, data_dir)
    (top / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    result = subprocess.run(
        [sys.executable, *torchrun, str(DRIVER), str(top / "jobs.json")],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    # The main process alone speaks: once for each step.
    steps = [line for line in result.stdout.splitlines() if line.startswith("step ")]
    every_step = list(range(1, N_STEPS + 1))
    spoken = [*every_step, 3, 4, *every_step]
    assert steps == [f"step {n}" for n in [*spoken, *every_step, 3, 4, *every_step]]
    for folder in (mixed, joined):
        job = job_in(folder, data_dir, existing="resume")
        job["settings"]["sharding"] = "fsdp" if folder == joined else "off"  # alone, all the same
        driver.run({**job, "batches": str(top / f"{folder.name}-back")}, driver.Process())
    return {path.name: path for path in top.iterdir() if path.is_dir()}


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


def test_gradients_are_sent_once_a_step_and_not_once_a_micro_batch(
    folders: dict[str, Path],
) -> None:
    weights = load_file(folders["two"] / "run/best/model.safetensors")
    n_parameters = sum(tensor.numel() for tensor in weights.values())
    for rank in range(2):
        sizes = json.loads((folders["two"] / f"messages-{rank}.json").read_text("utf-8"))
        assert sizes.count(n_parameters) == N_STEPS
        # What else is sent are a few numbers on which the processes agree.
        assert all(size < 10 for size in sizes if size != n_parameters)


def test_going_on_with_more_processes_and_with_fewer(folders: dict[str, Path]) -> None:
    one = rows_by_step(folders["one"], 1)
    mixed, back = rows_by_step(folders["mixed"], 2), rows_by_step(folders["mixed-back"], 1)
    assert sorted(mixed) == [0, 2, 3]  # the first batch is looked at beforehand
    assert sorted(back) == [0, 4, 5]
    for step, rows in [*mixed.items(), *back.items()]:
        if step:
            assert rows == one[step]
    assert losses(folders["mixed"], "train") == pytest.approx(
        losses(folders["one"], "train"), abs=1e-5
    )


@pytest.mark.parametrize("name", ["poisoned", "poisoned-shares"])
def test_what_is_not_finite_in_one_process_is_skipped_by_all(
    folders: dict[str, Path], name: str
) -> None:
    lines = (folders[name] / "run/metrics.jsonl").read_text("utf-8").splitlines()
    found = [record for record in map(json.loads, lines) if record["kind"] == "anomaly"]
    assert [(record["step"], record["anomaly"]) for record in found] == [
        (2, "skipped"),
        (4, "skipped"),
    ]
    assert "gradient of blocks.0.mlp.up_proj.weight" in found[0]["text"]
    assert "the update made blocks.0.mlp.up_proj.weight non-finite" in found[1]["text"]
    undisturbed = losses(folders["sharded" if name == "poisoned-shares" else "two"], "train")
    after = losses(folders[name], "train")
    assert all(math.isfinite(loss) for loss in after.values())
    assert (after[1], after[2]) == (undisturbed[1], undisturbed[2])
    assert after[3] != undisturbed[3]


# -- shares of a model ---------------------------------------------------------------------------


def test_a_sharded_run_has_the_same_samples_and_losses(folders: dict[str, Path]) -> None:
    assert rows_by_step(folders["sharded"], 2) == rows_by_step(folders["one"], 1)
    for kind in ("train", "validation"):
        one = losses(folders["one"], kind)
        assert losses(folders["sharded"], kind) == pytest.approx(one, abs=1e-5), kind
    one = losses(folders["one"], "train", "grad_norm")
    assert losses(folders["sharded"], "train", "grad_norm") == pytest.approx(one, rel=1e-4)


def test_its_checkpoints_are_those_of_any_run(folders: dict[str, Path]) -> None:
    last = "run/checkpoints/step-000006"
    for name in (f"{last}/model", f"{last}/optimizer", "run/best/model"):
        one, sharded = (
            load_file(folders[folder] / f"{name}.safetensors") for folder in ("one", "sharded")
        )
        assert sharded.keys() == one.keys()
        for key, tensor in one.items():
            assert sharded[key].dtype == tensor.dtype, key
            torch.testing.assert_close(sharded[key], tensor, rtol=0, atol=1e-4, msg=key)


def test_its_best_model_tells_the_same_story_alone(folders: dict[str, Path]) -> None:
    run = folders["sharded"] / "run"
    checkpoint = open_checkpoint(run)
    saved = load_model_file(run / MODEL_FILE)
    assert all(torch.equal(saved.weights[k], w) for k, w in checkpoint.model_state.items())
    model = GPT(checkpoint.config.model)
    model.load_state_dict(dict(checkpoint.model_state))
    settings = checkpoint.config.train
    options = GenerationOptions(max_new_tokens=settings.sample_tokens, seed=settings.seed)
    assert checkpoint.tokenizer is not None
    (alone,) = Generator(TorchEngine(model), checkpoint.tokenizer).complete([PROMPT], options)
    lines = (run / "metrics.jsonl").read_text("utf-8").splitlines()
    told = [record for record in map(json.loads, lines) if record["kind"] == "sample"]
    assert [record["step"] for record in told] == [3, 6]
    assert alone.text in [record["text"] for record in told]


def test_it_goes_on_bit_for_bit(folders: dict[str, Path]) -> None:
    last = "run/checkpoints/step-000006"
    for name in (f"{last}/model", f"{last}/optimizer", "run/best/model"):
        whole, paused = (
            folders[folder] / f"{name}.safetensors" for folder in ("sharded", "paused")
        )
        assert paused.read_bytes() == whole.read_bytes(), name


def test_it_goes_on_from_one_process_and_in_one(folders: dict[str, Path]) -> None:
    one = losses(folders["one"], "train")
    assert losses(folders["joined"], "train") == pytest.approx(one, abs=1e-5)
    assert sorted(rows_by_step(folders["joined-back"], 1)) == [0, 4, 5]


def test_three_processes_have_shares_of_unequal_size() -> None:
    """What is asserted is in the driver."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "3"]
    result = subprocess.run(
        [sys.executable, *torchrun, str(DRIVER.with_name("sharding_driver.py"))],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("all held") == 3


# -- death ---------------------------------------------------------------------------------------


@pytest.fixture
def free_port() -> Iterator[str]:
    """A port that only those get who ask for it by its number, with SO_REUSEADDR."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield str(holder.getsockname()[1])


def start_two(words: list[str], port: str) -> list[subprocess.Popen[str]]:
    """Two processes of one run, as torchrun would start them."""
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
@pytest.mark.parametrize("sharding", ["off", "fsdp"])
def test_one_process_is_killed_and_torchrun_brings_it_back(
    data_dir: Path, tmp_path: Path, free_port: str, sharding: str
) -> None:
    """With the same command, which has no `--resume`; and the run is the undisturbed one's."""
    settings = ["batch_size=3", "gradient_accumulation_steps=4", "optimizer=muon", "dropout=0.1"]
    settings += ["warmup_steps=2", "eval_interval=3", "eval_tokens=224", "checkpoint_interval=2"]
    settings += ["sample_prompts=[]", "dtype=float32", "compile=off", "threads=1"]
    settings += [f"sharding={sharding}"]
    words = ["train", "--preset", "tiny", "--data", str(data_dir), "--steps", "8"]
    words += ["--device", "cpu", *(w for setting in settings for w in ("--set", setting)), "--out"]
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    pair = start_two([*words, str(undisturbed)], free_port)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    torchrun += ["--max-restarts", "1", str(DRIVER.with_name("torchrun_driver.py")), "5"]
    result = subprocess.run(
        [sys.executable, *torchrun, *words, str(killed)],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    errors = [process.communicate(timeout=500)[1] for process in pair]
    assert [process.returncode for process in pair] == [0, 0], errors
    assert result.returncode == 0, result.stderr
    assert "another process of this run has ended" in result.stderr
    assert "resuming at step 4" in result.stderr
    last = "checkpoints/step-000008"
    for name in (f"{last}/model", f"{last}/optimizer", "best/model"):
        found, expected = (run / f"{name}.safetensors" for run in (killed, undisturbed))
        assert found.read_bytes() == expected.read_bytes(), name
    assert not list(tmp_path.glob("*/previous-*"))
