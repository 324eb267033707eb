"""A training run in a process of its own, as the command line would start one.

Usage: python train_driver.py JOBS, where JOBS is a JSON list of objects with the keys `data_dir`,
`settings` (of `TrainingConfig`), `existing`, `stop_after`, `poison` (the process whose numbers go
bad), `default_callbacks`, `waits_after` (the step after which it waits for a signal), and
`batches`, a folder into which each process writes the first ids of every row that it trains on, and
the sizes of what it sends. Steps are told on stdout.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import torch
import torch.distributed

from slm.api import Trainer
from slm.config import GPTConfig, TrainingConfig
from slm.config.run_files import METRICS_FILE
from slm.data.loader import DataLoader
from slm.errors import SlmError
from slm.model import GPT
from slm.parallel.fsdp import local
from slm.parallel.processes import Process, process_group
from slm.reporting.metrics import MetricsFile
from slm.seeds import seed_everything
from slm.training import Callback, StepRecord

SHAPE: dict[str, Any] = {
    "vocab_size": 257,
    "block_size": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_kv_head": 2,
    "n_embd": 48,
    "bias": False,
    "norm": "rmsnorm",
    "position": "rope",
    "mlp": "swiglu",
    "qk_norm": True,
}


class StepsOnStdout(Callback):
    """`step 7` after the seventh step.

    Args:
        waits_after: the step after which it waits for a signal, or finds that one has come.
    """

    def __init__(self, waits_after: int | None = None) -> None:
        self.waits_after = waits_after
        if waits_after is not None:
            self.heard, told = os.pipe()
            os.set_blocking(told, False)
            signal.set_wakeup_fd(told)

    def on_step(self, record: StepRecord) -> None:
        print(f"step {record.step}", flush=True)
        if record.step == self.waits_after:
            select.select([self.heard], [], [], 300.0)


class RecordingLoader(DataLoader):
    """Notes the first ids of every row, by step."""

    def batch_at(self, step: int, split: str = "train") -> tuple[torch.Tensor, torch.Tensor]:
        x, y = super().batch_at(step, split)
        self.rows: dict[int, list[list[int]]] = getattr(self, "rows", {})
        self.rows[step] = x[:, :8].tolist()
        return x, y


def poison(trainer: Trainer) -> None:
    """Spoil a gradient of step 2 and what the update of step 4 makes, in this process only."""
    weight: Any = trainer.model.blocks[0].mlp.up_proj.weight  # type: ignore[union-attr]
    clip = trainer.guarded_step.execution.clip

    def spoil_gradient(gradient: torch.Tensor) -> torch.Tensor:
        return gradient * float("nan") if trainer.state.step == 1 else gradient

    def spoil_weight(*_: Any) -> None:
        if trainer.state.step == 3:
            with torch.no_grad():
                local(weight).fill_(float("inf"))

    def clip_spoilt(*arguments: Any) -> float:
        if trainer.state.step == 1:
            local(weight.grad).fill_(float("nan"))
        return clip(*arguments)

    if trainer.is_sharded:  # there are no hooks on shares
        trainer.guarded_step.execution.clip = clip_spoilt  # type: ignore[method-assign]
    else:
        weight.register_hook(spoil_gradient)
    trainer.guarded_step.optimizers["adamw"].register_step_post_hook(spoil_weight)


@contextlib.contextmanager
def noting_messages() -> Iterator[list[int]]:
    """The numbers of values in each all-reduce of the block."""
    sizes: list[int] = []
    all_reduce = torch.distributed.all_reduce

    def noted(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        sizes.append(tensor.numel())
        return all_reduce(tensor, *args, **kwargs)

    torch.distributed.all_reduce = noted
    try:
        yield sizes
    finally:
        torch.distributed.all_reduce = all_reduce


def run(job: dict[str, Any], process: Process) -> None:
    """Train as the job says."""
    config = TrainingConfig(**job["settings"])
    seed_everything(config.seed)
    model = GPT(GPTConfig(**SHAPE, dropout=job.get("dropout", 0.1)))
    loader = RecordingLoader(
        config.batch_size,
        model.config.block_size,
        data_dir=job["data_dir"],
        rank=process.rank,
        world_size=process.world_size,
    )
    metrics = MetricsFile(Path(config.out_dir) / METRICS_FILE, config.log_interval)
    steps = StepsOnStdout(job.get("waits_after"))
    callbacks = None if job.get("default_callbacks") else [metrics, steps]
    trainer = Trainer(
        model,
        loader,
        config.__dict__,
        process=process,
        callbacks=callbacks,
        owns_process=True,
    )
    if job.get("poison") == process.rank:
        poison(trainer)
    with noting_messages() as sizes:
        try:
            how = {
                "existing": job.get("existing", "set-aside"),
                "stop_after": job.get("stop_after"),
            }
            trainer.train(**how)
        finally:
            if "batches" in job:
                folder = Path(job["batches"])
                folder.mkdir(exist_ok=True)
                for name, noted in (("rank", loader.rows), ("messages", sizes)):
                    path = folder / f"{name}-{process.rank}.json"
                    path.write_text(json.dumps(noted), encoding="utf-8")


def main() -> None:
    """All jobs, one after the other, by the same processes."""
    process = Process.from_environment()
    try:
        with process_group(process, "cpu"):
            for job in json.loads(Path(sys.argv[1]).read_text("utf-8")):
                run(job, process)
    except SlmError as error:
        print(f"error: {error}", file=sys.stderr)
        leave(error.exit_code)
    leave(0)


def leave(code: int) -> NoReturn:
    """End as `slm` does when processes were connected.

    A thread of gloo's that drops its last tensor while the interpreter shuts down aborts it.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
