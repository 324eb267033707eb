"""How a training run stops, and what it leaves."""

from __future__ import annotations

import math
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from slm.api import Trainer
from slm.errors import (
    Interrupted,
    NoSpaceError,
    TrainingError,
)
from slm.generation.torch_engine import TorchEngine
from slm.model import GPT
from slm.reporting.metrics import MetricsFile, read_metrics
from slm.reporting.plots import LossPlot
from slm.reporting.tensorboard import TensorBoard
from slm.runs import run_trainer as trainer_module
from slm.runs.guarded_step import NonFinite
from slm.training import Callback, SampleRecord
from tests.unit.runs.training_runs import (
    At,
    MakeTrainer,
    assert_equal,
    checkpoints,
    copied,
    weights_in,
)

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


@needs_posix_signals
def test_an_interrupted_run_that_cannot_be_saved_ends_for_its_callbacks(
    make_trainer: MakeTrainer, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as the progress bar, which hides the cursor until then."""
    trainer = make_trainer(
        owns_process=True, callbacks=[listener, At(2, lambda: os.kill(os.getpid(), signal.SIGINT))]
    )

    def full(state: Any) -> Path:
        raise NoSpaceError("no space left to write step-000002")

    monkeypatch.setattr(trainer.checkpointer, "save", full)
    with pytest.raises(NoSpaceError):
        trainer.train()
    assert listener.of("on_end") == [None]


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
        of_the_machine = {"elapsed_seconds", "tokens_per_second", "peak_memory_bytes"}
        return [
            {key: value for key, value in record.items() if key not in of_the_machine}
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

    monkeypatch.setattr(trainer_module, "run_should_compile", lambda *args: True)
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
