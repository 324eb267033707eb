"""A process that has imported PyTorch once, and a forked child of it for every case.

Importing takes seconds, a fork some milliseconds. The parent never makes a backward pass, after
which PyTorch must not be forked. A child runs one of the functions of `tests.faults.jobs`, marks
what it is doing on a pipe, and may be killed on the way:

    {"mark": "save", "nth": 3, "seconds": 0.002}    2 ms after the third mark of that name
    {"operation": 17}                               at its 17th file operation

Another signal than SIGKILL may be sent, which a child can take; then it comes anew at every further
mark of that name.

Usage: python -m tests.faults.forked; requests and replies are lines of JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.faults.operations import hooked_operations

ROOT = Path(__file__).parents[2]
SIGKILL = getattr(signal, "SIGKILL", 9)  # Windows has none
CRASHED = 70
RESULT = "result "

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

Mark = Callable[[str], None]
"""Told what a child is about to do, or has just done."""


@dataclass(frozen=True)
class Outcome:
    """How a child ended."""

    status: int
    """Exit code, or minus the signal."""
    marks: list[tuple[str, float]]
    """What it marked, and when, in seconds from its start."""
    result: Any
    """What the job returned; None where it did not come to that."""
    errors: str
    """All that it wrote to stdout and stderr."""

    @property
    def was_killed(self) -> bool:
        return self.status == -SIGKILL

    def died_within(self, begin: str, end: str) -> bool:
        """Whether the last of two marks is the one that begins something."""
        last = [word for word, _ in self.marks if word in (begin, end)][-1:]
        return self.was_killed and last == [begin]


class Nursery:
    """The other end of the process that is forked; make one with `nursery`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._n_waiting = 0

    def run(self, job: str, *, kill: Mapping[str, Any] | None = None, **arguments: Any) -> Outcome:
        """Run a job of `tests.faults.jobs` in a child, and wait for its end."""
        self.start(job, kill=kill, **arguments)
        return self.wait()

    def start(self, job: str, *, kill: Mapping[str, Any] | None = None, **arguments: Any) -> None:
        """Ask for a job without waiting for it; jobs are done one after the other."""
        assert self._process.stdin is not None
        request = {"job": job, "kill": kill, "arguments": arguments}
        self._process.stdin.write(json.dumps(request, default=str) + "\n")
        self._process.stdin.flush()
        self._n_waiting += 1

    def wait(self) -> Outcome:
        """How the first job ended that was started and not waited for."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process that is forked has died"
        self._n_waiting -= 1
        reply = json.loads(line)
        reply["marks"] = [tuple(mark) for mark in reply["marks"]]
        return Outcome(**reply)

    def forget(self) -> None:
        """Wait for the jobs that a test that failed has left, so that the next sees its own."""
        while self._n_waiting:
            self.wait()

    def succeed(self, job: str, **arguments: Any) -> Any:
        """Run a job that must not fail; returns its result."""
        outcome = self.run(job, **arguments)
        assert outcome.status == 0, outcome.errors
        return outcome.result


@contextlib.contextmanager
def nursery(environment: Mapping[str, str] | None = None) -> Iterator[Nursery]:
    """A process that has imported PyTorch, with these variables besides the usual ones."""
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.faults.forked"],
        cwd=ROOT,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Nursery(process)
        assert process.stdin is not None
        process.stdin.close()  # which ends it


# -- in the process that is forked -----------------------------------------------------------------


def kill_at(operation: int) -> contextlib.AbstractContextManager[None]:
    """Die at the n-th file operation of the block; of a write, half is done."""
    count = 0

    def before(half: Callable[[], object] | None = None) -> None:
        nonlocal count
        count += 1
        if count == operation:
            if half is not None:
                half()
            os.kill(os.getpid(), SIGKILL)

    return hooked_operations(before)


def _be_the_child(request: dict[str, Any], pipe: int, output: int) -> NoReturn:
    from slm.errors import SlmError
    from tests.faults import jobs

    write = os.write  # before anything is hooked
    started_at = time.perf_counter()

    def mark(word: str) -> None:
        write(pipe, f"{word} {time.perf_counter() - started_at:.6f}\n".encode())

    status = CRASHED
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which `nohup` has ignored
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        plan = request["kill"] or {}
        deadly = kill_at(plan["operation"]) if "operation" in plan else contextlib.nullcontext()
        mark("start")
        with deadly:
            result = getattr(jobs, request["job"])(mark, **request["arguments"])
        write(pipe, f"{RESULT}{json.dumps(result)}\n".encode())
        status = 0
    except SlmError as error:
        write(2, f"error: {error}\n".encode())
        status = error.exit_code
    except BaseException:
        write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)


def _watch(child: int, pipe: int, plan: dict[str, Any]) -> tuple[int, list[str]]:
    """Read a child's marks until it ends, and kill it when the plan says so."""
    waiting, lines = b"", []
    to_see = int(plan.get("nth", 1))
    deadline: float | None = None
    while True:
        remaining = None if deadline is None else max(0.0, deadline - time.perf_counter())
        if not select.select([pipe], [], [], remaining)[0]:
            os.kill(child, plan.get("signal", SIGKILL))
            deadline = None
            continue
        content = os.read(pipe, 1 << 16)
        if not content:
            break
        *whole, waiting = (waiting + content).split(b"\n")
        for line in whole:
            lines.append(line.decode())
            if "mark" in plan and lines[-1].startswith(plan["mark"] + " "):
                to_see -= 1
                if not to_see or (to_see < 0 and "signal" in plan):
                    deadline = time.perf_counter() + plan["seconds"]
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), lines


def _serve(request: dict[str, Any]) -> dict[str, Any]:
    read_end, write_end = os.pipe()
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            os.close(read_end)
            _be_the_child(request, write_end, output.fileno())
        os.close(write_end)
        status, lines = _watch(child, read_end, request["kill"] or {})
        os.close(read_end)
        output.seek(0)
        errors = output.read().decode("utf-8", errors="replace")
    results = [line.removeprefix(RESULT) for line in lines if line.startswith(RESULT)]
    marks = [line.split(" ") for line in lines if not line.startswith(RESULT)]
    return {
        "status": status,
        "marks": [(word, float(seconds)) for word, seconds in marks],
        "result": json.loads(results[0]) if results else None,
        "errors": errors,
    }


def main() -> None:
    import torch

    from tests.faults import jobs  # noqa: F401 - so that the children need not

    torch.set_num_threads(1)
    # A process that is killed loses nothing that it gave to the system, and the disk is slow.
    os.fsync = lambda descriptor: None
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a stray print is no reply
    for line in sys.stdin:
        replies.write(json.dumps(_serve(json.loads(line))) + "\n")
        replies.flush()
    os._exit(0)  # taking PyTorch down in good order takes a second


if __name__ == "__main__":
    main()
