"""The training loop as a whole, on a tiny model: what it does, and in which order."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from slm.data.loader import DataLoader
from slm.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    DeviceError,
    UsageError,
)
from slm.training import lr_at
from tests.unit.runs.training_runs import (
    MakeModel,
    MakeTrainer,
    assert_equal,
    checkpoints,
    copied,
    weights_in,
)

# -- a run -----------------------------------------------------------------------------------------


def test_a_run_from_beginning_to_end(make_trainer: MakeTrainer, listener: Any) -> None:
    trainer = make_trainer(max_steps=7, sample_prompts=("Tom",), sample_tokens=5)
    result = trainer.train()
    assert [name for name, _ in listener.events] == [
        "on_start",
        *["on_step"] * 3,
        *["on_evaluation", "on_sample"],
        *["on_step"] * 3,
        *["on_evaluation", "on_sample"],
        "on_step",
        *["on_evaluation", "on_sample"],
        "on_end",
    ]
    (start,) = listener.of("on_start")
    assert start.first_step == 0
    assert start.tokens_per_step == 4 * 2 * 16
    assert start.costs.parameters == sum(p.numel() for p in trainer.model.parameters())
    steps = listener.of("on_step")
    assert [record.step for record in steps] == list(range(1, 8))
    assert [record.tokens for record in steps] == [128 * n for n in range(1, 8)]
    assert [record.progress for record in steps] == pytest.approx([n / 7 for n in range(1, 8)])
    rates = [record.learning_rate for record in steps]
    assert rates == pytest.approx([lr_at(step, trainer.config) for step in range(7)])
    assert steps[0].loss == pytest.approx(math.log(257), abs=0.1)
    assert steps[-1].loss < steps[0].loss
    evaluations = listener.of("on_evaluation")
    assert [record.step for record in evaluations] == [3, 6, 7]
    assert [record.tokens for record in evaluations] == [256] * 3
    for record, begin in zip(evaluations, (0, 3, 6), strict=True):
        losses = [s.loss for s in steps[begin : record.step]]
        assert record.train_loss == pytest.approx(sum(losses) / len(losses))
        # A token is a byte here, or the end of a story, which is no byte.
        assert record.bits_per_byte == pytest.approx(record.loss / math.log(2), rel=0.03)
        assert record.bits_per_byte > record.loss / math.log(2)
    assert all(record.text for record in listener.of("on_sample"))
    assert listener.of("on_end") == [result]
    assert result.step == 7
    assert result.tokens == 7 * 128
    assert result.validation_loss == evaluations[-1].loss
    assert result.best_validation_loss == min(record.loss for record in evaluations)
    assert not result.stopped_early
    assert checkpoints(trainer) == ["step-000007"]
    config = json.loads((trainer.out_dir / "config.json").read_text("utf-8"))
    assert config["train"]["max_steps"] == 7
    assert config["model"]["vocab_size"] == 257


def test_the_same_seed_gives_the_same_run_and_another_does_not(
    make_trainer: MakeTrainer, listener: Any
) -> None:
    def losses(seed: int) -> list[float]:
        listener.events.clear()
        make_trainer(seed=seed, max_steps=3).train()
        return [record.loss for record in listener.of("on_step")]

    first = losses(1)
    torch.manual_seed(99)  # what the caller did before does not matter
    assert losses(1) == first
    assert losses(2) != first  # dropout


def test_all_files_of_the_original_interface(
    make_trainer: MakeTrainer, capsys: pytest.CaptureFixture[str], tiny_model: MakeModel
) -> None:
    trainer = make_trainer(default_callbacks=True)
    trainer.train()
    assert {path.name for path in trainer.out_dir.iterdir() if path.name[0] != "."} == {
        *["best", "best_model.pt", "checkpoints", "config.json", "losses.png", "metrics.jsonl"]
    }
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "validation loss" in captured.err
    fresh = make_trainer(model=tiny_model("modern", vocab_size=257, seed=5))
    fresh.load_best_model(str(trainer.out_dir / "best_model.pt"))
    assert_equal(copied(fresh.model), weights_in(trainer.out_dir / "best"))
    text = fresh.generate_text("Tom saw", max_new_tokens=12, temperature=0.7, top_k=50)
    assert text.startswith("Tom saw")
    same = [fresh.generate_text("Tom", max_new_tokens=8, seed=3) for _ in range(2)]
    assert len(same[0]) > len("Tom")
    assert same[0] == same[1]
    # A run directory and a checkpoint do as well.
    other = make_trainer(model=tiny_model("modern", vocab_size=257, seed=6))
    other.load_best_model(trainer.out_dir)
    assert_equal(copied(other.model), copied(fresh.model))
    with pytest.raises(UsageError):
        other.load_best_model(trainer.out_dir / "missing.pt")
    misfit = make_trainer(model=tiny_model("modern", vocab_size=257, rope_theta=99.0))
    for path in ("best_model.pt", "best"):
        with pytest.raises(CheckpointError, match="rope_theta"):
            misfit.load_best_model(trainer.out_dir / path)


def test_the_mode_of_the_model_does_not_matter(
    make_trainer: MakeTrainer, tiny_model: MakeModel, listener: Any
) -> None:
    losses = []
    for mode in (True, False):  # a model just loaded or used is in evaluation mode
        listener.events.clear()
        model = tiny_model("modern", vocab_size=257, dropout=0.3).train(mode)
        make_trainer(model=model, max_steps=2).train()
        losses.append([record.loss for record in listener.of("on_step")])
    assert losses[0] == losses[1]


def test_accumulated_micro_batches_are_one_batch(
    make_trainer: MakeTrainer, tiny_model: MakeModel, listener: Any
) -> None:
    losses = []
    for batch_size, accumulation in ((8, 1), (2, 4)):
        listener.events.clear()
        make_trainer(
            model=tiny_model("modern", vocab_size=257),
            batch_size=batch_size,
            gradient_accumulation_steps=accumulation,
            max_steps=5,
        ).train()
        losses.append([record.loss for record in listener.of("on_step")])
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


# -- evaluation ------------------------------------------------------------------------------------


def test_best_is_the_best_and_not_the_last(make_trainer: MakeTrainer, listener: Any) -> None:
    trainer = make_trainer(eval_interval=2, max_steps=8)
    plain_evaluate = trainer.evaluate
    losses = iter([3.0, 2.0, 2.5, 2.0])  # equal is not better
    seen: list[dict[str, torch.Tensor]] = []

    def scripted(split: str = "validation") -> tuple[float, int]:
        _, tokens = plain_evaluate(split)
        seen.append(copied(trainer.model))
        return next(losses), tokens

    trainer.evaluate = scripted  # type: ignore[method-assign]
    result = trainer.train()
    assert [r.is_best for r in listener.of("on_evaluation")] == [True, True, False, False]
    assert result.best_validation_loss == 2.0
    assert_equal(weights_in(trainer.out_dir / "best"), seen[1])
    state = json.loads((trainer.out_dir / "best/state.json").read_text("utf-8"))
    assert state["step"] == 4


def test_a_loss_that_is_no_number_is_never_the_best(
    make_trainer: MakeTrainer, listener: Any
) -> None:
    trainer = make_trainer(eval_interval=2, max_steps=6)
    losses = iter([math.nan, 2.0, math.nan])
    trainer.evaluate = lambda split="validation": (next(losses), 9)  # type: ignore[method-assign]
    assert trainer.train().best_validation_loss == 2.0
    assert [r.is_best for r in listener.of("on_evaluation")] == [False, True, False]


def test_the_evaluation_at_the_end_is_saved_with_its_checkpoint(
    make_trainer: MakeTrainer, listener: Any
) -> None:
    """Also where a checkpoint is due at the last step anyway: a longer run goes on from it."""
    first = make_trainer(max_steps=4, eval_interval=3, checkpoint_interval=2)
    result = first.train()
    state = json.loads((first.out_dir / "checkpoints/step-000004/state.json").read_text("utf-8"))
    assert state["best_validation_loss"] == result.best_validation_loss
    listener.events.clear()
    again = make_trainer(max_steps=4, eval_interval=3, checkpoint_interval=2)
    again.train(existing="resume")
    assert listener.of("on_step") == listener.of("on_evaluation") == []


def test_stopping_early(make_trainer: MakeTrainer, listener: Any) -> None:
    trainer = make_trainer(eval_interval=2, max_steps=100, early_stopping_patience=2)
    losses = iter([3.0, 2.0, 2.1, 2.0])
    trainer.evaluate = lambda split="validation": (next(losses), 9)  # type: ignore[method-assign]
    result = trainer.train()
    assert result.stopped_early
    assert result.step == 8
    assert result.validation_loss == 2.0
    assert checkpoints(trainer) == ["step-000008"]
    assert any("stopped early" in note for note in listener.of("on_note"))
    again = make_trainer(eval_interval=2, max_steps=100, early_stopping_patience=2)
    assert again.train(existing="resume").stopped_early
    assert again.state.step == 8


# -- what does not fit -----------------------------------------------------------------------------


def test_data_that_does_not_fit(
    make_trainer: MakeTrainer, tiny_model: MakeModel, data_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="256.*100"):
        make_trainer(model=tiny_model("modern", vocab_size=100)).train()
    loader = DataLoader(4, 32, data_dir=data_dir)
    with pytest.raises(DataError, match="32.*16"):
        make_trainer(loader=loader).train()
    with pytest.raises(DataError):
        make_trainer(loader=DataLoader(4, 16, data_dir=tmp_path / "nothing")).train()
    assert not (tmp_path / "run").exists()  # found out before anything was made


def test_a_validation_split_without_tokens_is_found_before_training(
    make_trainer: MakeTrainer, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer()

    def empty(*args: Any, **kwargs: Any) -> Any:
        raise DataError("the validation split has 0 tokens")
        yield

    monkeypatch.setattr(trainer.data_loader, "validation_batches", empty)
    with pytest.raises(DataError, match="validation"):
        trainer.train()
    assert listener.events == []


def test_settings_that_do_not_fit(make_trainer: MakeTrainer) -> None:
    with pytest.raises(ConfigError, match="learning_rte"):
        make_trainer(learning_rte=0.1)
    with pytest.raises(DeviceError):
        make_trainer(device="mps" if not torch.backends.mps.is_available() else "cuda")


def test_constructing_a_trainer_touches_no_file(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    loader = DataLoader(4, 16, data_dir=tmp_path / "not there")
    make_trainer(loader=loader)
    assert list(tmp_path.iterdir()) == []


def test_what_auto_came_to_is_saved(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(compile="auto", max_steps=1)
    trainer.train()
    config = json.loads((trainer.out_dir / "config.json").read_text("utf-8"))
    assert config["train"]["compile"] == "off"
    assert config["origins"]["train.compile"] == "derived:hardware"
    assert config["origins"]["train.dtype"] == "flag:config"


def test_without_settings_a_run_says_what_its_data_are(
    make_trainer: MakeTrainer, data_dir: Path
) -> None:
    """And not the data that the settings have by default."""
    trainer = make_trainer(max_steps=1)
    trainer.train()
    text = (trainer.out_dir / "checkpoints/step-000001/config.json").read_text("utf-8")
    for data in (json.loads(text)["data"], trainer.settings.data.__dict__):
        assert data["source"] == trainer.data_loader.meta.source["path"]
        assert data["tokenizer"] == "bytes"
    assert str(data_dir) in trainer.settings.origins["data.source"].detail


def test_stories_and_short_contexts_reach_the_model(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(document_masking=True, seq_len_warmup=8, seq_len_warmup_fraction=0.5)
    seen: list[tuple[int, bool]] = []
    forward = trainer.model.forward

    def watched(idx: Any, targets: Any = None, **keywords: Any) -> Any:
        if trainer.model.training and targets is not None:
            seen.append((idx.size(1), keywords["attn_mask"] is not None))
        return forward(idx, targets, **keywords)

    trainer.model.forward = watched  # type: ignore[method-assign]
    result = trainer.train()
    whole = trainer.data_loader.block_size
    assert seen == [(8, True)] * 6 + [(whole, True)] * 6
    assert result.tokens == 6 * trainer.tokens_per_step


def test_a_short_context_that_does_not_fit_is_refused(make_trainer: MakeTrainer) -> None:
    with pytest.raises(ConfigError, match="not a multiple of train.seq_len_warmup 7"):
        make_trainer(seq_len_warmup=7)
