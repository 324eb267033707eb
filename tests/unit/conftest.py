"""A trainer of a tiny model on tiny data, and a callback that remembers what it was told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slm.api import Trainer
from slm.data.loader import DataLoader
from slm.model import GPT
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
