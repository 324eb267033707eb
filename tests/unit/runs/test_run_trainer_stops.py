"""How a training run stops, what it leaves, and how it goes on from there."""

from __future__ import annotations

import math
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from slm.api import Trainer
from slm.data.loader import DataLoader
from slm.errors import (
    CheckpointError,
    DataError,
    Interrupted,
    NoSpaceError,
    RunLockedError,
    TrainingError,
    UsageError,
)
from slm.generation.torch_engine import TorchEngine
from slm.model import GPT
from slm.reporting.metrics import MetricsFile, read_metrics
from slm.reporting.plots import LossPlot
from slm.reporting.tensorboard import TensorBoard
from slm.runs import run_trainer as trainer_module
from slm.runs.guarded_step import NonFinite
from slm.storage.files import directory_lock
from slm.training import Callback, SampleRecord, lr_at
from slm.training.budget import ENDING_SECONDS, Budget
from slm.training.schedule import lr_scale
from tests.unit.runs.training_runs import (
    At,
    MakeModel,
    MakeTrainer,
    assert_equal,
    checkpoints,
    copied,
    weights_in,
)

# -- checkpoints and going on ----------------------------------------------------------------------


def test_checkpoints_at_their_interval_the_newest_kept(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(max_steps=7, checkpoint_interval=2, keep_checkpoints=3)
    trainer.train()
    assert checkpoints(trainer) == ["step-000004", "step-000006", "step-000007"]
    assert_equal(weights_in(trainer.out_dir / "checkpoints/step-000007"), copied(trainer.model))


def test_stop_after_saves_and_the_schedule_is_the_whole_run_s(
    make_trainer: MakeTrainer, listener: Any
) -> None:
    trainer = make_trainer(max_steps=6)
    assert trainer.train(stop_after=2).step == 2
    assert checkpoints(trainer) == ["step-000002"]
    assert trainer.train(existing="resume", stop_after=3).step == 5
    again = make_trainer(max_steps=6)
    assert again.train(existing="resume").step == 6
    rates = [record.learning_rate for record in listener.of("on_step")]
    assert rates == pytest.approx([lr_at(step, trainer.config) for step in range(6)])


@pytest.mark.parametrize("existing", ["set-aside", "refuse"])
def test_a_trained_model_begins_no_second_run(make_trainer: MakeTrainer, existing: Any) -> None:
    """Its settings would say that it began with the seed's weights, and nobody could repeat it."""
    trainer = make_trainer(max_steps=3)
    trainer.train(stop_after=2)
    before = copied(trainer.model)
    with pytest.raises(UsageError, match="is trained already") as caught:
        trainer.train(existing=existing)
    assert 'train(existing="resume")' in str(caught.value.hint)
    assert not (trainer.out_dir / "previous-001").exists()
    assert checkpoints(trainer) == ["step-000002"]
    assert_equal(copied(trainer.model), before)
    # What the hint says works.
    assert trainer.train(existing="resume").step == 3
    make_trainer(max_steps=3).train()
    assert (trainer.out_dir / "previous-001" / "best").is_dir()


def test_a_trained_model_cannot_go_on_where_nothing_is_saved(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(max_steps=3)
    trainer.train(stop_after=1)
    shutil.rmtree(trainer.out_dir)
    with pytest.raises(UsageError, match="is trained already"):
        trainer.train(existing="resume")


def test_a_call_that_made_no_step_may_be_repeated(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(max_steps=2)
    with directory_lock(trainer.out_dir), pytest.raises(RunLockedError):
        trainer.train()
    assert trainer.train().step == 2


def test_a_finished_run_says_that_nothing_was_left(make_trainer: MakeTrainer) -> None:
    assert make_trainer(max_steps=2).train().first_step == 0
    again = make_trainer(max_steps=2).train(existing="resume")
    assert (again.step, again.first_step) == (2, 2)


def test_what_is_there_already(make_trainer: MakeTrainer, listener: Any) -> None:
    trainer = make_trainer(max_steps=2)
    assert trainer.train(existing="resume").step == 2  # nothing there: a new run
    assert any("no checkpoint yet" in note for note in listener.of("on_note"))
    with pytest.raises(UsageError, match="already holds a run"):
        make_trainer(max_steps=2).train(existing="refuse")
    assert checkpoints(trainer) == ["step-000002"]
    make_trainer(max_steps=2).train()
    assert any("previous-001" in note for note in listener.of("on_note"))


def test_going_on_with_another_model_or_other_data_is_refused(
    make_trainer: MakeTrainer, tiny_model: MakeModel, tmp_path: Path
) -> None:
    from slm.data.prepare import prepare

    make_trainer(max_steps=2).train()
    other = tiny_model("modern", vocab_size=257, dropout=0.1, rope_theta=99.0)
    with pytest.raises(CheckpointError, match="has a model with "):
        make_trainer(model=other).train(existing="resume")
    (tmp_path / "other.txt").write_text("Other words. " * 500, encoding="utf-8")
    prepare(str(tmp_path / "other.txt"), "bytes", tmp_path / "other")
    loader = DataLoader(4, 16, data_dir=tmp_path / "other")
    with pytest.raises(DataError, match="other data"):
        make_trainer(loader=loader).train(existing="resume")
    with pytest.raises(CheckpointError, match="optimizer state"):
        make_trainer(optimizer="muon").train(existing="resume")


def test_by_the_clock(
    make_trainer: MakeTrainer, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(trainer_module, "Budget", partial(Budget, clock=lambda: now[0]))

    def make() -> Trainer:
        trainer = make_trainer(
            max_minutes=1.0, max_steps=1, eval_interval=1000, warmup_steps=0, schedule="cosine"
        )
        plain_step, plain_evaluation = trainer.guarded_step.step, trainer.evaluate

        def slow_step(*args: Any) -> Any:
            now[0] += 5.0
            return plain_step(*args)

        def slow_evaluation(*args: Any) -> Any:
            now[0] += 3.0
            return plain_evaluation(*args)

        trainer.guarded_step.step = slow_step  # type: ignore[method-assign]
        trainer.evaluate = slow_evaluation  # type: ignore[method-assign]
        return trainer

    make().train(stop_after=5)
    now[0] += 1e6  # time between two starts does not count
    trainer = make()
    result = trainer.train(existing="resume")
    steps = listener.of("on_step")
    # Reserved for the last evaluation: 256 tokens forward, a third of what training on them takes;
    # and for the end.
    reserve = 5.0 * 256 / trainer.tokens_per_step / 3 + ENDING_SECONDS
    assert trainer.tokens_per_step == 128
    assert result.step == len(steps) == 11  # max_steps does not count; a twelfth would end late
    assert result.elapsed_seconds == 58.0
    progress = [5 * n / (60 - reserve) for n in range(12)]
    assert [record.progress for record in steps] == pytest.approx(progress[1:])
    rates = [record.lr_scale for record in steps]
    assert rates == pytest.approx([lr_scale(99, p, trainer.config) for p in progress[:-1]])
    again = make()
    assert again.train(existing="resume").step == 11  # its time is used up


def test_two_runs_in_one_directory(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    with directory_lock(trainer.out_dir), pytest.raises(RunLockedError):
        trainer.train()
    trainer.train(stop_after=1)


# -- numbers that are not finite -------------------------------------------------------------------


def poison_steps(trainer: Trainer, bad: set[int]) -> None:
    """Make a gradient not finite in the steps (counted from 1) of `bad`."""
    weight = trainer.model.blocks[0].mlp.up_proj.weight  # type: ignore[union-attr]

    def spoil(gradient: torch.Tensor) -> torch.Tensor:
        return gradient * math.nan if trainer.state.step + 1 in bad else gradient

    weight.register_hook(spoil)  # type: ignore[operator, union-attr]


def test_stop_saves_the_last_good_weights(make_trainer: MakeTrainer, listener: Any) -> None:
    trainer = make_trainer(max_steps=6)
    poison_steps(trainer, {3})
    good: list[dict[str, torch.Tensor]] = []
    trainer.callbacks.callbacks = [listener, At(2, lambda: good.append(copied(trainer.model)))]
    with pytest.raises(TrainingError, match=r"step 3.*mlp\.up_proj.*step-000002") as caught:
        trainer.train()
    assert caught.value.hint is not None
    assert "on_nonfinite=skip" in caught.value.hint
    assert checkpoints(trainer) == ["step-000002"]
    assert_equal(weights_in(trainer.out_dir / "checkpoints/step-000002"), good[0])
    assert listener.of("on_end") == [None]


def test_up_to_three_such_steps_in_a_row_are_skipped(
    make_trainer: MakeTrainer, listener: Any
) -> None:
    trainer = make_trainer(max_steps=9, on_nonfinite="skip")
    poison_steps(trainer, {2, 3, 4, 6, 7, 8})
    assert trainer.train().step == 9
    assert len([n for n in listener.of("on_note") if "skipped" in n]) == 6
    assert all(math.isfinite(r.train_loss) for r in listener.of("on_evaluation"))


def test_the_fourth_in_a_row_ends_the_run_also_across_a_restart(
    make_trainer: MakeTrainer, listener: Any
) -> None:
    trainer = make_trainer(max_steps=9, on_nonfinite="skip")
    poison_steps(trainer, {2, 3, 4, 5})
    with pytest.raises(TrainingError, match="step 5"):
        trainer.train()
    assert checkpoints(trainer) == ["step-000004"]
    again = make_trainer(max_steps=9, on_nonfinite="skip")
    poison_steps(again, {5})
    with pytest.raises(TrainingError, match="step 5"):
        again.train(existing="resume")


def test_a_skipped_loss_is_not_averaged(make_trainer: MakeTrainer, listener: Any) -> None:
    trainer = make_trainer(max_steps=3, on_nonfinite="skip")
    plain_step = trainer.guarded_step.step

    def first_is_nan(*args: Any) -> Any:
        outcome = plain_step(*args)
        if trainer.state.step == 0:
            object.__setattr__(outcome, "loss", math.nan)
            object.__setattr__(outcome, "updated", False)
            object.__setattr__(outcome, "fault", NonFinite("loss", micro_batch=0))
        return outcome

    trainer.guarded_step.step = first_is_nan  # type: ignore[method-assign]
    trainer.train()
    losses = [record.loss for record in listener.of("on_step")]
    assert math.isnan(losses[0])
    assert listener.of("on_evaluation")[0].train_loss == pytest.approx(sum(losses[1:]) / 2)


# -- interruption ----------------------------------------------------------------------------------

needs_posix_signals = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows cannot send these signals"
)


@needs_posix_signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_ends(
    make_trainer: MakeTrainer, listener: Any, number: signal.Signals
) -> None:
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    trainer = make_trainer(owns_process=True, max_steps=50)
    trainer.callbacks.callbacks = [listener, At(4, lambda: os.kill(os.getpid(), number))]
    with pytest.raises(Interrupted, match="step 4") as caught:
        trainer.train()
    assert caught.value.exit_code == 128 + number
    assert checkpoints(trainer) == ["step-000004"]
    assert listener.of("on_end") == [None]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    assert trainer.evaluate()[1] == 256  # the trainer is still of use
    assert make_trainer(owns_process=True, max_steps=5).train(existing="resume").step == 5


class Failing(Callback):
    def on_end(self, result: Any) -> None:
        raise OSError("the disk is gone")


def test_every_callback_hears_of_the_end(make_trainer: MakeTrainer, listener: Any) -> None:
    """Such as the one that gives the terminal back."""
    trainer = make_trainer(callbacks=[Failing(), listener], max_steps=1)
    with pytest.raises(OSError, match="the disk is gone"):
        trainer.train()
    assert len(listener.of("on_end")) == 1


class OtherError(Exception):
    pass


def test_a_failure_at_the_end_does_not_hide_why_it_ended(
    make_trainer: MakeTrainer, listener: Any
) -> None:
    def fail() -> None:
        raise OtherError

    trainer = make_trainer(callbacks=[Failing(), listener, At(2, fail)])
    with pytest.raises(OtherError):
        trainer.train()
    assert listener.of("on_note") == ["Failing failed: OSError: the disk is gone"]
    assert listener.of("on_end") == [None]


@needs_posix_signals
def test_a_failure_at_the_end_does_not_hide_an_interruption(
    make_trainer: MakeTrainer, listener: Any
) -> None:
    trainer = make_trainer(
        owns_process=True,
        callbacks=[Failing(), listener, At(2, lambda: os.kill(os.getpid(), signal.SIGTERM))],
    )
    with pytest.raises(Interrupted, match="step 2"):
        trainer.train()


@pytest.mark.parametrize("kind", [LossPlot, TensorBoard])
def test_a_plot_that_fails_ends_no_run(
    make_trainer: MakeTrainer, listener: Any, kind: type[Callback]
) -> None:
    class Broken(kind):  # type: ignore[valid-type, misc]
        def __init__(self) -> None:
            pass

        def on_evaluation(self, record: Any) -> None:
            raise NoSpaceError("no space left to write losses.png")

        on_start = on_step = on_end = on_evaluation

    assert make_trainer(callbacks=[Broken(), listener], max_steps=3).train().step == 3
    assert listener.of("on_note") == ["Broken failed: no space left to write losses.png"]


@needs_posix_signals
def test_a_signal_in_the_last_save_is_not_lost(
    make_trainer: MakeTrainer, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer(owns_process=True, max_steps=3)
    save = trainer.checkpointer.save

    def slow_save(state: Any) -> Path:
        monkeypatch.setattr(trainer.checkpointer, "save", save)
        os.kill(os.getpid(), signal.SIGTERM)
        return save(state)

    monkeypatch.setattr(trainer.checkpointer, "save", slow_save)
    with pytest.raises(Interrupted, match=r"finished at step 3, saved in .*step-000003") as caught:
        trainer.train()
    assert caught.value.exit_code == 143
    assert listener.of("on_end")[0].step == 3


class TellingStories(Callback):
    """Calls something once a number of samples were told."""

    def __init__(self, number: int, action: Callable[[], Any]) -> None:
        self.left = number
        self.action = action

    def on_sample(self, record: SampleRecord) -> None:
        self.left -= 1
        if self.left == 0:
            self.action()


@needs_posix_signals
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_samples_are_interrupted_and_told_once(
    make_trainer: MakeTrainer, listener: Any, tmp_path: Path, number: int
) -> None:
    settings = {"max_steps": 6, "sample_prompts": ("Tom", "Lily", "Tom"), "sample_tokens": 6}

    def run(name: str, existing: Any, *more: Callback) -> Path:
        path = tmp_path / name / "metrics.jsonl"
        callbacks = [MetricsFile(path, 1), *more]
        out_dir = str(tmp_path / name)
        make_trainer(owns_process=True, callbacks=callbacks, out_dir=out_dir, **settings).train(
            existing=existing
        )
        return path

    def told(path: Path) -> list[dict[str, Any]]:
        of_the_clock = {"elapsed_seconds", "tokens_per_second"}
        return [
            {key: value for key, value in record.items() if key not in of_the_clock}
            for record in read_metrics(path)
        ]

    whole = told(run("whole", "set-aside"))
    assert [r["kind"] for r in whole].count("sample") == 6
    interrupt = TellingStories(number, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(Interrupted):
        run("parts", "set-aside", interrupt)
    assert told(run("parts", "resume", listener)) == whole
    assert len(listener.of("on_sample")) == 6 - number


@needs_posix_signals
def test_a_sample_that_is_long_is_broken_off(
    make_trainer: MakeTrainer, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0
    decode = TorchEngine.decode

    def counting(self: TorchEngine, slots: Sequence[int], ids: Sequence[int]) -> torch.Tensor:
        nonlocal steps
        steps += 1
        if steps == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return decode(self, slots, ids)

    monkeypatch.setattr(TorchEngine, "decode", counting)
    trainer = make_trainer(owns_process=True, sample_prompts=("Tom",), sample_tokens=100_000)
    with pytest.raises(Interrupted, match="step 3"):
        trainer.train()
    assert steps < 10
    assert trainer.model.training
    assert listener.of("on_sample") == []


def compiling_with(monkeypatch: pytest.MonkeyPatch, first_pass: Callable[[], object]) -> None:
    """Let the blocks be compiled, which does something in their first pass."""

    def compile_blocks(model: GPT) -> None:
        handle = model.blocks[0].register_forward_pre_hook(lambda *args: pass_through())

        def pass_through() -> None:
            handle.remove()
            first_pass()

    monkeypatch.setattr(trainer_module, "worth_compiling", lambda *args: True)
    monkeypatch.setattr(trainer_module, "compile_blocks", compile_blocks)


@needs_posix_signals
def test_a_signal_breaks_off_compiling(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    went_on = []

    def compile_long() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        went_on.append(True)

    compiling_with(monkeypatch, compile_long)
    trainer = make_trainer(owns_process=True)
    with pytest.raises(Interrupted, match="step 0"):
        trainer.train()
    assert went_on == []
    assert checkpoints(trainer) == ["step-000000"]


@needs_posix_signals
def test_a_compiler_that_the_signal_ends_is_no_error(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compiler_dies() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except BaseException:
            raise RuntimeError("g++ was killed") from None

    compiling_with(monkeypatch, compiler_dies)
    with pytest.raises(Interrupted, match="step 0"):
        make_trainer(owns_process=True).train()


def test_a_compiler_that_dies_of_itself_is_one(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("no compiler")

    compiling_with(monkeypatch, fail)
    with pytest.raises(RuntimeError, match="no compiler"):
        make_trainer().train()
