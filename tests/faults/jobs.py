"""What the forked children do: prepare, train, go on, and save while being killed.

The first argument of a job is told what it is doing (see `forked`); what it returns is JSON.
"""

from __future__ import annotations

import contextlib
import hashlib
import locale
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from slm.api import Trainer
from slm.checkpoint import flatten_optimizer_state
from slm.config import GPTConfig
from slm.config.run_files import METRICS_FILE
from slm.data.loader import DataLoader
from slm.data.prepare import prepare
from slm.model import GPT
from slm.reporting.metrics import MetricsFile, read_metrics
from slm.seeds import seed_everything
from slm.training import Callback, RunStart, StepRecord
from tests.faults.forked import Mark, kill_at
from tests.faults.phases import command_with_a_pause as command_with_a_pause

N_STEPS = 12
SHAPE: dict[str, Any] = {  # 0.1 million parameters
    "vocab_size": 257,
    "block_size": 32,
    "n_layer": 1,
    "n_head": 4,
    "n_kv_head": 2,
    "n_embd": 96,
    "dropout": 0.1,
    "bias": False,
    "norm": "rmsnorm",
    "position": "rope",
    "mlp": "swiglu",
    "qk_norm": True,
}
SETTINGS: dict[str, Any] = {  # all that could go astray
    "batch_size": 4,
    "gradient_accumulation_steps": 2,
    "max_steps": N_STEPS,
    "optimizer": "muon",
    "warmup_steps": 3,
    "eval_interval": 4,
    "eval_tokens": 256,
    "checkpoint_interval": 3,
    "sample_prompts": ["Tom saw"],
    "sample_tokens": 8,
    "device": "cpu",
    "dtype": "float32",
    "compile": "off",
    "threads": 1,
}
QUIET: dict[str, Any] = {"eval_interval": 100, "checkpoint_interval": 100, "sample_prompts": ()}
"""Nothing but steps after the first evaluation."""


class Marking(Callback):
    """Marks every step."""

    def __init__(self, mark: Mark) -> None:
        self.mark = mark

    def on_step(self, record: StepRecord) -> None:
        self.mark("step")


def build_trainer(
    out_dir: str, data_dir: str, callbacks: Sequence[Callback] = (), **settings: Any
) -> Trainer:
    config = {**SETTINGS, **settings, "out_dir": out_dir}
    config["sample_prompts"] = tuple(config["sample_prompts"])
    seed_everything(1337)
    model = GPT(GPTConfig(**SHAPE))
    loader = DataLoader(config["batch_size"], model.config.block_size, data_dir=data_dir)
    metrics = MetricsFile(Path(out_dir) / METRICS_FILE, log_interval=1)
    return Trainer(model, loader, config, callbacks=[metrics, *callbacks])


@contextlib.contextmanager
def marked(mark: Mark, begin: str, end: str) -> Iterator[None]:
    mark(begin)
    yield
    mark(end)


def mark_saves(trainer: Trainer, mark: Mark) -> None:
    """Mark the begin and the end of everything that the trainer saves."""

    def telling(save: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            with marked(mark, "save", "saved"):
                return save(*args)

        return call

    saver: Any = trainer.checkpointer
    saver.save, saver.save_best = telling(saver.save), telling(saver.save_best)


def facts(out_dir: str | Path) -> dict[str, Any]:
    """The losses of all steps and evaluations, and what the last and the best weights are."""
    out_dir = Path(out_dir)
    records = read_metrics(out_dir / METRICS_FILE)
    digests = {}
    for name in (
        f"checkpoints/step-{N_STEPS:06d}/model",
        f"checkpoints/step-{N_STEPS:06d}/optimizer",
        "best/model",
    ):
        content = (out_dir / f"{name}.safetensors").read_bytes()
        digests[name] = hashlib.sha256(content).hexdigest()
    told = [r["text"] for r in records if r["kind"] == "sample"]
    losses = [(r["kind"], r["step"], r["loss"]) for r in records if r["kind"] != "sample"]
    return {"losses": losses, "told": told, "digests": digests}


def train(mark: Mark, out_dir: str, data_dir: str, **settings: Any) -> dict[str, Any]:
    """Begin a run or go on with it, to its end."""
    trainer = build_trainer(out_dir, data_dir, [Marking(mark)], **settings)
    mark_saves(trainer, mark)
    trainer.train(existing="resume")
    return facts(out_dir)


def start_run(mark: Mark, out_dir: str, data_dir: str, steps: int) -> None:
    """The first steps of a run, saved one by one, and the best of the second step."""
    settings = {**QUIET, "checkpoint_interval": 1, "eval_interval": 2}
    build_trainer(out_dir, data_dir, **settings).train(stop_after=steps)


class EnoughSeen(BaseException):
    """Ends a run that has served its purpose."""


def save_with_every_kill(mark: Mark, out_dir: str, data_dir: str, copies: str, step: int) -> int:
    """Go on with a run to a step, then save it and the best model in copies of the run.

    The process that saves into `copies/N` is killed at its N-th file operation.

    Returns:
        How many file operations there are.
    """
    n_operations = 0

    def save(copy: Path) -> None:
        trainer.checkpointer.out_dir = copy
        trainer.checkpointer.save(trainer.state)
        trainer.checkpointer.save_best(trainer.state)

    class Killing(Callback):
        def on_step(self, record: StepRecord) -> None:
            nonlocal n_operations
            if record.step == step:
                n_operations = _kill_all(save, trainer.out_dir, Path(copies))
                raise EnoughSeen

    trainer = build_trainer(out_dir, data_dir, [Killing()], **QUIET)
    with contextlib.suppress(EnoughSeen):
        trainer.train(existing="resume")
    return n_operations


def copy_run(source: Path, target: Path) -> None:
    """Copy a run; weights are never written to in place, so that links to them will do."""

    def copy(file: str, place: str) -> None:
        (os.link if file.endswith(".safetensors") else shutil.copyfile)(file, place)

    shutil.copytree(source, target, copy_function=copy)


def _kill_all(victim: Callable[[Path], object], source: Path, copies: Path) -> int:
    """Let `victim` work on copies of a directory, each killed one file operation later.

    Returns:
        How many file operations there are.
    """
    for operation in range(1, 1000):
        copy = copies / str(operation)
        copy_run(source, copy)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                with kill_at(operation):
                    victim(copy)
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code >= 0:
            assert code == 0, "the victim must end well or be killed"
            shutil.rmtree(copy)
            return operation - 1
    raise AssertionError("there is no end of file operations")


def go_on(mark: Mark, out_dir: str, data_dir: str, until: int) -> dict[str, Any]:
    """Go on with a run to a step; where it went on from, and all losses and weights there."""
    first, digest = -1, ""

    class Looking(Callback):
        def on_start(self, start: RunStart) -> None:
            nonlocal first
            first = start.first_step

        def on_step(self, record: StepRecord) -> None:
            nonlocal digest
            if record.step == until:
                digest = digest_of(trainer)
                raise EnoughSeen

    trainer = build_trainer(out_dir, data_dir, [Looking()], **QUIET)
    with contextlib.suppress(EnoughSeen):
        trainer.train(existing="resume")
    records = read_metrics(Path(out_dir) / METRICS_FILE)
    losses = [(r["kind"], r["step"], r["loss"]) for r in records]
    return {"first": first, "after": {"losses": losses, "digest": digest}}


def digest_of(trainer: Trainer) -> str:
    """SHA-256 of the weights and of the optimizer state."""
    names = {parameter: name for name, parameter in trainer.model.named_parameters()}
    tensors = dict(trainer.model.state_dict())
    for optimizer in trainer.guarded_step.optimizers.values():
        tensors.update(flatten_optimizer_state(optimizer, names))
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()


def prepare_data(mark: Mark, source: str, out_dir: str) -> str:
    """Prepare data as bytes; returns their fingerprint."""
    fingerprint = prepare(source, "bytes", out_dir, validation_fraction=0.1).fingerprint
    mark("prepared")
    return fingerprint


def prepare_with_every_kill(mark: Mark, source: str, old: str, copies: str) -> int:
    """Prepare other data in copies of a data directory; returns the number of operations.

    The process that works in `copies/N` is killed at its N-th file operation.
    """
    return _kill_all(lambda copy: prepare_data(mark, source, str(copy)), Path(old), Path(copies))


def train_on_a_full_disk(mark: Mark, out_dir: str, data_dir: str, largest_file: int) -> None:
    """Go on with a run in which, from its start on, no file may grow beyond a size."""
    import resource

    class Limiting(Callback):
        def on_start(self, start: RunStart) -> None:
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, hard))

    build_trainer(out_dir, data_dir, [Limiting()], sample_prompts=()).train(existing="resume")


def command(
    mark: Mark,
    arguments: Sequence[str],
    *,
    folder: str,
    variables: Mapping[str, str] | None = None,
    user: int | None = None,
    warm_up: Sequence[Sequence[str]] = (),
) -> dict[str, Any]:
    """Run a command of `slm` in a folder, under other variables, as another user.

    Args:
        warm_up: commands to run first as the user that is, so that all modules are imported which
            the other one may not read.
    """
    for line in warm_up:
        _call(line)
    os.environ.update(variables or {})
    time.tzset()
    in_use = ""
    if variables:
        in_use = locale.setlocale(locale.LC_ALL, "")  # Python itself takes over LC_CTYPE only
    os.chdir(folder)
    if user is not None:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    _call(arguments)
    return {"clock": time.time(), "zone": time.strftime("%z"), "locale": in_use}


def _call(arguments: Sequence[str]) -> None:
    from slm.cli import main

    status = main(list(arguments))
    if status:
        raise RuntimeError(f"slm {arguments[0]} ended with exit code {status}")
