"""What happens without each of the protections, and the check that must notice it.

A mutant is the program with one protection taken away. Its check passes with the protection and
fails without it; a check that passes either way would prove nothing.
"""

from __future__ import annotations

import contextlib
import errno
import inspect
import math
import os
import random
import signal
import stat
import textwrap
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pytest
import torch

import slm.checkpoint.manifest
import slm.checkpoint.run
import slm.checkpoint.store
import slm.data.prepare
import slm.data.shards
import slm.runs.guarded_step
import slm.runs.run_trainer
import slm.runs.stop
import slm.storage.files
from slm.api import Trainer
from slm.config import GPTConfig
from slm.data.loader import DataLoader
from slm.data.shards import DataDirectory
from slm.errors import (
    CheckpointError,
    DataError,
    Interrupted,
    NoSpaceError,
    RunLockedError,
    TrainingError,
)
from slm.model import GPT
from slm.storage.locks import directory_lock
from slm.storage.safe_reading import sealed_json, strict_json
from slm.training import Callback
from tests.faults import tiny_run
from tests.faults.power_cuts import SCENARIOS, cut_power, prepare_letters
from tests.unit.runs.training_runs import At

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Mutant:
    """The program without one of its protections."""

    name: str
    mutate: Callable[[Patch], object]
    check: Callable[[Path], object]
    """Works in an empty folder; fails if the protection is missing."""


def rewrite(patch: Patch, owner: Any, name: str, old: str, new: str) -> None:
    """Change one piece of a function's source, which must be there exactly once.

    The function stays the same object, so that all who have imported it are changed with it.
    """
    function = inspect.unwrap(getattr(owner, name))
    assert isinstance(function, FunctionType)
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(old) == 1, f"{name} has {old!r} {source.count(old)} times"
    made: dict[str, Any] = {}
    code = compile("from __future__ import annotations\n" + source.replace(old, new), name, "exec")
    exec(code, function.__globals__, made)
    patch.setattr(function, "__code__", made[name].__code__)


# -- checks ----------------------------------------------------------------------------------------


def power_cuts(scenario: str) -> Callable[[Path], object]:
    """That the scenario survives a power cut after any of its file operations."""
    return lambda folder: cut_power(SCENARIOS[scenario], folder, random.Random(0), draws=2)


def refuses(kind: type[Exception], action: Callable[[], object]) -> Exception:
    """Fails unless the action raises such an error."""
    try:
        action()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def change(file: Path, position: int, mask: bytes) -> None:
    """Flip bits of a file."""
    content = bytearray(file.read_bytes())
    for i, bits in enumerate(mask):
        content[position + i] ^= bits
    file.write_bytes(content)


def unseen_by_crc32() -> bytes:
    """The polynomial of CRC-32: flipping its bits anywhere leaves the CRC as it was."""
    bits = (1 << 32) | 0x04C11DB7
    mirrored = int(f"{bits:033b}"[::-1], 2)
    mask = mirrored.to_bytes(5, "little")
    text = bytes(range(64))
    flipped = bytes(a ^ b for a, b in zip(text, mask.ljust(64, b"\0"), strict=True))
    assert zlib.crc32(flipped) == zlib.crc32(text)
    return mask


def damaged_weights_are_refused(folder: Path) -> None:
    """Damage that no CRC-32 sees, but a SHA-256 does."""
    tiny_run.write_best_of(folder, 1)
    file = folder / "best" / "model.safetensors"
    change(file, file.stat().st_size - 20, unseen_by_crc32())
    refuses(CheckpointError, lambda: tiny_run.best_step(folder))


def damaged_tokens_are_refused(folder: Path) -> None:
    prepare_letters(folder, "a")
    change(folder / "data" / "train.bin", 100, b"\1")
    directory = DataDirectory.open(folder / "data")
    refuses(DataError, lambda: directory.tokens("train"))


def ids_beyond_the_vocabulary_are_refused(folder: Path) -> None:
    """With all checksums right, as a faulty program would write them."""
    prepare_letters(folder, "a")
    tokens = np.fromfile(folder / "data" / "train.bin", "<u2")
    tokens[50] = 300
    tokens.tofile(folder / "data" / "train.bin")
    meta = strict_json((folder / "data" / "meta.json").read_bytes())
    meta["splits"]["train"]["crc32"] = [zlib.crc32(tokens.tobytes())]
    del meta["checksum"]
    (folder / "data" / "meta.json").write_bytes(sealed_json(meta))
    directory = DataDirectory.open(folder / "data")
    error = refuses(DataError, lambda: directory.tokens("train"))
    assert "300" in str(error)


def a_valid_checkpoint_survives_pruning(folder: Path) -> None:
    for step in (1, 2, 3):
        tiny_run.write_step(folder, step, keep=3)
    for step in (2, 3):
        file = folder / "checkpoints" / f"step-{step:06d}" / "model.safetensors"
        change(file, file.stat().st_size - 20, b"\1")
    slm.checkpoint.run.prune(folder, keep=2)
    assert tiny_run.newest_step(folder, []) == 1


def passing_over_damage_is_said(folder: Path) -> None:
    for step in (1, 2):
        tiny_run.write_step(folder, step)
    file = folder / "checkpoints" / "step-000002" / "state.json"
    change(file, 20, b"\1")
    warnings: list[str] = []
    assert tiny_run.newest_step(folder, warnings) == 1
    assert len(warnings) == 1
    assert "step-000002" in warnings[0]


def a_full_disk_is_told_as_such(folder: Path) -> None:
    tiny_run.write_step(folder, 1)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", full)
        error = refuses(NoSpaceError, lambda: tiny_run.write_step(folder, 2))
    assert "step-000002" in str(error)
    assert tiny_run.newest_step(folder) == 1


# -- checks that train -----------------------------------------------------------------------------


def trainer_in(folder: Path, callbacks: list[Callback], **settings: Any) -> Trainer:
    """A trainer of a tiny model; its data are prepared in the folder."""
    prepare_letters(folder, "a")
    shape = {"vocab_size": 257, "block_size": 8, "n_layer": 1, "n_head": 2, "n_embd": 4}
    config = {
        "batch_size": 2,
        "gradient_accumulation_steps": 1,
        "max_steps": 3,
        "eval_tokens": 16,
        "sample_prompts": (),
        "device": "cpu",
        "dtype": "float32",
        "compile": "off",
        "threads": 1,
        "out_dir": str(folder / "run"),
        **settings,
    }
    loader = DataLoader(2, 8, data_dir=folder / "data")
    model = GPT(GPTConfig(**shape))
    return Trainer(model, loader, config, callbacks=callbacks, owns_process=True)


def a_second_run_is_refused(folder: Path) -> None:
    trainer = trainer_in(folder, [])
    with directory_lock(folder / "run"):
        refuses(RunLockedError, trainer.train)


def a_signal_saves_the_step(folder: Path) -> None:
    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    trainer = trainer_in(folder, [At(2, interrupt)], max_steps=6)
    outer = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        refuses(Interrupted, trainer.train)
    finally:
        signal.signal(signal.SIGTERM, outer)
    assert [d.name for d in (folder / "run" / "checkpoints").iterdir()] == ["step-000002"]


def nan_never_reaches_the_weights(folder: Path) -> None:
    """A loss that is NaN in the third step leaves the weights of the second one."""
    model_before: dict[str, torch.Tensor] = {}

    def spoil() -> None:
        model_before.update({k: v.clone() for k, v in trainer.model.state_dict().items()})
        forward = trainer.model.forward

        def spoilt(*args: Any, **kwargs: Any) -> Any:
            logits, loss = forward(*args, **kwargs)
            return logits, None if loss is None else loss * math.nan

        trainer.model.forward = spoilt

    trainer = trainer_in(folder, [At(2, spoil)])
    refuses(TrainingError, trainer.train)
    for name, tensor in trainer.model.state_dict().items():
        assert torch.equal(tensor, model_before[name]), name


# -- mutants ---------------------------------------------------------------------------------------


def _no_fsync_of(kind: Callable[[int], bool]) -> Callable[[Patch], None]:
    def mutate(patch: Patch) -> None:
        original = slm.storage.files._fsync

        def fsync(descriptor: int) -> None:
            if not kind(os.fstat(descriptor).st_mode):
                original(descriptor)

        patch.setattr(slm.storage.files, "_fsync", fsync)

    return mutate


@contextlib.contextmanager
def _written_in_place(path: Path) -> Iterator[Path]:
    path.mkdir(parents=True, exist_ok=True)
    for file in path.iterdir():
        file.unlink()
    yield path
    slm.storage.files._fsync_tree(path)
    slm.storage.files.fsync_directory(path.parent)


class _EqualToAll(int):
    def __ne__(self, other: object) -> bool:
        return False


def _without_crc(patch: Patch) -> None:
    class Blind:
        @staticmethod
        def crc32(content: Any) -> _EqualToAll:
            return _EqualToAll()

    patch.setattr(slm.data.shards, "zlib", Blind)


MUTANTS = [
    Mutant("files are not fsynced", _no_fsync_of(stat.S_ISREG), power_cuts("another best")),
    Mutant("directories are not fsynced", _no_fsync_of(stat.S_ISDIR), power_cuts("another best")),
    Mutant(
        "a new directory's content is not fsynced",
        lambda patch: patch.setattr(slm.storage.files, "_fsync_tree", lambda top: None),
        power_cuts("a new step, one is kept"),
    ),
    Mutant(
        "checkpoints are written in place",
        lambda patch: patch.setattr(slm.checkpoint.store, "atomic_directory", _written_in_place),
        power_cuts("the same step again"),
    ),
    Mutant(
        "nothing is set aside",
        lambda patch: patch.setattr(slm.storage.files, "_aside", slm.storage.files._partial),
        power_cuts("another best"),
    ),
    Mutant(
        "the old description of data stays while they are replaced",
        lambda patch: rewrite(
            patch, slm.data.prepare, "_write", "meta_path.unlink(missing_ok=True)", "pass"
        ),
        power_cuts("other data"),
    ),
    Mutant(
        "the old description's removal is not fsynced",
        lambda patch: patch.setattr(slm.data.prepare, "fsync_directory", lambda path: None),
        power_cuts("other data"),
    ),
    Mutant(
        "SHA-256 is not compared",
        lambda patch: patch.setattr(
            slm.checkpoint.manifest.HashingReader, "verify", lambda self: None
        ),
        damaged_weights_are_refused,
    ),
    Mutant("CRC-32 is not compared", _without_crc, damaged_tokens_are_refused),
    Mutant(
        "ids are not compared with the vocabulary",
        lambda patch: rewrite(
            patch,
            slm.data.shards.DataDirectory,
            "_map_and_verify",
            "if int(chunk.max()) >= vocab_size:",
            "if False:",
        ),
        ids_beyond_the_vocabulary_are_refused,
    ),
    Mutant(
        "checkpoints are pruned unverified",
        lambda patch: patch.setattr(slm.checkpoint.run, "_is_valid", lambda directory: True),
        a_valid_checkpoint_survives_pruning,
    ),
    Mutant(
        "damage is passed over without a warning",
        lambda patch: rewrite(
            patch, slm.checkpoint.run, "newest_checkpoint", "if log is not None:", "if False:"
        ),
        passing_over_damage_is_said,
    ),
    Mutant(
        "a full disk is an error like any other",
        lambda patch: patch.setattr(slm.storage.files, "NO_SPACE", frozenset()),
        a_full_disk_is_told_as_such,
    ),
    Mutant(
        "a run takes no lock",
        lambda patch: patch.setattr(
            slm.runs.run_trainer, "directory_lock", lambda directory: contextlib.nullcontext()
        ),
        a_second_run_is_refused,
    ),
    Mutant(
        "signals are ignored",
        lambda patch: patch.setattr(
            slm.runs.stop.StopSignals, "_handle", lambda self, number, frame: None
        ),
        a_signal_saves_the_step,
    ),
    Mutant(
        "weights are updated whatever the loss is",
        lambda patch: rewrite(
            patch,
            slm.runs.guarded_step.GuardedStep,
            "step",
            "if not (math.isfinite(metrics.loss) and math.isfinite(metrics.grad_norm)):",
            "if False:",
        ),
        nan_never_reaches_the_weights,
    ),
]
IN_CI = [
    "files are not fsynced",
    "nothing is set aside",
    "SHA-256 is not compared",
    "weights are updated whatever the loss is",
]
