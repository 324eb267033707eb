"""SIGINT, SIGTERM and SIGHUP wherever a command may be, through the real command line."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from slm.checkpoint import newest_checkpoint
from tests.conftest import tell_stories
from tests.faults.forked import Nursery, Outcome, needs_fork
from tests.faults.phases import leftovers

pytestmark = needs_fork

SIGNALS = [signal.SIGINT, signal.SIGTERM]
MOST_SECONDS = 5.0
"""Of processor time, from a pause to the end: so a busy machine changes nothing."""
RUN = ["--out", "run", "--seed", "1", "--steps", "3", "--set", "device=cpu", "threads=1"]
RUN += ["dtype=float32", "batch_size=4", "gradient_accumulation_steps=2", "block_size=16"]
RUN += ["n_layer=1", "n_embd=32", "n_head=2", "n_kv_head=2", "eval_tokens=256"]
RUN += ["sample_tokens=8"]

SAVED_STEP = {"compile": 0, "step": 2, "evaluation": 2, "samples": 2, "save": 2}
"""Where the phases of training are, and so what has to be saved."""


def stop(
    children: Nursery, folder: Path, number: int, phase: str, words: list[str], **how: Any
) -> Outcome:
    return children.run(
        "command_with_a_pause",
        kill={"mark": "reached", "seconds": 0.0, "signal": int(number)},
        arguments=words,
        folder=str(folder),
        phase=phase,
        **how,
    )


def training(data_dir: Path, phase: str) -> list[str]:
    """A run that comes through the phase at step 2, but for compiling, which is done at once."""
    at_step_2 = "checkpoint_interval=2" if phase == "save" else "eval_interval=2"
    return ["train", "--preset", "tiny", "--data", str(data_dir), *RUN, at_step_2]


def assert_stopped(outcome: Outcome, number: int, folder: Path) -> None:
    assert outcome.result is not None, outcome.errors
    assert outcome.result["code"] == 128 + number, outcome.errors
    assert outcome.result["seconds"] < MOST_SECONDS
    assert "Traceback" not in outcome.errors
    assert leftovers(folder) == []


def assert_saved(folder: Path, step: int) -> None:
    checkpoint = newest_checkpoint(folder / "run", log=pytest.fail)
    assert checkpoint is not None
    assert checkpoint.state.step == step


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("phase", ["import", "prepare", "bpe"])
def test_before_training_nothing_is_left(
    children: Nursery, tmp_path: Path, number: int, phase: str
) -> None:
    (tmp_path / "stories.txt").write_text(tell_stories(200, seed=3), encoding="utf-8")
    tokenizer = "bpe:300" if phase == "bpe" else "bytes"
    words = ["train", "--preset", "tiny", "--source", "stories.txt", "--tokenizer", tokenizer]
    outcome = stop(children, tmp_path, number, phase, [*words, *RUN])
    assert_stopped(outcome, number, tmp_path)
    name = "" if number == signal.SIGINT else " by SIGTERM"
    assert outcome.errors.strip().splitlines()[-1] == f"interrupted{name}"
    assert not list(tmp_path.rglob("*.bin"))
    assert not (tmp_path / "run/checkpoints").exists()


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("phase", SAVED_STEP)
def test_in_training_the_current_step_is_saved(
    children: Nursery, data_dir: Path, tmp_path: Path, number: int, phase: str
) -> None:
    outcome = stop(children, tmp_path, number, phase, training(data_dir, phase))
    assert_stopped(outcome, number, tmp_path)
    step = SAVED_STEP[phase]
    assert f"error: stopped at step {step}, saved in run/checkpoints/step-00000{step}" in (
        outcome.errors
    )
    assert_saved(tmp_path, step)


@pytest.mark.parametrize("number", SIGNALS)
def test_in_the_last_save(children: Nursery, data_dir: Path, tmp_path: Path, number: int) -> None:
    words = ["train", "--preset", "tiny", "--data", str(data_dir), *RUN]
    outcome = stop(children, tmp_path, number, "save", words)
    assert_stopped(outcome, number, tmp_path)
    assert "error: finished at step 3, saved in run/checkpoints/step-000003" in outcome.errors
    assert_saved(tmp_path, 3)


@pytest.fixture(scope="module")
def finished_run(
    children: Nursery, data_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    words = ["train", "--preset", "tiny", "--data", str(data_dir), *RUN]
    arguments = {"arguments": words, "folder": str(folder), "phase": "none"}
    assert children.succeed("command_with_a_pause", **arguments)["code"] == 0
    return folder / "run"


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("words", [[], ["-n", "3", "--json"]], ids=["stream", "batch"])
def test_in_generating(
    children: Nursery, finished_run: Path, tmp_path: Path, number: int, words: list[str]
) -> None:
    words = ["generate", "--checkpoint", str(finished_run), "Tom", "--seed", "1", *words]
    outcome = stop(children, tmp_path, number, "generating", words)
    assert_stopped(outcome, number, tmp_path)
    assert "{" not in outcome.errors  # no half a result on stdout, which is in here, too


def test_the_terminal_is_closed(children: Nursery, data_dir: Path, tmp_path: Path) -> None:
    outcome = stop(children, tmp_path, signal.SIGHUP, "step", training(data_dir, "step"))
    assert_stopped(outcome, signal.SIGHUP, tmp_path)
    assert_saved(tmp_path, 2)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("phase", ["prepare", "step"])
def test_the_second_signal_ends_it_at_once(
    children: Nursery, data_dir: Path, tmp_path: Path, number: int, phase: str
) -> None:
    (tmp_path / "stories.txt").write_text(tell_stories(50, seed=3), encoding="utf-8")
    words = training(data_dir, phase)
    if phase == "prepare":
        words = ["prepare", "--source", "stories.txt", "--tokenizer", "bytes", "--out", "data"]
    outcome = stop(children, tmp_path, number, phase, words, deaf=True)
    assert outcome.status == 128 + number, outcome.errors
    assert outcome.result is None
    assert [word for word, _ in outcome.marks] == [
        "start",
        "listening",
        "reached",
        "reached",
    ]


@pytest.mark.parametrize("phase", ["step", "prepare"])
def test_nobody_reads_stderr_any_longer(
    children: Nursery, data_dir: Path, tmp_path: Path, phase: str
) -> None:
    """As in `slm train 2>&1 | tee log`, where Ctrl-C ends both."""
    (tmp_path / "stories.txt").write_text(tell_stories(50, seed=3), encoding="utf-8")
    words = training(data_dir, phase)
    if phase == "prepare":
        words = ["prepare", "--source", "stories.txt", "--tokenizer", "bytes", "--out", "data"]
    outcome = stop(children, tmp_path, signal.SIGINT, phase, words, unread=True)
    assert_stopped(outcome, signal.SIGINT, tmp_path)
    if phase == "step":
        assert_saved(tmp_path, 2)


def test_at_random_moments_nothing_is_lost(children: Nursery, tmp_path: Path, soak: bool) -> None:
    """The command again, with --resume, ends with the weights of one that nobody disturbed."""
    seed = random.randrange(10**9)
    print(f"moments drawn from the seed {seed}")
    chance = random.Random(seed)
    (tmp_path / "stories.txt").write_text(tell_stories(200, seed=3), encoding="utf-8")
    words = ["train", "--preset", "tiny", "--source", str(tmp_path / "stories.txt"), *RUN]
    words += ["tokenizer=bpe:300", "eval_interval=2", "checkpoint_interval=1"]
    weights = "run/checkpoints/step-000003/model.safetensors"

    def run(folder: Path, **how: Any) -> Outcome:
        folder.mkdir(exist_ok=True)
        return children.run(
            "command_with_a_pause",
            arguments=[*words, "--resume"],
            folder=str(folder),
            phase="none",
            **how,
        )

    for folder in (tmp_path / "warm-up", tmp_path / "whole"):
        began_at = time.perf_counter()
        assert run(folder).result["code"] == 0
        seconds = time.perf_counter() - began_at
    whole = (tmp_path / "whole" / weights).read_bytes()
    found: list[str] = []
    for number in range(60 if soak else 3):
        folder, sent = tmp_path / f"parts-{number}", chance.choice(SIGNALS)
        plan = {"mark": "listening", "seconds": chance.uniform(0.0, seconds), "signal": int(sent)}
        outcome = run(folder, kill=plan)
        assert outcome.result is not None, outcome.errors
        code = outcome.result["code"]
        assert code in (0, 128 + sent), outcome.errors
        assert leftovers(folder) == []
        if "error: stopped" in outcome.errors:
            found.append("in training")
            assert newest_checkpoint(folder / "run", log=pytest.fail) is not None
        else:
            found.append("too late" if code == 0 else "at the end or before training")
        again = run(folder)
        assert again.result["code"] == 0, again.errors
        assert (folder / weights).read_bytes() == whole
    print(", ".join(f"{found.count(kind)} {kind}" for kind in sorted(set(found))))
