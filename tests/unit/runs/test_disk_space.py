"""The room that a run needs is what it then takes, and is asked for before its first step."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slm.api import Trainer
from slm.config import GPTConfig
from slm.errors import NoSpaceError
from slm.model import GPT
from slm.reporting.model_file import BestModelFile
from slm.runs.disk_space import optimizer_numbers, require_space_for

Usage = namedtuple("Usage", "total used free")
MakeTrainer = Callable[..., Trainer]


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def needed(trainer: Trainer, monkeypatch: pytest.MonkeyPatch, callbacks: Any = ()) -> int:
    """What the message says that the run needs."""
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: Usage(9, 9, 0))
        with pytest.raises(NoSpaceError) as caught:
            require_space_for(trainer.settings, callbacks)
    assert str(trainer.out_dir) in caught.value.message
    return int(caught.value.message.split(": ")[-1].split(" ")[0].replace(",", ""))


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_the_plan_is_enough_and_not_much_too_much(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    trainer = make_trainer(
        max_steps=6, checkpoint_interval=2, keep_checkpoints=2, optimizer=optimizer
    )
    plan = needed(trainer, monkeypatch)
    trainer.train()
    kept = bytes_in(trainer.out_dir / "checkpoints")
    best = bytes_in(trainer.out_dir / "best")
    assert 1.5 * kept + 2 * best <= plan
    slack = 5 * (1 << 20)  # what small files get
    assert plan - slack <= 1.5 * kept + 2 * best
    optimizer_file = trainer.out_dir / "checkpoints/step-000006/optimizer.safetensors"
    numbers = optimizer_numbers(trainer.settings)
    assert 4 * numbers <= optimizer_file.stat().st_size <= 4 * numbers + 10_000


def test_what_is_there_already_needs_no_room(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer(max_steps=2)
    before = needed(trainer, monkeypatch)
    trainer.train()
    present = bytes_in(trainer.out_dir / "checkpoints") + bytes_in(trainer.out_dir / "best")
    assert needed(trainer, monkeypatch) == before - present


def test_the_model_file_counts(make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer()
    file = BestModelFile(
        trainer.out_dir / "best_model.pt", trainer.model, lambda: trainer.current_model.tokenizer
    )
    weights = 4 * sum(p.numel() for p in trainer.model.parameters())
    more = needed(trainer, monkeypatch, [file]) - needed(trainer, monkeypatch)
    assert weights <= more <= weights + (1 << 20)


def test_a_run_is_refused_before_its_first_step(
    make_trainer: MakeTrainer, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(9, 9, 4096))
    with pytest.raises(NoSpaceError, match="4,096 are free"):
        trainer.train()
    assert listener.of("on_step") == []
    assert not (trainer.out_dir / "checkpoints").exists()


def test_the_largest_file_is_the_optimizer_state(
    make_trainer: MakeTrainer, tiny_config: Callable[..., GPTConfig], monkeypatch: Any
) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    trainer = make_trainer(model=GPT(tiny_config("gpt2", vocab_size=257)))
    largest = 8 * sum(p.numel() for p in trainer.model.parameters())
    limit = [largest]
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit[0], limit[0]))
    require_space_for(trainer.settings, ())
    limit[0] -= 1
    with pytest.raises(NoSpaceError, match=f"{largest:,} bytes"):
        require_space_for(trainer.settings, ())
