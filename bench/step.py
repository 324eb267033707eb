"""A whole optimizer step of a preset, compared with nanoGPT's model of the same layers.

    python bench/step.py --nanogpt ~/nanoGPT [--preset gpt2] [--rounds 3] [--steps 3] [--json]

Ours: the unchanged preset, with its own vocabulary, dtype and optimizer. Theirs: nanoGPT's
`model.py` from a checkout, with the same layers, heads, width and context, its own vocabulary of
50,257 tokens, float32 (nanoGPT disables autocast on a CPU), its own AdamW and clipping. Both train
on random ids, in micro-batches of the same number of tokens. Each measurement is a separate
process, so that its peak memory is separate; the two alternate, and the ratio is of the medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from slm.hardware.devices import peak_memory_bytes

NANOGPT_VOCABULARY = 50257


def our_step(preset: str, batch_size: int) -> tuple[Callable[[], object], int]:
    """A function that performs one step of ours, and the tokens per step."""
    import torch

    from slm.hardware.devices import resolve_dtype
    from slm.model import GPT
    from slm.parallel.processes import Process
    from slm.presets import resolve
    from slm.runs.guarded_step import GuardedStep

    settings = resolve(preset)
    shape = settings.model
    dtype = resolve_dtype(settings.train.dtype, "cpu")
    stepper = GuardedStep(GPT(shape), settings.train, device="cpu", dtype=dtype, process=Process())
    ids = torch.randint(shape.vocab_size, (2, batch_size, shape.block_size))
    return (lambda: stepper.step([(ids[0], ids[1])], 1, 1.0)), ids[0].numel()


def nanogpt_step(checkout: Path, preset: str, batch_size: int) -> tuple[Callable[[], object], int]:
    """The same for nanoGPT's model of the same layers."""
    import torch

    from slm.presets import resolve

    sys.path.insert(0, str(checkout))
    import model as nanogpt  # type: ignore[import-not-found]

    shape = resolve(preset).model
    model = nanogpt.GPT(
        nanogpt.GPTConfig(
            block_size=shape.block_size,
            vocab_size=NANOGPT_VOCABULARY,
            n_layer=shape.n_layer,
            n_head=shape.n_head,
            n_embd=shape.n_embd,
            dropout=shape.dropout,
            bias=shape.bias,
        )
    )
    optimizer = model.configure_optimizers(0.1, 6e-4, (0.9, 0.95), "cpu")
    ids = torch.randint(NANOGPT_VOCABULARY, (2, batch_size, shape.block_size))

    def step() -> None:
        _, loss = model(ids[0], ids[1])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step, ids[0].numel()


def measure_here(args: argparse.Namespace) -> dict[str, float]:
    """Perform a warm-up step, then `--steps` steps; returns the figures of this process."""
    if args.worker == "ours":
        step, n_tokens = our_step(args.preset, args.batch_size)
    else:
        step, n_tokens = nanogpt_step(args.nanogpt, args.preset, args.batch_size)
    step()
    started_at = time.perf_counter()
    for _ in range(args.steps):
        step()
    seconds = (time.perf_counter() - started_at) / args.steps
    return {"tokens_per_second": n_tokens / seconds, "peak_memory_bytes": peak_memory_bytes("cpu")}


def measure_apart(args: argparse.Namespace, worker: str) -> dict[str, float]:
    """The same in a separate process."""
    command = [sys.executable, __file__, "--worker", worker, "--preset", args.preset]
    command += ["--batch-size", str(args.batch_size), "--steps", str(args.steps)]
    if args.nanogpt is not None:
        command += ["--nanogpt", str(args.nanogpt)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nanogpt", type=Path, help="a checkout of nanoGPT")
    parser.add_argument("--preset", default="gpt2")
    parser.add_argument("--batch-size", type=int, default=16, help="sequences per step")
    parser.add_argument("--steps", type=int, default=3, help="measured steps per round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", choices=["ours", "nanogpt"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker is not None:
        print(json.dumps(measure_here(args)))
        return
    names = ["ours"] + (["nanogpt"] if args.nanogpt is not None else [])
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(args.rounds):
        for name in names:
            rounds[name].append(measure_apart(args, name))
    result: dict[str, Any] = {"preset": args.preset, "rounds": rounds}
    for name in names:
        rates = [figures["tokens_per_second"] for figures in rounds[name]]
        result[name] = {
            "tokens_per_second": statistics.median(rates),
            "lowest": min(rates),
            "highest": max(rates),
            "peak_memory_bytes": max(figures["peak_memory_bytes"] for figures in rounds[name]),
        }
    if "nanogpt" in names:
        ours, theirs = result["ours"], result["nanogpt"]
        result["speed_ratio"] = ours["tokens_per_second"] / theirs["tokens_per_second"]
        result["memory_ratio"] = ours["peak_memory_bytes"] / theirs["peak_memory_bytes"]
    if args.json:
        print(json.dumps(result))
        return
    for name in names:
        figures = result[name]
        print(
            f"{name:8} {figures['tokens_per_second']:8,.0f} tokens/s "
            f"({figures['lowest']:,.0f} to {figures['highest']:,.0f}), "
            f"peak memory {figures['peak_memory_bytes'] / 1e9:.2f} GB"
        )
    if "nanogpt" in names:
        print(f"ours / nanogpt: speed {result['speed_ratio']:.2f}, ", end="")
        print(f"memory {result['memory_ratio']:.2f}")


if __name__ == "__main__":
    main()
