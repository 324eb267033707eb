"""A run in another program's process, such as a notebook's, takes nothing over."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from slm.data.loader import DataLoader
from slm.reporting.metrics import MetricsFile, read_metrics
from slm.runs import run_trainer as trainer_module
from slm.runs.borrowed import restored_torch
from tests.unit.runs.training_runs import At, MakeTrainer, assert_equal


def handlers() -> list[Any]:
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def test_nothing_of_the_process_changes(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer_module, "keep_freed_memory", lambda: pytest.fail("mallopt"))
    threads, before, during = torch.get_num_threads(), handlers(), []
    others = 2 if threads == 1 else 1

    def look() -> None:
        during.append((handlers(), torch.get_num_threads()))

    trainer = make_trainer(callbacks=[At(2, look)], max_steps=3, threads=others)
    assert torch.get_num_threads() == threads
    torch.manual_seed(5)
    state = torch.get_rng_state()
    trainer.train()

    assert during == [(before, others)]
    assert (handlers(), torch.get_num_threads()) == (before, threads)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_command_may_take_the_process_over(
    make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, before, during = [], handlers(), []
    monkeypatch.setattr(trainer_module, "keep_freed_memory", lambda: kept.append(True))
    look = At(1, lambda: during.extend(handlers()))
    with restored_torch():
        make_trainer(callbacks=[look], max_steps=1, owns_process=True).train()
    assert kept
    assert not set(during) & set(before)


def test_the_given_loader_stays_as_it_is(make_trainer: MakeTrainer, data_dir: Path) -> None:
    loader = DataLoader(4, 16, "auto", data_dir=data_dir)
    assert make_trainer(loader=loader).data_loader.device == "cpu"
    assert loader.device == "auto"


def test_the_results_are_those_of_a_command(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    def train(name: str, **more: Any) -> dict[str, torch.Tensor]:
        with restored_torch():
            make_trainer(out_dir=str(tmp_path / name), **more).train()
        return weights(tmp_path / name)

    assert_equal(train("guest"), train("owner", owns_process=True))


# -- interrupts ------------------------------------------------------------------------------------


def weights(run: Path) -> dict[str, torch.Tensor]:
    (newest,) = sorted((run / "checkpoints").iterdir())[-1:]
    return {
        **load_file(newest / "model.safetensors"),
        **load_file(newest / "optimizer.safetensors"),
        **{f"best.{k}": v for k, v in load_file(run / "best" / "model.safetensors").items()},
    }


def test_an_interrupt_saves_and_names_the_checkpoint(
    make_trainer: MakeTrainer, listener: Any
) -> None:
    """Python's own handler raises it: here in a callback, after the fourth step."""
    interrupt = At(4, lambda: os.kill(os.getpid(), signal.SIGINT))
    trainer = make_trainer(callbacks=[listener, interrupt], max_steps=50)
    with pytest.raises(KeyboardInterrupt, match=r"stopped at step 3, saved in .*step-000003"):
        trainer.train()
    assert listener.of("on_end") == [None]
    assert trainer.state.step == 3
    trainer.callbacks.callbacks = []
    assert trainer.train(existing="resume", stop_after=2).step == 5


def test_a_second_interrupt_is_raised_at_once(
    make_trainer: MakeTrainer, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    callbacks = [listener, At(4, interrupt)]
    trainer = make_trainer(callbacks=callbacks, max_steps=6, checkpoint_interval=2)
    save = trainer.checkpointer.save

    def interrupted_save(state: Any) -> Path:
        if state.step == 3:
            interrupt()
        return save(state)

    monkeypatch.setattr(trainer.checkpointer, "save", interrupted_save)
    with pytest.raises(KeyboardInterrupt) as caught:
        trainer.train()
    assert caught.value.args == ()
    assert listener.of("on_end") == [None]
    assert make_trainer(max_steps=6).train(existing="resume").first_step == 2


@contextmanager
def interrupted_at(number: int, events: list[int]) -> Iterator[None]:
    """Raise KeyboardInterrupt at one of the lines of Python that run while the loop runs.

    Args:
        number: which line, counted from 0.
        events: the count of lines is appended to it.
    """
    n_lines = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal n_lines
        name = frame.f_code.co_filename
        if not (f"slm{os.sep}" in name or f"{os.sep}optim{os.sep}" in name):
            return None
        if event == "line":
            n_lines += 1
            if n_lines == number + 1:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
        events.append(n_lines)


@pytest.mark.slow
def test_an_interrupt_anywhere_changes_nothing_of_the_result(
    make_trainer: MakeTrainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of an update too: resuming gives the bits of the run without it."""
    run_loop = trainer_module.Trainer.run

    def train(name: str, existing: Any, at: int | None = None) -> int:
        events: list[int] = []

        def traced(self: Any, *args: Any, **more: Any) -> Any:
            if at is None:
                return run_loop(self, *args, **more)
            with interrupted_at(at, events):
                return run_loop(self, *args, **more)

        monkeypatch.setattr(trainer_module.Trainer, "run", traced)
        metrics = MetricsFile(tmp_path / name / "metrics.jsonl", 1)
        settings = {"max_steps": 4, "eval_interval": 2, "checkpoint_interval": 3}
        trainer = make_trainer(
            callbacks=[metrics],
            out_dir=str(tmp_path / name),
            optimizer="muon",
            sample_prompts=("Tom",),
            sample_tokens=3,
            **settings,
        )
        trainer.train(existing=existing)
        return sum(events)

    def records(name: str) -> list[dict[str, Any]]:
        of_the_machine = {"elapsed_seconds", "tokens_per_second", "peak_memory_bytes"}
        return [
            {key: value for key, value in record.items() if key not in of_the_machine}
            for record in read_metrics(tmp_path / name / "metrics.jsonl")
        ]

    n_lines = train("whole", "set-aside", at=sys.maxsize)
    chance = random.Random(1)
    moments = sorted(chance.sample(range(n_lines), 12))
    for number in moments:
        name = f"at-{number}"
        with pytest.raises(KeyboardInterrupt) as caught:
            train(name, "set-aside", at=number)
        assert "saved in" in str(caught.value), number
        train(name, "resume")
        assert_equal(weights(tmp_path / name), weights(tmp_path / "whole"))
        assert records(name) == records("whole"), number


def test_in_another_thread(make_trainer: MakeTrainer) -> None:
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(make_trainer().train().step))
    thread.start()
    thread.join()
    assert results == [6]
