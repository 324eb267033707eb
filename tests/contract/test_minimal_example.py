"""`examples/minimal.py` has the losses of the Trainer, bit for bit, and stays short."""

from __future__ import annotations

import importlib.util
import runpy
from pathlib import Path
from typing import Any

import pytest

from slm.api import Trainer
from slm.config import GPTConfig, TrainingConfig
from slm.data.loader import DataLoader
from slm.model import GPT
from slm.seeds import seed_everything
from slm.training import Callback, StepRecord

EXAMPLE = Path(__file__).parents[2] / "examples" / "minimal.py"
MOST_LINES = 120


@pytest.fixture(scope="module")
def minimal() -> Any:
    spec = importlib.util.spec_from_file_location("minimal", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Losses(Callback):
    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_step(self, record: StepRecord) -> None:
        self.losses.append(record.loss)


def test_twenty_steps_are_those_of_the_trainer(
    minimal: Any, data_dir: Path, tmp_path: Path
) -> None:
    settings = {**minimal.TRAINING, "max_steps": 20, "eval_interval": 10, "dtype": "float32"}
    settings |= {"batch_size": 4, "threads": 1, "compile": "off", "sample_prompts": ()}
    settings |= {"out_dir": str(tmp_path / "run"), "device": "cpu"}
    config = TrainingConfig(**settings)
    shape = GPTConfig(vocab_size=257, **{**minimal.MODEL, "block_size": 32, "dropout": 0.1})
    loader = DataLoader(4, 32, data_dir=data_dir, seed=config.seed)

    def model() -> GPT:
        seed_everything(config.seed)
        return GPT(shape).train()

    heard = Losses()
    Trainer(model(), loader, settings, callbacks=[heard]).train()
    tokens, held_out = (loader.directory.tokens(split) for split in ("train", "validation"))
    losses = minimal.train(model(), tokens, held_out, config)

    assert len(losses) == 20
    assert losses == heard.losses
    assert losses[-1] < losses[0] - 0.5


def test_it_is_short_and_uses_the_subject_only() -> None:
    text = EXAMPLE.read_text("utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    imported = {line.split()[1] for line in text.splitlines() if line.startswith("from slm")}
    assert {".".join(name.split(".")[:2]) for name in imported} <= {
        *("slm.config", "slm.data", "slm.generation", "slm.model", "slm.hardware", "slm.seeds"),
        *("slm.tokenizer", "slm.training"),
    }


def test_it_runs_on_a_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    book = tmp_path / "book.txt"
    lines = [f"Once there was a cat with {n} red balls and {n + 1} hats." for n in range(900)]
    book.write_text("\n".join(lines), "utf-8")
    minimal = runpy.run_path(str(EXAMPLE))
    minimal["main"].__globals__["TRAINING"].update(max_steps=4, eval_interval=2)
    minimal["main"](str(book))
    printed = capsys.readouterr().out
    assert "step 4: training loss" in printed
    assert "Once" in printed
