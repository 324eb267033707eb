"""What is done with a model besides training it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from slm.api import Trainer
from slm.data.loader import DataLoader
from slm.errors import CheckpointError, UsageError
from slm.generation import GenerationOptions
from slm.model import GPT
from slm.training.evaluate import validation_loss

MakeTrainer = Callable[..., Trainer]


def test_evaluate_by_itself(make_trainer: MakeTrainer, data_dir: Path) -> None:
    trainer = make_trainer(eval_tokens=None)
    loss, tokens = trainer.evaluate()
    loader = DataLoader(3, 16, data_dir=data_dir)  # in other batches
    expected, n_tokens = validation_loss(trainer.model, loader.validation_batches())
    assert tokens == n_tokens > 1000
    assert loss == pytest.approx(expected, rel=1e-5)
    few = make_trainer(eval_tokens=320)
    assert few.evaluate("train")[1] == few.evaluate()[1] == 320
    assert few.evaluate()[0] == few.evaluate()[0]


def test_batches_come_to_the_device_of_the_model(make_trainer: MakeTrainer, data_dir: Path) -> None:
    loader = DataLoader(4, 16, device="meta", data_dir=data_dir)
    trainer = make_trainer(loader=loader, max_steps=1)
    assert trainer.train().step == 1


def test_weights_come_from_a_run_and_tell_its_stories(
    make_trainer: MakeTrainer, tiny_model: Callable[..., GPT], tmp_path: Path
) -> None:
    trained = make_trainer(max_steps=3)
    trained.train()
    other = make_trainer(model=tiny_model("modern", vocab_size=257, seed=9))
    other.load_best_model(trained.out_dir)
    text = other.generate_text("Tom", max_new_tokens=8, seed=3)
    assert text == trained.generate_text("Tom", max_new_tokens=8, seed=3)
    options = GenerationOptions(max_new_tokens=8, temperature=0.7, top_k=50, seed=3)
    assert text == "Tom" + other.current_model.continuation("Tom", options)
    with pytest.raises(UsageError, match="missing"):
        other.load_best_model(tmp_path / "missing.pt")
    misfit = make_trainer(model=tiny_model("gpt2", vocab_size=257))
    with pytest.raises(CheckpointError, match="fit the model"):
        misfit.load_best_model(trained.out_dir)
