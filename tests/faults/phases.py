"""Commands of `slm` that pause in one of their phases, so that a signal finds them there.

The pause is put into the program from here, in the forked child; it marks `reached` and goes on as
soon as a signal has come.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.machinery
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib.figure  # noqa: F401 - so that the children need not
import torch._dynamo  # noqa: F401

from slm.cli import main
from slm.data import prepare as prepare_module
from slm.data.loader import DataLoader
from slm.generation.torch_engine import TorchEngine
from slm.native.engine import NativeEngine
from slm.runs import checkpointer as saving
from slm.runs import run_trainer as trainer_module
from slm.terminal import signals
from slm.terminal.signals import EndOnSignal
from slm.tokenizer import bpe
from tests.faults.forked import Mark

PAUSE_SECONDS = 300.0
"""Longer than anything that is waited for on a busy machine; a signal ends it."""

Pause = Callable[..., None]
"""Takes, if anything, what to do meanwhile."""


def before(owner: Any, name: str, pause: Pause, *, nth: int = 1) -> None:
    """Pause before the n-th call of a function."""
    original, calls = getattr(owner, name), 0

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth:
            pause()
        return original(*args, **kwargs)

    setattr(owner, name, call)


def before_item(owner: Any, name: str, pause: Pause) -> None:
    """Pause before the second item of a function's iterator."""
    original = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> Iterator[Any]:
        for number, item in enumerate(original(*args, **kwargs)):
            if number == 1:
                pause()
            yield item

    setattr(owner, name, call)


def in_import(pause: Pause) -> None:
    """Pause while `slm.runs.launch` is imported, which takes longer than preparing such data."""

    def take_time() -> None:
        for _ in range(1000):
            time.sleep(0.01)

    before(prepare_module._SplitWriter, "add", take_time)

    class Finder:
        @staticmethod
        def find_spec(
            name: str, path: Any, target: ModuleType | None = None
        ) -> importlib.machinery.ModuleSpec | None:
            if name == "slm.runs.launch":
                pause()
            return None

    sys.modules.pop("slm.runs.launch", None)
    sys.meta_path.insert(0, Finder)  # type: ignore[arg-type]


def in_foreign_code(pause: Pause) -> None:
    """Work without a look at signals, as the code in Rust does that learns a vocabulary."""

    def work() -> None:
        hashlib.pbkdf2_hmac("sha256", b"", b"", 40_000_000)  # half a minute

    before_item(bpe, "_repeated", lambda: pause(work))


def in_compiling(pause: Pause) -> None:
    """Take a pause in the first forward pass for the compiling of the blocks."""

    def compile_blocks(model: Any) -> None:
        before(model.blocks[0], "forward", pause)

    trainer_module.run_should_compile = lambda *args: True  # type: ignore[assignment]
    trainer_module.compile_blocks = compile_blocks


PHASES: dict[str, Callable[[Pause], object]] = {
    "import": in_import,
    "prepare": lambda pause: before(prepare_module._SplitWriter, "add", pause),
    "bpe": in_foreign_code,
    "compile": in_compiling,
    "step": lambda pause: before(DataLoader, "batch_at", pause, nth=6),
    "evaluation": lambda pause: before_item(DataLoader, "validation_batches", pause),
    "samples": lambda pause: before(TorchEngine, "decode", pause, nth=3),
    "generating": lambda pause: [  # whichever is at work on this machine
        before(engine, "decode", pause, nth=3) for engine in (TorchEngine, NativeEngine)
    ],
    "save": lambda pause: before(saving, "flatten_optimizer_state", pause),
    "none": lambda pause: None,
}


def command_with_a_pause(
    mark: Mark,
    arguments: Sequence[str],
    *,
    folder: str,
    phase: str,
    deaf: bool = False,
    unread: bool = False,
) -> dict[str, Any]:
    """Run a command of `slm` that pauses in a phase.

    It marks `listening` once its handlers are there; what comes after its end is ignored.

    Args:
        deaf: the pause never ends by itself, whatever a signal raises in it, and marks `reached`
            once more after the first signal.
        unread: nobody reads what it writes to stderr.

    Returns:
        Its exit code, and the seconds of processor time that it used after `reached`.
    """
    signals.LONGEST_IMPORT_SECONDS = PAUSE_SECONDS
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told)
    reached_at = 0.0

    def hear() -> None:
        select.select([heard], [], [], PAUSE_SECONDS)

    def pause(wait: Callable[[], None] = hear) -> None:
        nonlocal reached_at
        reached_at = time.process_time()
        with contextlib.suppress(BaseException) if deaf else contextlib.nullcontext():
            mark("reached")
            wait()
        if deaf:
            os.read(heard, 100)
            mark("reached")
            hear()

    PHASES[phase](pause)
    if unread:
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, 2)
        sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", closefd=False)
    enter = EndOnSignal.__enter__

    def enter_and_say(watch: EndOnSignal) -> EndOnSignal:
        enter(watch)
        mark("listening")
        return watch

    EndOnSignal.__enter__ = enter_and_say  # type: ignore[method-assign]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.chdir(folder)
    code = main(list(arguments))
    return {"code": code, "seconds": time.process_time() - reached_at}


def leftovers(folder: Path) -> list[str]:
    """What an unfinished writer has left anywhere in a folder."""
    return [str(path) for path in folder.rglob(".partial-*")]
