"""Death, a full disk, or a refusal at every single file operation of a save loses nothing."""

from __future__ import annotations

import errno
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest

from slm.checkpoint import clean_run, load_checkpoint, newest_checkpoint, resolve_checkpoint
from slm.errors import NoSpaceError, WriteError

if TYPE_CHECKING:
    from conftest import Run

pytestmark = pytest.mark.slow

OPERATIONS = ("open", "mkdir", "rename", "replace", "unlink", "rmdir", "fsync")
NEEDS_SPACE = ("mkdir", "rename", "replace", "fsync")
"""What a full disk may refuse; removing always works."""


class Death(BaseException):
    """The process is gone: nothing that it does from here on has an effect."""


class Disk:
    """Counts the operations that change something on the disk, and fails from one of them on."""

    def __init__(self, fail_at: int, failure: Callable[[], BaseException], *, once: bool) -> None:
        self.count = 0
        self.fail_at = fail_at
        self.failure = failure
        self.once = once

    def operate(self) -> None:
        self.count += 1
        if self.count == self.fail_at or (self.count > self.fail_at and not self.once):
            raise self.failure()

    def wrap(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.operate()
            return original(*args, **kwargs)

        return call

    def install(self, patch: pytest.MonkeyPatch, operations: Iterable[str] = OPERATIONS) -> None:
        for name in operations:
            patch.setattr(os, name, self.wrap(getattr(os, name)))
        original = io.open

        def opened(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            if "r" in mode:
                return original(file, mode, *args, **kwargs)
            self.operate()
            return Written(original(file, mode, *args, **kwargs), self)

        patch.setattr(io, "open", opened)


class Written:
    """A stream whose every write is an operation."""

    def __init__(self, stream: BinaryIO, disk: Disk) -> None:
        self._stream = stream
        self._disk = disk

    def __enter__(self) -> Written:
        return self

    def __exit__(self, *details: object) -> None:
        self._stream.close()

    def write(self, content: Any) -> int:
        self._disk.operate()
        return self._stream.write(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@pytest.fixture
def make_run(tmp_path: Path, tiny_run: Run) -> Callable[[int], Path]:
    """Makes runs with the checkpoints of steps 1 and 2 and the best of step 2."""
    original = tmp_path / "original"
    for step in (1, 2):
        tiny_run.write_step(original, step)
    tiny_run.write_best(original, 2)
    return lambda number: shutil.copytree(original, tmp_path / f"run-{number}")


def save(tiny_run: Run, run: Path, step: int) -> None:
    tiny_run.write_step(run, step)
    tiny_run.write_best(run, step)


def standing(run: Path) -> tuple[int, int]:
    """The steps of the newest checkpoint and of the best model, as any reader finds them."""
    warnings: list[str] = []
    newest = newest_checkpoint(run, log=warnings.append)
    assert newest is not None
    assert warnings == []
    best = load_checkpoint(resolve_checkpoint(run))
    assert best.model_state["final_norm.weight"][0] == best.state.step
    return newest.state.step, best.state.step


def leftovers(run: Path) -> list[Path]:
    return sorted(run.rglob(".partial-*"))


@pytest.mark.parametrize("step", [3, 2], ids=["new step", "same step again"])
def test_death_at_every_operation_of_a_save(
    make_run: Callable[[int], Path], tiny_run: Run, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    found = set()
    for operation in range(1, 1000):
        run = make_run(operation)
        with monkeypatch.context() as patch:
            Disk(operation, Death, once=False).install(patch)
            try:
                save(tiny_run, run, step)
                died = False
            except Death:
                died = True
        before = standing(run)
        found.add(before)
        clean_run(run)
        assert standing(run) == before
        assert leftovers(run) == []
        if operation % 10 == 0:
            save(tiny_run, run, 4)
            assert standing(run) == (4, 4)
        if not died:
            break
    assert not died, "the loop has to reach the end of a save"
    assert operation > 40
    assert found == ({(2, 2), (3, 2), (3, 3)} if step == 3 else {(2, 2)})


@pytest.mark.parametrize(
    ("number", "error"),
    [(errno.ENOSPC, NoSpaceError), (errno.EROFS, WriteError)],
)
def test_a_refusal_at_every_operation_of_a_save(
    make_run: Callable[[int], Path],
    tiny_run: Run,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    error: type[WriteError],
) -> None:
    outcomes = set()
    for operation in range(1, 1000):
        run = make_run(operation)
        disk = Disk(operation, lambda: OSError(number, os.strerror(number)), once=False)
        outcome = "saved"
        with monkeypatch.context() as patch:
            disk.install(patch, NEEDS_SPACE)
            try:
                save(tiny_run, run, 3)
            except error as caught:
                outcome = "refused"
                refusal = caught
        outcomes.add((outcome, *standing(run)))
        if outcome == "refused":
            assert str(run) in refusal.message
            assert refusal.exit_code == (4 if error is NoSpaceError else 1)
        if disk.count < operation:
            break
        clean_run(run)
        assert leftovers(run) == []
    assert disk.count < operation, "the loop has to reach the end of a save"
    assert {("refused", 2, 2), ("refused", 3, 2), ("saved", 3, 3)} <= outcomes


def test_a_full_disk_leaves_the_old_and_no_temporary_files(
    make_run: Callable[[int], Path], tiny_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(0)
    before = sorted(run.rglob("*"))
    with monkeypatch.context() as patch:
        disk = Disk(20, lambda: OSError(errno.ENOSPC, "No space left on device"), once=False)
        disk.install(patch, ())
        with pytest.raises(NoSpaceError, match="step-000003") as caught:
            tiny_run.write_step(run, 3)
    assert "bytes" in caught.value.message
    assert sorted(run.rglob("*")) == before
    assert standing(run) == (2, 2)


def test_a_file_in_the_place_of_the_run(tmp_path: Path, tiny_run: Run) -> None:
    (tmp_path / "run").write_text("mine", "utf-8")
    with pytest.raises(WriteError, match="run"):
        tiny_run.write_step(tmp_path / "run", 1)
    with pytest.raises(WriteError, match="run"):
        tiny_run.write_best(tmp_path / "run", 1)
    assert (tmp_path / "run").read_text("utf-8") == "mine"


# -- the same with real processes ----------------------------------------------------------------

SAVER = """
import os, resource, signal, sys
from dataclasses import replace
from pathlib import Path

import torch

from slm.checkpoint import load_checkpoint, write_best, write_run_checkpoint
from slm.errors import SlmError

torch.set_num_threads(1)
run = Path(sys.argv[1])
old = load_checkpoint(run / "checkpoints" / "step-000002")
content = {
    "model_state": old.model_state | {"final_norm.weight": torch.full((4,), 3.0)},
    "config": old.config,
    "tokenizer": old.tokenizer,
    "state": replace(old.state, step=3),
}
optimizer_state = old.optimizer_state


def save(run):
    write_run_checkpoint(run, **content, optimizer_state=optimizer_state)
    write_best(run, **content)
"""

KILLED = (
    SAVER
    + """
import shutil

def kill_at(operation):
    count = 0
    def deadly(original):
        def call(*args, **kwargs):
            nonlocal count
            count += 1
            if count == operation:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **kwargs)
        return call
    for name in ("open", "mkdir", "rename", "replace", "unlink", "rmdir", "fsync"):
        setattr(os, name, deadly(getattr(os, name)))


os.fsync = lambda descriptor: None  # slow, and of no use to a process that dies
for operation in range(1, 1000):
    copy = run.with_name(f"killed-{operation}")
    shutil.copytree(run, copy)
    child = os.fork()
    if child == 0:
        kill_at(operation)
        save(copy)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status == 0:
        break
    assert os.WTERMSIG(status) == signal.SIGKILL
"""
)

LIMITED = (
    SAVER
    + """
_, hard_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
for limit in (0, 1000, 3000):
    before = sorted(run.rglob("*"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard_limit))
    try:
        save(run)
    except SlmError as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard_limit, hard_limit))
        assert error.exit_code == 4, error
        assert "step-000003" in error.message, error
        assert sorted(run.rglob("*")) == before
    else:
        sys.exit(f"{limit} bytes were enough")
"""
)

posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and limits")


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@posix_only
def test_sigkill_at_every_operation_of_a_save(make_run: Callable[[int], Path]) -> None:
    run = make_run(0)
    done = python(KILLED, str(run))
    assert done.returncode == 0, done.stderr
    victims = list(run.parent.glob("killed-*"))
    assert len(victims) > 40
    found = {standing(victim) for victim in victims}
    assert found == {(2, 2), (3, 2), (3, 3)}
    for victim in victims:
        clean_run(victim)
        assert standing(victim) in found
        assert leftovers(victim) == []


@posix_only
def test_a_real_file_size_limit(make_run: Callable[[int], Path]) -> None:
    run = make_run(0)
    done = python(LIMITED, str(run))
    assert done.returncode == 0, done.stderr
    assert standing(run) == (2, 2)
