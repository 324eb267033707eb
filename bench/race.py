"""Time to quality: ours compared with nanoGPT and a plain loop over transformers, in one run.

    python bench/race.py --task shakespeare --source input.txt --nanogpt ~/nanoGPT --plot race.png
    python bench/race.py --task stories --source FOLDER --nanogpt ~/nanoGPT --minutes 10 \\
        --ours="--minutes 1" --ours="--minutes 10"

Every racer trains on the same text and cores, one after the other, for `--rounds` rounds. A racer
is a process; each validation loss that it prints is recorded with the seconds since the process
started, including imports, compilation and evaluations (data preparation is included only with
`--ours`). Losses are converted to bits per byte of the validation text with each racer's own
tokens. The result is the time at which each first reached a target, and the ratio of the times.

- ours: `slm train` with the task's preset; or with the arguments of `--ours` and the raw text, so
  that reading it, fitting a tokenizer and encoding count. Each `--ours` is a separate racer,
  because a run with a time budget reaches its best loss only at the end.
- gpt2: the same with the preset `gpt2`, the original's model; for `stories` only.
- nanogpt: its own `train.py` from a checkout, in a copy. For `shakespeare` with the flags that its
  README gives for a CPU; for `stories` with 4 layers of width 128 and 256 tokens of context.
- transformers: GPT2LMHeadModel of nanoGPT's shape for the task, AdamW, in a minimal loop.

All print a loss every `--every` steps, over the same number of validation tokens. A long race
can be run in parts: `--only` some racers, `--json` each, and then `--from-json` all files.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import pickle
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curves import Curve, bits_told, draw, joined, outcome, tell

OWN_CLOCK_SECONDS = 120.0
"""Extra seconds for a run with a time budget: imports, its last evaluation."""

GRACE_SECONDS = 30.0
"""Seconds between a request to stop and the kill of a racer."""


class RacerError(Exception):
    """A racer that failed."""


@dataclass(frozen=True)
class Task:
    """One text, and the settings of each racer."""

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
    """Nats per character for `shakespeare`, bits per byte for `stories`."""

    @property
    def eval_tokens(self) -> int:
        """Validation tokens per evaluation: 20 micro-batches."""
        return 20 * self.batch_size * self.block_size


TASKS = {
    "shakespeare": Task(
        "shakespeare-char", "chars", "chars", 4, 4, 128, 64, 12, 2000, (2.2, 2.0, 1.886, 1.8, 1.7)
    ),
    "stories": Task(
        "modern-12m", "bpe:4096", "gpt2", 4, 4, 128, 256, 12, 10**6, (2.0, 1.7, 1.45, 1.2, 1.0, 0.9)
    ),
}


def held_out(source: Path) -> float:
    """Share of held-out stories if the text has no validation split."""
    return 0.1 if source.is_file() else 0.05


def prepare(source: Path, tokenizer: str, out: Path) -> Path:
    """Token files for all racers, with nanoGPT's file names and vocabulary."""
    from slm.data.prepare import prepare as prepare_data

    data = prepare_data(str(source), tokenizer, out, validation_fraction=held_out(source))
    shutil.copyfile(out / "validation.bin", out / "val.bin")
    with (out / "meta.pkl").open("wb") as stream:
        pickle.dump({"vocab_size": data.meta.tokenizer.vocab_size}, stream)
    return out


def ours(
    task: Task, name: str, data: Path | None, out: Path, args: argparse.Namespace
) -> list[str]:
    """`slm train` of a preset on prepared data, or with the name's arguments on raw text."""
    told = [f"eval_interval={args.every}", f"eval_tokens={task.eval_tokens}", "sample_prompts=[]"]
    if data is None:
        source = args.source.resolve()
        told.append(f"validation_fraction={held_out(source)}")
        words = ["--source", str(source), "--set", *told, *shlex.split(name.removeprefix("ours "))]
    else:
        preset = "gpt2" if name == "gpt2" else task.preset
        length = [] if args.task == "shakespeare" else ["--minutes", str(args.minutes)]
        words = ["--preset", preset, "--data", str(data), *length, "--set", *told]
    return [sys.executable, "-m", "slm", "train", "--out", str(out), *words]


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
    """Train until killed or done, and print the validation loss like nanoGPT."""
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


def race(
    command: Sequence[str], where: Path, bytes_per_token: float | None, seconds: float
) -> Curve:
    """Run a racer for a limited time, and record its losses with their times.

    When its time is over, it gets a signal to stop, and is killed if it does not; none of its
    processes survives.

    Raises:
        RacerError: it failed before; the message contains the end of its output.
    """
    curve: Curve = []
    last_lines: deque[str] = deque(maxlen=20)
    is_over = threading.Event()
    began_at = time.perf_counter()
    racer = subprocess.Popen(
        command,
        cwd=where,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # so that its child processes can be killed with it
    )
    assert racer.stdout is not None

    def ask_to_end() -> None:
        is_over.set()
        racer.terminate()

    timers = [
        threading.Timer(seconds, ask_to_end),
        threading.Timer(seconds + GRACE_SECONDS, kill, [racer]),
    ]
    try:
        for timer in timers:
            timer.start()
        for line in racer.stdout:
            bits = bits_told(line, bytes_per_token)
            if bits is not None:
                curve.append((time.perf_counter() - began_at, bits))
            last_lines.append(line)
        racer.wait()
    finally:
        for timer in timers:
            timer.cancel()
        kill(racer)
        racer.stdout.close()
        racer.wait()
    if racer.returncode != 0 and not is_over.is_set():
        output = "".join(last_lines)
        raise RacerError(f"{shlex.join(command)} ended with {racer.returncode}:\n{output}")
    return curve


def kill(racer: subprocess.Popen[str]) -> None:
    """Kill a racer and its remaining child processes."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(racer.pid, signal.SIGKILL)
        else:
            racer.kill()


def racers_of(args: argparse.Namespace) -> list[str]:
    """The names of the racers, in the order of a round."""
    names = [f"ours {words}" for words in args.ours] or ["ours"]
    names += ["gpt2"] if args.task == "stories" else []
    names += ["nanogpt"] if args.nanogpt is not None else []
    names += ["transformers"]
    return [name for name in names if args.only is None or name.split()[0] in args.only]


def run_race(task: Task, args: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Prepare the data and run all racers; returns the outcome and the names of failed racers."""
    racers = racers_of(args)
    curves: dict[str, list[Curve]] = {name: [] for name in racers}
    failed: list[str] = []
    tokenizers = {"ours": task.our_tokenizer, "gpt2": "gpt2-8k"}
    with tempfile.TemporaryDirectory() as folder:
        places = {name: Path(folder) / str(number) for number, name in enumerate(racers)}
        data = {
            name: prepare(
                args.source.resolve(),
                tokenizers.get(name, task.their_tokenizer),
                places[name] / "data",
            )
            for name in racers
            if not name.startswith("ours ")
        }
        for number in range(args.rounds):
            for name in [name for name in racers if name not in failed]:
                out = places[name] / f"run-{number}"
                out.mkdir(parents=True)
                where, limit = out, 60 * args.minutes
                if name == "nanogpt":
                    command, where = nanogpt(task, data[name], out, args), out / "nanoGPT"
                elif name == "transformers":
                    words = ("--task", args.task, "--every", str(args.every))
                    here = str(Path(__file__).resolve())
                    command = [sys.executable, here, "--worker", str(data[name]), *words]
                else:
                    command = ours(task, name, data.get(name), out / "run", args)
                    limit += OWN_CLOCK_SECONDS if "--minutes" in command else 0.0
                per_token = bytes_per_token(data[name]) if name in data else None
                try:
                    curves[name].append(race(command, where, per_token, limit))
                except RacerError as error:
                    failed.append(name)
                    del curves[name]
                    print(f"{name} failed: {error}", file=sys.stderr, flush=True)
                    continue
                print(f"{name}: {curves[name][-1][-1:]}", file=sys.stderr, flush=True)
        targets = {f"{bits} bits per byte": bits for bits in task.targets}
        if args.task == "shakespeare":
            chars = Path(folder) / "chars"
            prepare(args.source.resolve(), "chars", chars)
            to_bits = 1 / math.log(2) / bytes_per_token(chars)
            targets = {f"loss {nats}": nats * to_bits for nats in task.targets}
    return outcome(args.task, curves, targets), failed


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", choices=sorted(TASKS), default="shakespeare")
    parser.add_argument("--source", type=Path, help="a file or folder of text")
    parser.add_argument("--nanogpt", type=Path, help="a checkout of nanoGPT")
    parser.add_argument(
        "--ours",
        action="append",
        default=[],
        metavar="WORDS",
        help="arguments of slm train besides the text, such as --ours='--minutes 2'",
    )
    kinds = ["ours", "gpt2", "nanogpt", "transformers"]
    parser.add_argument("--only", nargs="+", choices=kinds, help="run only these racers")
    parser.add_argument("--minutes", type=float, default=10.0, help="maximum time of a racer")
    parser.add_argument("--every", type=int, default=50, help="steps between two losses")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--from-json", type=Path, nargs="+", help="combine the results of earlier races"
    )
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(words)
    if args.worker is None and (args.source is None) == (args.from_json is None):
        parser.error("give --source for a race, or --from-json for the results of earlier ones")
    if args.only and "nanogpt" in args.only and args.nanogpt is None:
        parser.error("--only nanogpt needs --nanogpt")
    return args


def main() -> None:
    args = arguments()
    task = TASKS[args.task]
    if args.worker is not None:
        transformers_loop(task, args.worker, args.every)
        return
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    failed: list[str] = []
    if args.from_json:
        result = joined([json.loads(path.read_text("utf-8")) for path in args.from_json])
    else:
        result, failed = run_race(task, args)
    if args.plot:
        draw(result["curves"], args.plot)
    if args.json:
        print(json.dumps(result))
    else:
        tell(result)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def bytes_per_token(data: Path) -> float:
    """Of the validation split."""
    from slm.data.shards import DataDirectory

    return DataDirectory.open(data).bytes_per_token("validation")


if __name__ == "__main__":
    main()
