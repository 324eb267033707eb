from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from slm.config.origins import FROM_HARDWARE, FROM_PROCESSES, FROM_TOKENIZER, PREPARED
from slm.data.prepare import prepare
from slm.data.shards import DataDirectory
from slm.hardware.devices import DTYPES
from slm.parallel.processes import Process
from slm.presets import resolve
from slm.runs import final
from slm.runs.final import agreed_dtype, finalize, share_micro_batches
from tests.conftest import tell_stories

TWO = Process(rank=0, world_size=2)


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    (tmp_path / "stories.txt").write_text(tell_stories(60, seed=0), encoding="utf-8")
    return prepare(str(tmp_path / "stories.txt"), "bytes", tmp_path / "data")


def test_nothing_is_left_open(directory: DataDirectory) -> None:
    flags: dict[str, Any] = {"data.data_dir": (str(directory.path), PREPARED)}
    chosen = resolve("tiny", flags=flags, assignments=["device=cpu", "compile=auto"])
    run = finalize(chosen, directory, "cpu", Process())
    assert run.train.dtype in DTYPES
    assert run.train.compile == "off"
    assert run.model.vocab_size == directory.tokenizer.vocab_size
    assert (run.data.source, run.data.tokenizer) == (directory.meta.source_name, "bytes")
    assert run.origin_of("train.dtype") == run.origin_of("train.compile") == FROM_HARDWARE
    assert run.origin_of("model.vocab_size") == FROM_TOKENIZER
    assert finalize(run, directory, "cpu", Process()) == run


def test_without_data_only_the_machine_decides() -> None:
    chosen = resolve("tiny", assignments=["dtype=float32"])
    assert finalize(chosen, None, "cpu", Process()) == chosen


def test_a_resumed_run_keeps_its_micro_batches(directory: DataDirectory) -> None:
    chosen = resolve("tiny", assignments=["dtype=float32", "compile=off"])
    shared = finalize(chosen, None, "cpu", TWO)
    assert shared.train.gradient_accumulation_steps == 2
    assert shared.origin_of("train.gradient_accumulation_steps") == FROM_PROCESSES
    kept = finalize(chosen, None, "cpu", TWO, keep_micro_batches=True)
    assert kept.train.gradient_accumulation_steps == 1


def test_micro_batches_are_rounded_up_for_several_processes() -> None:
    notes: list[str] = []

    assert share_micro_batches(resolve("tiny"), Process(), notes.append) == resolve("tiny")
    assert notes == []
    shared = share_micro_batches(resolve("tiny"), TWO, notes.append)
    assert shared.train.gradient_accumulation_steps == 2
    assert "2 instead of 1" in notes[0]


def test_a_number_that_the_user_chose_stays() -> None:
    chosen = resolve("tiny", assignments=["gradient_accumulation_steps=3"])

    assert share_micro_batches(chosen, TWO, lambda note: None) == chosen


@pytest.mark.parametrize("number", range(len(DTYPES)))
def test_all_processes_have_the_dtype_of_the_main_one(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """It is sent as a number: objects would be pickled."""
    sent: list[int] = []

    def broadcast(tensor: torch.Tensor, src: int) -> None:
        if sent:
            tensor.fill_(sent[0])
        else:
            sent.append(int(tensor))

    monkeypatch.setattr(torch.distributed, "broadcast", broadcast)
    monkeypatch.setattr(final, "resolve_dtype", lambda name, device: DTYPES[number])
    main = agreed_dtype(TWO, "cpu")
    monkeypatch.setattr(final, "resolve_dtype", lambda name, device: pytest.fail("called, too"))
    assert agreed_dtype(Process(rank=1, world_size=2), "cpu") == main == DTYPES[number]
