"""Time to quality: ours beside nanoGPT and a plain loop over transformers, in one run.

    python bench/race.py --task shakespeare --source input.txt --nanogpt ~/nanoGPT --plot race.png
    python bench/race.py --task stories --source FOLDER --nanogpt ~/nanoGPT --minutes 10

Every racer trains on the same text and cores, one after the other, `--rounds` times in turn. A
racer is a process; each line in which it tells a validation loss is noted with the seconds since
the process began, imports, compilation and evaluations included (preparing the data is not).
Losses become bits per byte of the validation text by each racer's own tokens.

- ours: `slm train` with the task's preset.
- gpt2: the same with the preset `gpt2`, the original's model; for `stories` only.
- nanogpt: its own `train.py` from a checkout, in a copy. For `shakespeare` with the flags that its
  README gives for a CPU; for `stories` with 4 layers of width 128 and 256 tokens of context.
- transformers: GPT2LMHeadModel of nanoGPT's shape for the task, AdamW, the plainest loop there is.

All tell a loss every `--every` steps, over as many validation tokens as nanoGPT takes.
"""

from __future__ import annotations

import argparse
import json
import math
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Curve = list[tuple[float, float]]
"""Seconds since the start, and bits per byte."""

TOLD = re.compile(r"step ([\d,]+):.*?val(?:idation)? loss ([\d.]+)")


@dataclass(frozen=True)
class Task:
    """One text, and what each racer does with it."""

    preset: str
    our_tokenizer: str
    their_tokenizer: str
    n_layer: int
    n_head: int
    n_embd: int
    block_size: int
    batch_size: int
    steps: int
    targets: Sequence[float]
    """Nats a character for `shakespeare`, bits per byte for `stories`."""

    @property
    def eval_tokens(self) -> int:
        """Validation tokens of an evaluation: 20 micro-batches."""
        return 20 * self.batch_size * self.block_size


TASKS = {
    "shakespeare": Task(
        "shakespeare-char", "chars", "chars", 4, 4, 128, 64, 12, 2000, (2.2, 2.0, 1.886, 1.8, 1.7)
    ),
    "stories": Task(
        "modern-12m", "bpe:4096", "gpt2", 4, 4, 128, 256, 12, 10**6, (2.0, 1.7, 1.45, 1.2, 1.0, 0.9)
    ),
}


def prepare(source: Path, tokenizer: str, out: Path) -> Path:
    """Token files that all racers can read; nanoGPT's names and vocabulary beside them."""
    from slm.data.prepare import prepare as prepare_data

    fraction = 0.1 if source.is_file() else 0.05
    data = prepare_data(str(source), tokenizer, out, validation_fraction=fraction)
    shutil.copyfile(out / "validation.bin", out / "val.bin")
    with (out / "meta.pkl").open("wb") as stream:
        pickle.dump({"vocab_size": data.meta.tokenizer.vocab_size}, stream)
    return out


def ours(task: Task, data: Path, out: Path, args: argparse.Namespace, preset: str) -> list[str]:
    length = [] if task.preset == "shakespeare-char" else ["--minutes", str(args.minutes)]
    told = [f"eval_interval={args.every}", f"eval_tokens={task.eval_tokens}", "sample_prompts=[]"]
    words = ["--preset", preset, "--data", str(data), "--out", str(out), *length, "--set", *told]
    return [sys.executable, "-m", "slm", "train", *words]


def nanogpt(task: Task, data: Path, out: Path, args: argparse.Namespace) -> list[str]:
    """A copy of the checkout that finds our token files under its own data folder."""
    checkout = out / "nanoGPT"
    shutil.copytree(args.nanogpt, checkout, ignore=shutil.ignore_patterns(".git", "*.bin"))
    shutil.copytree(data, checkout / "data/shakespeare_char", dirs_exist_ok=True)
    sizes = {name: getattr(task, name) for name in ("n_layer", "n_head", "n_embd", "block_size")}
    flags = sizes | {
        "device": "cpu",
        "compile": False,
        "eval_iters": 20,
        "eval_interval": args.every,
        "log_interval": 1000,
        "batch_size": task.batch_size,
        "max_iters": task.steps,
        "lr_decay_iters": min(task.steps, 5000),
        "dropout": 0.0,
    }
    words = [f"--{name}={value}" for name, value in flags.items()]
    return [sys.executable, "-u", "train.py", "config/train_shakespeare_char.py", *words]


def transformers_loop(task: Task, data: Path, every: int) -> None:
    """Train until killed or done, telling a validation loss as nanoGPT does."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    from slm.data.loader import DataLoader

    torch.manual_seed(1337)
    loader = DataLoader(task.batch_size, task.block_size, data_dir=data)
    config = GPT2Config(
        vocab_size=loader.vocab_size,
        n_positions=task.block_size,
        n_embd=task.n_embd,
        n_layer=task.n_layer,
        n_head=task.n_head,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )
    model = GPT2LMHeadModel(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1)

    def validation_loss() -> float:
        batches = list(loader.validation_batches(task.eval_tokens))
        with torch.no_grad():
            losses = [_loss(model(x).logits, y) for x, y in batches]
        return float(torch.stack(losses).mean())

    for step in range(task.steps + 1):
        if step % every == 0:
            print(f"step {step}: val loss {validation_loss():.4f}", flush=True)
        x, y = loader.batch_at(step)
        _loss(model(x).logits, y).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def _loss(logits: Any, targets: Any) -> Any:
    import torch.nn.functional as F

    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def race(command: Sequence[str], where: Path, bytes_per_token: float, seconds: float) -> Curve:
    """Run a racer for so long at most, and note when it tells which loss."""
    curve: Curve = []
    began_at = time.perf_counter()
    with subprocess.Popen(
        command, cwd=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as racer:
        assert racer.stdout is not None
        for line in racer.stdout:
            told = TOLD.search(line)
            now = time.perf_counter() - began_at
            if told:
                curve.append((now, float(told[2]) / math.log(2) / bytes_per_token))
            if now > seconds:
                racer.terminate()
    if racer.returncode not in (0, -15, 143):
        raise SystemExit(f"{' '.join(command)} ended with {racer.returncode}")
    return curve


def seconds_to(curve: Curve, bits: float) -> float | None:
    """When a curve first was at most `bits`; None: never."""
    return next((seconds for seconds, found in curve if found <= bits), None)


def draw(curves: Mapping[str, list[Curve]], path: Path) -> None:
    """All curves in one picture, time on a logarithmic scale."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    colours = dict(zip(curves, ("#c1440e", "#8fb3d9", "#6b8e23", "#7a6a9b"), strict=False))
    for name, rounds in curves.items():
        for number, curve in enumerate(rounds):
            label = name if number == 0 else None
            seconds, bits = [s for s, _ in curve], [b for _, b in curve]
            axes.plot(seconds, bits, color=colours[name], label=label)
    axes.set_xscale("log")
    axes.set_xlabel("seconds since the command")
    axes.set_ylabel("bits per byte of the validation text")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=sorted(TASKS), default="shakespeare")
    parser.add_argument("--source", type=Path, required=True, help="a file or folder of text")
    parser.add_argument("--nanogpt", type=Path, help="a checkout of nanoGPT")
    parser.add_argument("--minutes", type=float, default=10.0, help="longest time of a racer")
    parser.add_argument("--every", type=int, default=50, help="steps between two losses")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    task = TASKS[args.task]
    if args.worker is not None:
        transformers_loop(task, args.worker, args.every)
        return
    racers = ["ours", *(["gpt2"] if args.task == "stories" else [])]
    racers += [*(["nanogpt"] if args.nanogpt is not None else []), "transformers"]
    curves: dict[str, list[Curve]] = {name: [] for name in racers}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        source = args.source.resolve()
        tokenizers = {"ours": task.our_tokenizer, "gpt2": "gpt2-8k"}
        data = {
            name: prepare(source, tokenizers.get(name, task.their_tokenizer), place / name / "data")
            for name in racers
        }
        for number in range(args.rounds):
            for name in racers:
                out = place / name / f"run-{number}"
                out.mkdir()
                where = out
                if name == "nanogpt":
                    command, where = nanogpt(task, data[name], out, args), out / "nanoGPT"
                elif name == "transformers":
                    words = ("--task", args.task, "--source", ".", "--every", str(args.every))
                    here = str(Path(__file__).resolve())
                    command = [sys.executable, here, "--worker", str(data[name]), *words]
                else:
                    preset = "gpt2" if name == "gpt2" else task.preset
                    command = ours(task, data[name], out / "run", args, preset)
                per_token = bytes_per_token(data[name])
                curves[name].append(race(command, where, per_token, 60 * args.minutes))
                print(f"{name}: {curves[name][-1][-1:]}", file=sys.stderr, flush=True)
        if args.task == "shakespeare":
            to_bits = 1 / math.log(2) / bytes_per_token(data["ours"])
            targets = {f"loss {nats}": nats * to_bits for nats in task.targets}
        else:
            targets = {f"{bits} bits per byte": bits for bits in task.targets}
    if args.plot:
        draw(curves, args.plot)
    times = {
        target: {name: [seconds_to(c, bits) for c in curves[name]] for name in racers}
        for target, bits in targets.items()
    }
    if args.json:
        print(json.dumps({"task": args.task, "curves": curves, "seconds_to": times}))
        return
    for target, by_racer in times.items():
        cells = [f"{name} {', '.join(_shown(s) for s in row)}" for name, row in by_racer.items()]
        print(f"{target:20} {'   '.join(cells)}")


def _shown(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.0f} s"


def bytes_per_token(data: Path) -> float:
    """Of the validation split."""
    from slm.data.shards import DataDirectory

    return DataDirectory.open(data).bytes_per_token("validation")


if __name__ == "__main__":
    main()
