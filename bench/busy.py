"""Training speed while another program uses the same CPUs, as a share of the speed without it.

    python bench/busy.py [--preset tiny] [--ways as-run,unchanged] [--pairs 6] [--seconds 5]

The other program is a Python loop, which runs during the busy half of each pair; with --own-session
it is in a separate session, which Linux may schedule separately. A pair is a quiet and a busy
period, one right after the other; their order alternates, and so do the modes. Each mode trains in
a separate process, which is idle while it is not measured:

    as-run      like `slm train --minutes`: fewer or sleeping threads, whichever is faster
    sleeping    like `slm train --steps`: the same threads, which sleep while they wait
    unchanged   no adaptation
    one-thread  a single thread throughout

It prints the ratio of each pair with median and spread, and each mode's quiet speed relative to
`unchanged`. No other program should run on the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

WAYS = ("as-run", "sleeping", "unchanged", "one-thread")
SETTLING_SECONDS = 8.0
"""Seconds of training before each measured period, in which a mode adapts."""
STEPS_TO_WARM_UP = 3


class Worker:
    """A process that trains in one of the modes on request.

    Args:
        way: one of `WAYS`.
        preset: preset of the steps.
        assignments: settings over it, see `slm train --set`.
    """

    def __init__(self, way: str, preset: str, assignments: Sequence[str]) -> None:
        command = [sys.executable, __file__, "--worker", way, "--preset", preset]
        self._process = subprocess.Popen(
            [*command, *(["--set", *assignments] if assignments else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def rate(self, seconds: float) -> float:
        """Tokens per second over a period."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
        return self._answer()

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> float:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the worker ended with {self._process.wait()}")
        return float(line)


def work(way: str, preset: str, assignments: Sequence[str]) -> None:
    """The worker: train for one period per line of stdin, and print the speed to stdout."""
    if way == "one-thread":
        os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    from slm.config.origins import SET
    from slm.hardware.devices import keep_freed_memory, resolve_dtype, set_threads
    from slm.model import GPT, model_costs
    from slm.parallel.processes import Process
    from slm.presets import resolve
    from slm.runs.contention import ContentionWatch
    from slm.runs.guarded_step import GuardedStep
    from slm.training.events import RunStart, StepRecord

    settings = resolve(preset, assignments=list(assignments))
    if way == "as-run":
        settings = settings.with_values({"train.max_minutes": 1.0}, SET)
    threads = set_threads(settings.train.threads)
    keep_freed_memory()
    dtype = resolve_dtype(settings.train.dtype, "cpu")
    stepper = GuardedStep(
        GPT(settings.model), settings.train, device="cpu", dtype=dtype, process=Process()
    )
    size = (settings.train.batch_size, settings.model.block_size + 1)
    ids = torch.randint(settings.model.vocab_size, size)
    batch = [(ids[:, :-1], ids[:, 1:])]
    n_tokens = ids[:, 1:].numel()
    if settings.train.document_masking:  # among random ids, any id serves as the separator
        stepper.eot_id = settings.model.vocab_size - 1
    record = StepRecord(0, 0.0, 0.0, 0.0, 0.0, 0, 0.0, 0.0, 0.0)  # only the speed is used
    watch = ContentionWatch(lambda sentence: print(sentence, file=sys.stderr))
    start = RunStart(
        settings=settings,
        costs=model_costs(settings.model),
        out_dir=Path(),
        device="cpu",
        dtype=dtype,
        compiled=False,
        threads=threads,
        world_size=1,
        tokens_per_step=n_tokens,
        first_step=0,
        elapsed_seconds=0.0,
    )

    def train(seconds: float) -> float:
        began_at, steps = time.perf_counter(), 0
        while (passed := time.perf_counter() - began_at) < seconds or not steps:
            step_began_at = time.perf_counter()
            stepper.step(batch, 1, 1e-3)
            if way in ("as-run", "sleeping"):
                step_rate = n_tokens / (time.perf_counter() - step_began_at)
                watch.on_step(replace(record, tokens_per_second=step_rate))
            steps += 1
        return steps * n_tokens / passed

    for _ in range(STEPS_TO_WARM_UP):
        stepper.step(batch, 1, 1e-3)
    watch.on_start(start)
    print(0.0, flush=True)
    for line in sys.stdin:
        train(SETTLING_SECONDS)
        print(train(float(line)), flush=True)


@contextlib.contextmanager
def competitors(count: int, *, own_session: bool) -> Iterator[None]:
    """Run processes that each keep a CPU busy during the block."""
    command = [sys.executable, "-c", "while True: pass"]
    started = [subprocess.Popen(command, start_new_session=own_session) for _ in range(count)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Quiet and busy speeds of each mode, pair by pair."""
    workers = {way: Worker(way, args.preset, args.set) for way in args.ways}
    rates: dict[str, dict[str, list[float]]] = {way: {"quiet": [], "busy": []} for way in workers}
    for pair in range(args.pairs):
        first = pair % len(args.ways)
        for way in [*args.ways[first:], *args.ways[:first]]:
            for state in ("quiet", "busy")[:: 1 if pair % 2 else -1]:
                count = args.competitors if state == "busy" else 0
                with competitors(count, own_session=args.own_session):
                    rates[way][state].append(workers[way].rate(args.seconds))
    for worker in workers.values():
        worker.end()
    return {way: summarize(found, rates.get("unchanged")) for way, found in rates.items()}


def summarize(
    found: dict[str, list[float]], unchanged: dict[str, list[float]] | None
) -> dict[str, Any]:
    """Medians and spreads of a mode's pairs, and its quiet speed relative to `unchanged`."""
    ratios = [busy / quiet for quiet, busy in zip(found["quiet"], found["busy"], strict=True)]
    result: dict[str, Any] = {**found, "ratios": ratios}
    result |= {name: statistics.median(found[name]) for name in ("quiet", "busy")}
    result["busy_share"] = statistics.median(ratios)
    result["lowest"], result["highest"] = min(ratios), max(ratios)
    if unchanged is not None:
        pairs = list(zip(found["quiet"], unchanged["quiet"], strict=True))
        result["quiet_share"] = statistics.median(ours / theirs for ours, theirs in pairs)
        result["busy_share_of_unchanged_quiet"] = statistics.median(
            busy / quiet for busy, quiet in zip(found["busy"], unchanged["quiet"], strict=True)
        )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--ways", default="as-run,unchanged", help=f"of {', '.join(WAYS)}")
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a measured period")
    parser.add_argument("--competitors", type=int, default=1, help="busy processes")
    parser.add_argument("--own-session", action="store_true", help="for the busy processes")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker is not None:
        work(args.worker, args.preset, args.set)
        return
    args.ways = args.ways.split(",")
    if unknown := set(args.ways) - set(WAYS):
        parser.error(f"unknown ways: {', '.join(sorted(unknown))}; known: {', '.join(WAYS)}")
    result = measure(args)
    if args.json:
        print(json.dumps({"preset": args.preset, "competitors": args.competitors, **result}))
        return
    for way, figures in result.items():
        print(
            f"{way:10} quiet {figures['quiet']:9,.0f}, busy {figures['busy']:9,.0f} tokens/s: "
            f"{figures['busy_share']:.0%} ({figures['lowest']:.0%} to {figures['highest']:.0%})",
            end="",
        )
        if "quiet_share" in figures:
            print(
                f"; of the unchanged quiet rate: quiet {figures['quiet_share']:.1%}, "
                f"busy {figures['busy_share_of_unchanged_quiet']:.0%}",
                end="",
            )
        print()


if __name__ == "__main__":
    main()
