"""Cost of saving and verifying, as a share of training time.

    python bench/saving.py [--preset modern-12m] [--dir .] [--rounds 5] [--steps 5] [--json]

Times steps of the preset on random ids, then checkpoints of its weights and optimizer state on the
disk that stores runs. A checkpoint is written and flushed to the disk, a kept one is read and
verified, and the oldest one is deleted; the best model is replaced. The share assumes one
checkpoint per `checkpoint_interval` steps and, at worst, a best model at each evaluation.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

GOAL = 0.01
"""Maximum share of training time for saving and verifying."""


def seconds(action: Callable[[], object]) -> float:
    """Wall-clock seconds of a call."""
    started_at = time.perf_counter()
    action()
    return time.perf_counter() - started_at


def measure(preset: str, folder: Path, rounds: int, steps: int) -> dict[str, Any]:
    """Seconds of a step, a checkpoint and a best model, and their shares of training time."""
    import torch

    from slm.checkpoint import (
        TrainState,
        flatten_optimizer_state,
        newest_checkpoint,
        write_best,
        write_run_checkpoint,
    )
    from slm.hardware.devices import keep_freed_memory, resolve_dtype
    from slm.model import GPT
    from slm.parallel.processes import Process
    from slm.presets import resolve
    from slm.runs.guarded_step import GuardedStep
    from slm.tokenizer import build_tokenizer

    settings = resolve(preset)
    config, shape = settings.train, settings.model
    keep_freed_memory()
    model = GPT(shape)
    dtype = resolve_dtype(config.dtype, "cpu")
    stepper = GuardedStep(model, config, device="cpu", dtype=dtype, process=Process())
    batches = config.gradient_accumulation_steps
    ids = torch.randint(shape.vocab_size, (2, config.batch_size, shape.block_size))

    def step() -> None:
        stepper.step([(ids[0], ids[1])] * batches, batches, 1.0)

    step()
    step_seconds = statistics.median(seconds(step) for _ in range(steps))

    names = {parameter: name for name, parameter in model.named_parameters()}
    tokenizer = build_tokenizer("bytes", lambda: [])

    def content(number: int) -> dict[str, Any]:
        state = TrainState(number, data_fingerprint="0" * 64)
        weights = model.state_dict()
        return {
            "model_state": weights,
            "config": settings,
            "tokenizer": tokenizer,
            "state": state,
        }

    def save(number: int) -> None:
        tensors: dict[str, torch.Tensor] = {}
        for optimizer in stepper.optimizers.values():
            tensors.update(flatten_optimizer_state(optimizer, names))
        write_run_checkpoint(
            folder, **content(number), optimizer_state=tensors, keep=config.keep_checkpoints
        )

    # Every measured save deletes a checkpoint and replaces a best model.
    for number in range(config.keep_checkpoints):
        save(number)
    write_best(folder, **content(0))
    first = config.keep_checkpoints
    saves = [seconds(lambda n=n: save(n)) for n in range(first, first + rounds)]
    bests = [seconds(lambda n=n: write_best(folder, **content(n))) for n in range(rounds)]
    verifying = [seconds(lambda: newest_checkpoint(folder)) for _ in range(rounds)]
    checkpoint = max((folder / "checkpoints").iterdir())
    save_seconds, best_seconds = statistics.median(saves), statistics.median(bests)
    training_seconds = step_seconds * config.checkpoint_interval
    n_bests = config.checkpoint_interval / config.eval_interval
    return {
        "preset": preset,
        "parameters": sum(p.numel() for p in model.parameters()),
        "checkpoint_bytes": sum(file.stat().st_size for file in checkpoint.iterdir()),
        "checkpoint_interval": config.checkpoint_interval,
        "eval_interval": config.eval_interval,
        "step_seconds": step_seconds,
        "save_seconds": save_seconds,
        "verify_seconds": statistics.median(verifying),
        "best_seconds": best_seconds,
        "share_of_checkpoints": save_seconds / training_seconds,
        "share": (save_seconds + n_bests * best_seconds) / training_seconds,
        "goal": GOAL,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="modern-12m")
    parser.add_argument("--dir", type=Path, default=Path(), help="a folder of the disk to save on")
    parser.add_argument("--rounds", type=int, default=5, help="checkpoints to write")
    parser.add_argument("--steps", type=int, default=5, help="measured steps")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.dir, prefix="saving-") as folder:
        result = measure(args.preset, Path(folder), args.rounds, args.steps)
    if args.json:
        print(json.dumps(result))
        return
    print(
        f"{result['preset']}: {result['parameters'] / 1e6:.1f} M parameters, "
        f"a checkpoint of {result['checkpoint_bytes'] / 1e6:,.0f} MB "
        f"every {result['checkpoint_interval']} steps of {result['step_seconds']:.2f} s"
    )
    print(
        f"saving and pruning {result['save_seconds']:.2f} s (reading and verifying is "
        f"{result['verify_seconds']:.2f} s of it), the best model {result['best_seconds']:.2f} s"
    )
    print(
        f"share of training time: {result['share_of_checkpoints']:.2%} for checkpoints, "
        f"{result['share']:.2%} with a better model at every evaluation (goal: {GOAL:.0%})"
    )


if __name__ == "__main__":
    main()
