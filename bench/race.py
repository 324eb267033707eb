"""Quality over time: ours against the recipes of nanochat, autoresearch and nanoGPT, in one run.

    python bench/race.py --source FOLDER --minutes 5 --ours="--minutes 5" \\
        --nanochat ~/nanochat --nanogpt ~/nanoGPT --plot race.png --json > race.json

Every racer trains on the same text and cores, one after the other, for `--rounds` rounds. All are
measured in the same way (`bench/race_meter.py`): bits per byte of the same held-out text, every
`--every` seconds, or after every step where a step takes longer. The clocks favor the baselines.
That of ours runs from the start of its command: imports, reading the text, its vocabulary and
measurements count. A baseline has prepared data; its clock starts when its first step is done, and
stops while it is measured. The result is when each first reached a target, the ratios of these
times, and the bits per byte of more text at the end.

- ours: `slm train` with the task's preset on prepared data; or with the arguments of `--ours` and
  the raw text. Each `--ours` is a separate racer, because a run with a time budget reaches its best
  loss only at the end.
- gpt2: the same with the preset `gpt2`, the original's model; for `stories` only.
- nanochat: `scripts.base_train` of a checkout with the flags of its `runs/runcpu.sh`; for `stories`
  only. It has the environment `.venv` of the checkout, if there is one.
- nanochat-small: the same code with sizes for five minutes of a CPU, and as many steps as fit.
- autoresearch: our port of its `train.py`, with the sizes that its README advises for small
  machines (`bench/autoresearch.py`); for `stories` only.
- nanogpt: `train.py` of a checkout, in a copy. For `shakespeare` with the flags that its README
  gives for a CPU; for `stories` with 4 layers of width 128, 256 tokens of context, and as many
  steps as fit.
- transformers: GPT2LMHeadModel of nanoGPT's shape for the task, AdamW, in a minimal loop.

A racer without its checkout is skipped, and the program says so. To give a baseline other settings,
use a `--variant`, such as "nanochat-small --matrix-lr=0.1" or "autoresearch --total-batch=4096".
A long race can be run in parts: `--only` some racers, `--json` each, and then `--from-json` all
files.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curves import Curve, draw, joined, outcome, print_outcome, table
from race_meter import pace_of, reading_of
from race_tasks import TASKS, Entry, RacerError, Task
from racers import Course, obstacle

HANGS_SECONDS = 900.0
"""Seconds beyond twice the length of the race after which a racer hangs."""

GRACE_SECONDS = 30.0
"""Seconds between a request to stop and the kill of a racer."""


@dataclass
class Record:
    """What a racer has printed in one round."""

    curve: Curve = field(default_factory=list)
    bits_of_all: float | None = None
    """Bits per byte of all held-out text at the end."""
    output: str = ""
    """Its last lines."""


def race(entry: Entry, seconds: float) -> Record:
    """Run a racer until it ends, and record its measurements with their times.

    After `seconds` it gets a signal to stop, and is killed if it does not; none of its processes
    survives.

    Raises:
        RacerError: it failed, or did not end in time; the message contains the end of its output.
    """
    record = Record()
    last_lines: deque[str] = deque(maxlen=20)
    is_over = threading.Event()
    began_at = time.perf_counter()
    racer = subprocess.Popen(
        entry.command,
        cwd=entry.where,
        env=os.environ | entry.environment,
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
            reading = reading_of(line)
            if reading is not None and reading.of_all:
                record.bits_of_all = reading.bits
            elif reading is not None:
                since_start = time.perf_counter() - began_at
                seconds = since_start if reading.seconds is None else reading.seconds
                record.curve.append((seconds, reading.bits))
            last_lines.append(line)
        racer.wait()
    finally:
        for timer in timers:
            timer.cancel()
        kill(racer)
        racer.stdout.close()
        racer.wait()
    record.output = "".join(last_lines)
    if racer.returncode != 0 or is_over.is_set():
        how = "did not end in time" if is_over.is_set() else f"ended with {racer.returncode}"
        raise RacerError(f"{shlex.join(entry.command)} {how}:\n{record.output}")
    return record


def kill(racer: subprocess.Popen[str]) -> None:
    """Kill a racer and its remaining child processes."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(racer.pid, signal.SIGKILL)
        else:
            racer.kill()


def trial(entry: Entry) -> float:
    """The seconds per step of a racer.

    Raises:
        RacerError: it failed, or printed none.
    """
    output = race(entry, HANGS_SECONDS).output
    pace = pace_of(output)
    if pace is None:
        raise RacerError(f"{shlex.join(entry.command)} printed no time per step:\n{output}")
    say(f"  a step takes {pace:.3f} s")
    return pace


def say(text: str) -> None:
    """Print progress."""
    print(text, file=sys.stderr, flush=True)


def racers_of(args: argparse.Namespace) -> list[str]:
    """The names of the racers, in the order of a round."""
    names = [f"ours {words}" for words in args.ours] or ["ours"]
    for kind in TASKS[args.task].names:
        if kind != "ours":
            names += [words for words in args.variant if words.split()[0] == kind] or [kind]
    return [name for name in names if args.only is None or name.split()[0] in args.only]


def run_race(task: Task, args: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Run all racers; returns the outcome and the names of those that failed."""
    obstacles = {name: obstacle(name, args) for name in racers_of(args)}
    for name, reason in obstacles.items():
        if reason is not None:
            say(f"{name} is skipped: {reason}")
    racers = [name for name, reason in obstacles.items() if reason is None]
    records: dict[str, list[Record]] = {name: [] for name in racers}
    failed: list[str] = []
    limit = 2 * 60 * args.minutes + HANGS_SECONDS
    with tempfile.TemporaryDirectory() as folder:
        course = Course(args, Path(folder), trial)
        for number in range(args.rounds):
            for place, name in enumerate(racers):
                if name in failed:
                    continue
                say(f"{name}, round {number + 1} of {args.rounds}")
                out = Path(folder) / f"{place}-{number}"
                out.mkdir()
                try:
                    record = race(course.entry(name, out), limit)
                    if not record.curve:
                        raise RacerError(f"it printed no measurement:\n{record.output}")
                except RacerError as error:
                    failed.append(name)
                    del records[name]
                    say(f"{name} failed: {error}")
                    continue
                records[name].append(record)
                say(f"  {record.bits_of_all} bits per byte after {record.curve[-1][0]:.0f} s")
        targets = {f"{bits} bits per byte": bits for bits in task.targets}
        if args.task == "shakespeare":
            to_bits = 1 / math.log(2) / course.data("chars").bytes_per_token("validation")
            targets = {f"loss {nats}": nats * to_bits for nats in task.targets}
    curves = {name: [record.curve for record in rounds] for name, rounds in records.items()}
    at_end = {name: [record.bits_of_all for record in rounds] for name, rounds in records.items()}
    return outcome(args.task, curves, targets, at_end), failed


def folder_of(variable: str) -> Path | None:
    """The folder that an environment variable names."""
    value = os.environ.get(variable)
    return Path(value) if value else None


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--task", choices=sorted(TASKS), default="stories")
    parser.add_argument("--source", type=Path, help="a file or folder of text")
    for option in ("nanogpt", "nanochat"):
        variable = f"SLM_{option.upper()}"
        parser.add_argument(
            f"--{option}",
            type=Path,
            default=folder_of(variable),
            help=f"a checkout; default: the variable {variable}",
        )
    parser.add_argument(
        "--ours",
        action="append",
        default=[],
        metavar="WORDS",
        help="arguments of slm train besides the text, such as --ours='--minutes 2'",
    )
    parser.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar="WORDS",
        help="a baseline with more arguments for its program, instead of the baseline alone",
    )
    kinds = list(dict.fromkeys(name for task in TASKS.values() for name in task.names))
    parser.add_argument("--only", nargs="+", choices=kinds, help="run only these racers")
    parser.add_argument("--minutes", type=float, default=5.0, help="length of the race")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between measurements")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--from-json", type=Path, nargs="+", help="combine the results of earlier races"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw all curves")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--markdown", action="store_true", help="print a table in Markdown")
    args = parser.parse_args(words)
    if (args.source is None) == (args.from_json is None):
        parser.error("give --source for a race, or --from-json for the results of earlier ones")
    if args.source is not None and not args.source.exists():
        parser.error(f"--source {args.source} does not exist")
    for variant in args.variant:
        if variant.split()[:1] not in [[name] for name in TASKS[args.task].names if name != "ours"]:
            parser.error(f"--variant {variant!r} does not begin with a baseline of {args.task}")
    if args.minutes <= 0 or args.every <= 0 or args.rounds < 1:
        parser.error("--minutes, --every and --rounds must be positive")
    return args


def main() -> None:
    args = arguments()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    failed: list[str] = []
    if args.from_json:
        result = joined([json.loads(path.read_text("utf-8")) for path in args.from_json])
    else:
        result, failed = run_race(TASKS[args.task], args)
    if args.plot:
        draw(result["curves"], args.plot)
    if args.json:
        print(json.dumps(result))
    elif args.markdown:
        print(table(result))
    else:
        print_outcome(result)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
