"""Fuzzing: whatever a file or a command line holds, only errors of `slm` come out.

    python -m tests.faults.fuzz [--seconds 60] [--jobs 2] [--target NAME] [--seed N]

Readers are fed with nearly right bytes. An input whose refusal is of a new kind is kept and
changed further. Whatever else comes out, a panic of a Rust library among it, is a finding; its
input is saved in `tests/faults/corpus`, and `test_fuzz.py` reads it again for ever.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import math
import multiprocessing
import os
import random
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from slm.errors import SlmError
from tests.faults.mutations import mutated
from tests.faults.readers import TARGETS, Target

CORPUS = Path(__file__).parent / "corpus"
LONGEST_SECONDS = 20.0
"""Of processor time. An input that takes longer is a finding, too; most take milliseconds."""


@dataclass
class Report:
    """What came of fuzzing one target."""

    target: str
    cases: int = 0
    refused: int = 0
    """Cases that ended in an error of ours; the others were read."""
    findings: dict[str, bytes] = field(default_factory=dict)
    """What happened, and the first input that made it happen."""

    def __str__(self) -> str:
        return (
            f"{self.target}: {self.cases:,} cases, {self.refused:,} refused, "
            f"{len(self.findings)} findings"
        )


def attempt(read: Callable[[bytes], None], content: bytes) -> tuple[str | None, str | None]:
    """Read an input; returns the kind of refusal, or else what went wrong, or neither."""
    started_at = time.process_time()
    try:
        read(content)
    except SlmError as error:
        refusal, problem = _kind_of(error), _problem_of_message(error)
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # the panics of Rust libraries are no `Exception`
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if f"{os.sep}slm{os.sep}" in frame.filename]
        place = f"{Path(ours[-1].filename).name}:{ours[-1].name}" if ours else "outside"
        refusal, problem = None, f"{type(error).__name__} in {place}"
    else:
        refusal = problem = None
    if problem is None and time.process_time() - started_at > LONGEST_SECONDS:
        problem = f"took more than {LONGEST_SECONDS:g} s"
    return refusal, problem


def _kind_of(error: SlmError) -> str:
    """An error's message without what is particular in it."""
    return f"{type(error).__name__} {re.sub(r'[^a-z ]+|/[^ ]*', '', error.message)[:120]}"


def _problem_of_message(error: SlmError) -> str | None:
    longest = 2000
    return f"a message of over {longest} characters" if len(str(error)) > longest else None


def fuzz(
    target: Target,
    place: Path,
    *,
    seconds: float,
    seed: int = 0,
    least: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> Report:
    """Feed a target for some seconds; equal seeds give equal inputs in equal order.

    Args:
        least: inputs that it is fed with in any case, however slow the machine is.
        clock: seconds.
    """
    chance = random.Random(f"{target.name} {seed}")
    report = Report(target.name)
    place.mkdir(parents=True, exist_ok=True)
    with target.reader(place) as (seeds, read):
        pool: list[bytes] = []
        kinds: set[str] = set()
        bodies = [good.partition(b"\n")[2] for good in seeds]
        started_at = math.inf  # with the first damaged input: the good ones import what they need
        while clock() - started_at < seconds or report.cases < least:
            as_it_is = report.cases < len(seeds)
            if as_it_is:
                content = seeds[report.cases]
            else:
                started_at = min(started_at, clock())
                # What was refused once is mostly refused again, so most begin with a good one.
                source = chance.choice(pool if pool and chance.random() < 0.3 else seeds)
                head, _, body = source.partition(b"\n")
                content = head + b"\n" + mutated(chance, body, bodies)
            refusal, problem = attempt(read, content)
            report.cases += 1
            if problem is not None:
                report.findings.setdefault(problem, content)
            elif refusal is not None:
                report.refused += 1
                if as_it_is:
                    report.findings.setdefault(f"a seed is refused: {refusal}", content)
                elif refusal not in kinds:
                    kinds.add(refusal)
                    pool.append(content)
    return report


def save(report: Report, corpus: Path = CORPUS) -> list[Path]:
    """Keep the inputs of findings as files."""
    corpus.mkdir(parents=True, exist_ok=True)
    saved = []
    for content in report.findings.values():
        digest = hashlib.sha256(content).hexdigest()[:10]
        path = corpus / f"{report.target}-{digest}"
        path.write_bytes(content)
        saved.append(path)
    return saved


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is in memory where the system has such a place, as disks are slow."""
    memory = Path("/dev/shm")
    where = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="slm-fuzz-", dir=where) as folder:
        yield Path(folder)


@contextlib.contextmanager
def quiet_panics() -> Iterator[None]:
    """Keep off the screen what Rust libraries print while they panic."""
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def fuzz_one(name: str, *, seconds: float, seed: int) -> Report:
    """Fuzz the target of a name in a folder that is removed afterwards."""
    (target,) = (target for target in TARGETS if target.name == name)
    with scratch() as folder, quiet_panics():
        return fuzz(target, folder / name, seconds=seconds, seed=seed)


def main() -> int:
    """Fuzz one target or all, print the number of cases; 1 where something was found."""
    parser = argparse.ArgumentParser(description="Feed the readers of slm with damaged input.")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target")
    parser.add_argument("--target", choices=[target.name for target in TARGETS])
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time, a process each")
    parser.add_argument("--seed", type=int, default=None, help="default: another one every time")
    chosen = parser.parse_args()
    seed = random.randrange(2**31) if chosen.seed is None else chosen.seed
    print(f"seed {seed}")
    cases = findings = 0
    names = [target.name for target in TARGETS if chosen.target in (None, target.name)]
    context = multiprocessing.get_context("spawn")  # what is read may use threads
    with ProcessPoolExecutor(chosen.jobs, mp_context=context) as processes:
        for report in processes.map(partial(fuzz_one, seconds=chosen.seconds, seed=seed), names):
            cases, findings = cases + report.cases, findings + len(report.findings)
            print(report, flush=True)
            for problem, path in zip(report.findings, save(report), strict=True):
                print(f"  {problem}: {path}")
    print(f"{cases:,} cases in all, {findings} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
