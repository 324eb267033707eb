"""Whether training and generation are right on a GPU, and how fast they are.

    bench/gpu_check.sh [--device cuda] [--out FOLDER] [--minutes 8] [--only NAME ...] [--small]

Each check is a run of the public commands, on stories of the built-in corpus:

    eager           losses of 20 steps in float32, both families (AdamW; Muon): those of the CPU
    bfloat16        the same in bfloat16: close to float32
    float16         the same in float16 with a gradient scaler: close to float32
    compile         the same compiled: those of eager steps
    two-processes   the same from two processes: those of one (NCCL with two GPUs, else gloo)
    generation      greedy text in float32: that of the CPU; tokens per second
    speed-12m       `modern-12m` compiled: tokens/s, share of the matrix product ceiling, memory
    speed-124m      GPT-2's shape with 124 M parameters and a context of 1,024, the same

It writes gpu_check.json and gpu_check.md to --out. A check that does not fit into the remaining
minutes is left out and says so. The exit status is 1 if a check fails. With --device cpu all of it
runs on a CPU; --small then measures the speed of small models.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

STEPS = 20
SMALL = ["--preset", "tiny", "--set", "n_embd=64", "n_layer=3", "batch_size=16", "block_size=64"]
FAMILIES = {
    "modern": [*SMALL, "optimizer=muon"],
    "gpt2": [
        *SMALL,
        "norm=layernorm",
        "position=learned",
        "mlp=gelu",
        "qk_norm=false",
        "bias=true",
    ],
}
RUNNING = ["log_interval=1", "gradient_accumulation_steps=2", "sample_prompts=[]"]
SAME = 2e-3
"""Largest difference of two losses, in nats, that float32's rounding explains after `STEPS`."""
CLOSE = 0.05
"""The same between float32 and the dtypes with 16 bits."""
SPEED = {
    "speed-12m": ["--preset", "modern-12m", "--set", "compile=on", "batch_size=64"],
    "speed-124m": [
        *[
            "--preset",
            "gpt2",
            "--set",
            "compile=on",
            "batch_size=16",
            "n_layer=12",
            "n_head=12",
            "n_embd=768",
        ],
        *["vocab_size=50304", "block_size=1024", "dropout=0"],
    ],
}


@dataclass(frozen=True)
class Outcome:
    """What a check found."""

    name: str
    passed: bool | None
    """None: not checked."""
    summary: str
    seconds: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)


class CheckError(Exception):
    """A command of a check failed, or took too long."""


@dataclass
class Machine:
    """Runs commands on one device, in a scratch folder and until a point in time."""

    device: str
    folder: Path
    ends_at: float
    small: bool
    _losses: dict[tuple[str, ...], list[float]] = field(default_factory=dict)

    def command(self, *arguments: str, processes: int = 1) -> str:
        """Standard output of `slm` with these arguments.

        Raises:
            CheckError: it failed, or the time was up.
        """
        several = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        start = [sys.executable, *(several if processes > 1 else []), "-m", "slm"]
        remaining = max(1.0, self.ends_at - time.monotonic())
        try:
            done = subprocess.run(
                [*start, *arguments],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
                capture_output=True,
                text=True,
                timeout=remaining,
            )
        except subprocess.TimeoutExpired:
            raise CheckError("the time was up") from None
        if done.returncode:
            last = done.stderr.strip().splitlines()[-3:]
            raise CheckError(f"slm {' '.join(arguments)}: " + " | ".join(last))
        return done.stdout

    def losses(
        self,
        family: str,
        *,
        device: str | None = None,
        dtype: str = "float32",
        compile: str = "off",
        processes: int = 1,
    ) -> list[float]:
        """Training losses of `STEPS` steps in nats; the same request is run once."""
        device = device or self.device
        request = (family, device, dtype, compile, str(processes))
        if request not in self._losses:
            run = "-".join(request).replace(":", "")
            settings = [*FAMILIES[family], *RUNNING, f"dtype={dtype}", f"compile={compile}"]
            length = ["--steps", str(STEPS), "--device", device]
            self.command(
                *["train", "--data", "data", "--out", run, *length, *settings], processes=processes
            )
            lines = (self.folder / run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
            records = [json.loads(line) for line in lines]
            self._losses[request] = [r["loss"] for r in records if r["kind"] == "train"]
        return self._losses[request]


def compared(
    machine: Machine, a: dict[str, Any], b: dict[str, Any], tolerance: float
) -> tuple[bool, str, dict[str, Any]]:
    """Losses of both families with two sets of arguments of `Machine.losses`."""
    figures: dict[str, Any] = {}
    for family in FAMILIES:
        ours, theirs = machine.losses(family, **a), machine.losses(family, **b)
        if len(ours) != STEPS or len(theirs) != STEPS:
            raise CheckError(f"{len(ours)} and {len(theirs)} losses instead of {STEPS}")
        # NaN compares as neither smaller nor larger, so it must not reach `max`.
        apart = [abs(x - y) for x, y in zip(ours, theirs, strict=True)]
        figures[family] = max(d if math.isfinite(d) else math.inf for d in apart)
    largest = max(figures.values())
    summary = f"largest difference {largest:.1e} nats, at most {tolerance:g}"
    return largest <= tolerance, summary, figures


Finding = tuple[bool | None, str, dict[str, Any]]


def eager(machine: Machine) -> Finding:
    return compared(machine, {"device": "cpu"}, {}, SAME)


def half(machine: Machine, dtype: str) -> Finding:
    return compared(machine, {}, {"dtype": dtype}, CLOSE)


def compiled(machine: Machine) -> Finding:
    return compared(machine, {}, {"compile": "on"}, SAME)


def two_processes(machine: Machine) -> Finding:
    import torch

    if machine.device.startswith("cuda") and torch.cuda.device_count() < 2:
        passed, summary, figures = compared(
            machine, {"device": "cpu"}, {"device": "cpu", "processes": 2}, SAME
        )
        return passed, f"one GPU, so on the CPU with gloo: {summary}", figures
    return compared(machine, {}, {"processes": 2}, SAME)


def generation(machine: Machine) -> Finding:
    run = "to-generate"
    settings = [*FAMILIES["modern"], "sample_prompts=[]"]
    machine.command("train", "--data", "data", "--out", run, "--steps", "150", *settings)
    texts, figures = [], {}
    greedy = ["--dtype", "float32", "--temperature", "0", "--max-new-tokens", "200", "--json"]
    for device in ("cpu", machine.device):
        start = ["generate", "Once upon a time", "--checkpoint", run, "--device", device]
        result = json.loads(machine.command(*start, *greedy))
        texts.append(result["texts"][0])
        figures[f"tokens_per_second_{device}"] = result["tokens_per_second"]
    same = sum(x == y for x, y in zip(*texts, strict=False)) if texts[0] else 0
    figures["equal_characters"], figures["characters"] = same, len(texts[0])
    speed = figures[f"tokens_per_second_{machine.device}"]
    return (
        texts[0] == texts[1],
        f"{same} of {len(texts[0])} characters; {speed:,.0f} tokens/s",
        figures,
    )


def speed(machine: Machine, name: str) -> Finding:
    settings = ["--preset", "tiny"] if machine.small else SPEED[name]
    steps = ["--steps", "5" if machine.small else "20", "--device", machine.device, "--json"]
    result = json.loads(machine.command("bench", "train", *steps, *settings))
    summary = (
        f"{result['parameters'] / 1e6:.1f} M parameters, {result['dtype']}: "
        f"{result['tokens_per_second']:,.0f} tokens/s, "
        f"{result['gflops_per_second'] / 1e3:,.2f} TFLOP/s, "
        f"{result['utilization']:.0%} of the ceiling, {result['peak_memory_mb'] / 1e3:.2f} GB"
    )
    return True, summary, result


CHECKS: dict[str, Callable[[Machine], Finding]] = {
    "eager": eager,
    "bfloat16": lambda machine: half(machine, "bfloat16"),
    "float16": lambda machine: half(machine, "float16"),
    "compile": compiled,
    "generation": generation,
    "speed-12m": lambda machine: speed(machine, "speed-12m"),
    "speed-124m": lambda machine: speed(machine, "speed-124m"),
    "two-processes": two_processes,
}


def run_checks(machine: Machine, names: Sequence[str]) -> list[Outcome]:
    """Every check in turn; one that fails does not stop the others."""
    corpus = "prepare --source builtin --limit 400 --tokenizer bpe:512 --out data"
    machine.command(*corpus.split())
    outcomes = []
    for name in names:
        began_at = time.monotonic()
        if began_at > machine.ends_at:
            outcomes.append(Outcome(name, None, "left out: the time was up"))
        else:
            try:
                passed, summary, figures = CHECKS[name](machine)
            except CheckError as error:
                passed, summary, figures = False, str(error), {}
            seconds = time.monotonic() - began_at
            outcomes.append(Outcome(name, passed, summary, seconds, figures))
        print(row(outcomes[-1]), flush=True)
    return outcomes


def row(outcome: Outcome) -> str:
    """An outcome as a row of a Markdown table."""
    verdict = {True: "passed", False: "FAILED", None: "-"}[outcome.passed]
    return f"| {outcome.name} | {verdict} | {outcome.summary} | {outcome.seconds:.0f} s |"


def described(device: str) -> dict[str, Any]:
    """What a reader needs to know about the machine."""
    import torch

    facts: dict[str, Any] = {
        "device": device,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": platform.platform(),
    }
    if device.startswith("cuda"):
        properties = torch.cuda.get_device_properties(device)
        facts |= {
            "gpu": properties.name,
            "gpus": torch.cuda.device_count(),
            "memory_gb": round(properties.total_memory / 1e9, 1),
            "cuda": torch.version.cuda,
        }
    return facts


def main(arguments: Sequence[str] | None = None) -> int:
    first, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=first, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--only", nargs="+", choices=list(CHECKS), default=list(CHECKS))
    parser.add_argument("--small", action="store_true", help="speeds of small models only")
    args = parser.parse_args(arguments)
    began_at = time.monotonic()
    facts = described(args.device)
    print("\n".join(f"{name}: {fact}" for name, fact in facts.items()), flush=True)
    head = "| check | verdict | found | time |\n|---|---|---|---|"
    print(f"\n{head}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        ends_at = began_at + 60 * args.minutes
        machine = Machine(args.device, Path(folder), ends_at, args.small)
        outcomes = run_checks(machine, args.only)
    args.out.mkdir(parents=True, exist_ok=True)
    seconds = time.monotonic() - began_at
    report = {**facts, "seconds": seconds, "checks": [asdict(outcome) for outcome in outcomes]}
    (args.out / "gpu_check.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    table = [f"{name}: {fact}" for name, fact in facts.items()]
    page = "\n".join([*table, "", head, *map(row, outcomes), ""])
    (args.out / "gpu_check.md").write_text(page, encoding="utf-8")
    return 1 if any(outcome.passed is False for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
