"""A trainer of a tiny model on tiny data, and a callback that remembers what it was told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slm.api import Trainer
from slm.config import DataConfig, RunConfig, TrainingConfig
from slm.data.loader import DataLoader
from slm.interop.export import export
from slm.interop.source import ExportSource
from slm.model import GPT
from slm.native.engine import arrays_of
from slm.tokenizer import build_tokenizer
from slm.train_state import TrainState
from slm.training import Callback

SETTINGS: dict[str, Any] = {
    "batch_size": 4,
    "gradient_accumulation_steps": 2,
    "max_steps": 6,
    "warmup_steps": 2,
    "eval_interval": 3,
    "eval_tokens": 256,
    "checkpoint_interval": 100,
    "sample_prompts": (),
    "learning_rate": 3e-3,
    "device": "cpu",
    "dtype": "float32",
    "compile": "off",
    "threads": 1,
}


class Listener(Callback):
    """Every event as (name, record), in order."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    def of(self, name: str) -> list[Any]:
        return [record for event, record in self.events if event == name]

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("on_"):
            return lambda record: self.events.append((name, record))
        return super().__getattribute__(name)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture(scope="session")
def small_int8(tmp_path_factory: pytest.TempPathFactory, tiny_model: Callable[..., GPT]) -> Path:
    """A checkpoint as `slm export ... slm --dtype int8` writes it."""
    model = tiny_model("modern", vocab_size=257, block_size=32)
    data = DataConfig(source="/home/mia/texts/book.txt", data_dir="/home/mia/data")
    source = ExportSource(
        Path("runs/mia/best"),
        RunConfig(model.config, TrainingConfig(), data, {}, started_in="../../mia"),
        build_tokenizer("bytes", lambda: []),
        TrainState(step=7, tokens_seen=700, best_validation_loss=1.25),
        lambda: arrays_of(model),
    )
    out = tmp_path_factory.mktemp("int8") / "model"
    card = {"data": "a book", "evaluation": "2 bits per byte"}
    export(source, "slm", out, dtype="int8", license="MIT", card=card)
    return out


@pytest.fixture
def builtin(small_int8: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The model that comes with the package is a small one, and the working directory is empty."""
    monkeypatch.setattr("slm.checkpoint.builtin._DIRECTORY", small_int8)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return small_int8


@pytest.fixture
def make_trainer(
    tmp_path: Path, data_dir: Path, tiny_model: Callable[..., GPT], listener: Listener
) -> Callable[..., Trainer]:
    """`make_trainer(model=None, callbacks=[listener], **settings)`, into `tmp_path / "run"`."""

    def make(
        *,
        model: GPT | None = None,
        callbacks: list[Callback] | None = None,
        loader: DataLoader | None = None,
        default_callbacks: bool = False,
        owns_process: bool = False,
        **settings: Any,
    ) -> Trainer:
        config = {**SETTINGS, "out_dir": str(tmp_path / "run"), **settings}
        model = model or tiny_model("modern", vocab_size=257, dropout=0.1)
        loader = loader or DataLoader(
            config["batch_size"], model.config.block_size, data_dir=data_dir
        )
        heard = None if default_callbacks else [listener] if callbacks is None else callbacks
        return Trainer(model, loader, config, callbacks=heard, owns_process=owns_process)

    return make
