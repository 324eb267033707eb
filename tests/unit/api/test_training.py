"""`slm.train`, `slm.plan`, `slm.prepare`, `slm.evaluate` and `slm.open_run`."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import slm
from slm.cli import main
from slm.errors import ConfigError, RunLockedError, TrainingError, UsageError
from slm.planning import plan as planning
from slm.planning.steps import MachineProfile
from slm.storage.locks import directory_lock
from tests.conftest import tell_stories

QUICK: dict[str, Any] = {
    "preset": "tiny",
    "eval_tokens": 64,
    "sample_prompts": [],
    "device": "cpu",
    "threads": 1,
    "progress": False,
}


def losses(run: slm.Run) -> list[tuple[int, float]]:
    return [(record["step"], record["loss"]) for record in run.metrics if "loss" in record]


def test_a_run_is_that_of_the_command(data_dir: Path, tmp_path: Path) -> None:
    run = slm.train(data=data_dir, steps=4, out=tmp_path / "a", n_layer=1, seed=5, **QUICK)
    words = ["train", "--data", str(data_dir), "--steps", "4", "--out", str(tmp_path / "b")]
    words += ["--preset", "tiny", "--seed", "5", "--device", "cpu"]
    words += ["--set", "n_layer=1", "eval_tokens=64", "sample_prompts=[]", "threads=1"]
    assert main(words) == 0
    assert losses(run) == losses(slm.open_run(tmp_path / "b"))
    assert (run.config.model.n_layer, run.config.train.max_steps) == (1, 4)
    assert run.result is not None
    assert run.result.step == 4
    assert run.best.config == run.config.model
    assert "step 4, best validation loss" in repr(run)


def test_the_figure_of_a_run(data_dir: Path, tmp_path: Path) -> None:
    run = slm.train(data=data_dir, steps=2, out=tmp_path / "a", **QUICK)
    figure: Any = run.plot()
    assert figure.axes[0].get_xlabel() == "step"
    assert figure._repr_png_().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_run_is_resumed_and_never_replaced_by_mistake(data_dir: Path, tmp_path: Path) -> None:
    out, notes = tmp_path / "a", []
    slm.train(data=data_dir, steps=2, out=out, **QUICK)
    with pytest.raises(UsageError, match="already holds a run") as caught:
        slm.train(data=data_dir, steps=2, out=out, **QUICK)
    assert "resume=True" in str(caught.value.hint)
    longer = slm.train(out=out, steps=3, resume=True, progress=False)
    assert longer.result is not None
    assert (longer.result.first_step, longer.result.step) == (2, 3)
    slm.train(out=out, resume=True, progress=False, log=notes.append)
    assert any("steps=6) trains it longer" in note for note in notes)
    again = slm.train(data=data_dir, steps=1, out=out, fresh=True, **QUICK)
    assert again.result is not None
    assert again.result.first_step == 0
    assert (out / "previous-001").is_dir()
    with pytest.raises(UsageError, match="resume and fresh"):
        slm.train(out=out, resume=True, fresh=True)
    with pytest.raises(UsageError, match="there is no run"):
        slm.train(out=tmp_path / "nowhere", resume=True)


@pytest.mark.parametrize(
    ("settings", "found", "hint"),
    [
        ({"n_lyer": 2}, "n_lyer", "n_layer"),
        ({"n_layer": "two"}, "^n_layer: ", ""),
        ({"n_embd": 30, "n_head": 4}, "not divisible", "n_head="),
        ({"max_steps": 3}, "steps and max_steps contradict", "leave out"),
        ({"minutes": 1}, "steps and minutes are both given", "by steps or by minutes"),
        ({"source": "builtin"}, "data and source are both given", "prepared"),
    ],
)
def test_mistakes(
    data_dir: Path, tmp_path: Path, settings: dict[str, Any], found: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=found) as caught:
        slm.train(data=data_dir, steps=2, out=tmp_path / "a", **{**QUICK, **settings})
    assert hint in str(caught.value.hint)
    assert not (tmp_path / "a").exists()


def test_old_names_of_settings_are_read(data_dir: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    settings = {**QUICK, "muon_steps": 3, "log": notes.append}
    run = slm.train(data=data_dir, steps=1, out=tmp_path / "a", **settings)
    assert run.config.train.muon_ns_steps == 3
    assert "note: muon_steps is now called muon_ns_steps" in notes


def test_teachers_may_be_paths(data_dir: Path, tmp_path: Path) -> None:
    first = slm.train(data=data_dir, steps=1, out=tmp_path / "first", **QUICK)
    taught = slm.train(
        data=data_dir, steps=1, out=tmp_path / "second", teachers=[first.path], **QUICK
    )
    assert taught.config.train.teachers == (str(tmp_path / "first"),)


def test_another_process_holds_the_folder(data_dir: Path, tmp_path: Path) -> None:
    with directory_lock(tmp_path / "a"), pytest.raises(RunLockedError):
        slm.train(data=data_dir, steps=2, out=tmp_path / "a", **QUICK)


def test_an_interrupt_says_how_to_continue(data_dir: Path, tmp_path: Path) -> None:
    class Stop(slm.Callback):
        def on_step(self, record: Any) -> None:
            if record.step == 3:
                os.kill(os.getpid(), signal.SIGINT)

    out = tmp_path / "a"
    with pytest.raises(KeyboardInterrupt) as caught:
        slm.train(data=data_dir, steps=5, out=out, callbacks=[Stop()], **QUICK)
    message = str(caught.value)
    assert message.startswith("stopped at step 2, saved in ")
    assert message.endswith(f"slm.train(out={str(out)!r}, resume=True) continues")
    result = slm.train(out=out, resume=True, progress=False).result
    assert result is not None
    assert (result.first_step, result.step) == (2, 5)


def test_in_another_thread(data_dir: Path, tmp_path: Path) -> None:
    """With its notes and progress, which need no main thread either."""
    notes: list[str] = []
    settings = {**QUICK, "progress": True, "log": notes.append}
    runs: list[slm.Run] = []

    def train() -> None:
        runs.append(slm.train(data=data_dir, steps=2, out=tmp_path / "a", **settings))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert [run.result.step for run in runs if run.result] == [2]


def test_notes_go_to_the_log_alone(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Note(slm.Callback):
        def on_start(self, record: Any) -> None:
            raise ValueError("broken")

        is_vital = False

    notes: list[str] = []
    settings = {**QUICK, "progress": True, "log": notes.append}
    slm.train(data=data_dir, steps=1, out=tmp_path / "a", callbacks=[Note()], **settings)
    assert notes == ["note: Note failed: ValueError: broken"]
    assert "note: " not in capsys.readouterr().err


def test_several_processes_do_not_plan(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="each process would find another plan") as caught:
        slm.train(data=data_dir, minutes=1, out=tmp_path / "a", progress=False)
    assert "preset" in str(caught.value.hint)


def test_a_run_that_begins_with_resume_keeps_its_plan(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = MachineProfile("cpu", "float32", 0.01, has_compiler=False, memory_bytes=None)
    monkeypatch.setattr(planning, "probe_machine", lambda settings, minutes, **more: slow)
    settings = {**QUICK, "preset": None, "minutes": 0.2, "resume": True}
    run = slm.train(data=data_dir, out=tmp_path / "a", n_layer=1, **settings)
    assert run.result is not None
    plan = json.loads((tmp_path / "a" / "plan.json").read_text(encoding="utf-8"))
    assert plan["minutes"] == 0.2


def test_a_run_without_time_for_a_step_leaves_no_settings(data_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "a"
    with pytest.raises(TrainingError, match="ended before the first step"):
        slm.train(data=data_dir, minutes=1e-6, out=out, **QUICK)
    assert not (out / "config.json").exists()
    assert slm.train(data=data_dir, steps=1, out=out, **QUICK).result is not None


@pytest.mark.parametrize("function", [slm.plan, slm.train])
def test_minutes_are_a_number(function: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match="minutes must be a number, found '5'"):
        function(minutes="5", source="builtin")


def test_a_plan_is_a_table_and_has_its_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = MachineProfile("cpu", "float32", 0.02, has_compiler=False, memory_bytes=16 * 10**9)
    monkeypatch.setattr(planning, "probe_machine", lambda settings, minutes, **more: slow)
    text = tmp_path / "stories.txt"
    text.write_text(tell_stories(4000, seed=0), encoding="utf-8")
    plan = slm.plan(2, text, batch_size=5)
    assert plan.settings.train.batch_size == 5
    assert plan.steps >= 1
    assert str(plan) == repr(plan)
    assert str(plan).splitlines()[0].startswith("minutes ")
    assert "bits per byte" in str(plan)
    assert "note: " in str(plan)


def test_prepare_and_evaluate_give_the_numbers_of_the_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "stories.txt"
    text.write_text(tell_stories(300, seed=0), encoding="utf-8")
    data = slm.prepare(text, tokenizer="bytes", out=tmp_path / "data", limit=200, progress=False)
    assert "200 training documents" in repr(data)
    run = slm.train(data=data, steps=2, out=tmp_path / "run", **QUICK)
    for how in ({"data": data}, {"source": text}):
        found = slm.evaluate(run.best, **how, progress=False)
        (name, value), *_ = how.items()
        path = value.path if name == "data" else value
        words = ["eval", "--checkpoint", str(run.path), f"--{name}", str(path), "--json"]
        capsys.readouterr()
        assert main(words) == 0
        assert found.to_json().items() <= json.loads(capsys.readouterr().out).items()
    with pytest.raises(UsageError, match="data or source"):
        slm.evaluate(run.best)
    with pytest.raises(UsageError, match="valdation") as caught:
        slm.evaluate(run.best, data=data, split="valdation")  # type: ignore[arg-type]
    assert "validation" in str(caught.value.hint)
    with pytest.raises(ConfigError):
        slm.prepare(text, limit=0)


def test_a_run_that_is_not_there(tmp_path: Path, data_dir: Path) -> None:
    run = slm.train(data=data_dir, steps=1, out=tmp_path / "book", **QUICK)
    assert slm.open_run(run.path / "best").path == run.path.resolve()
    with pytest.raises(UsageError, match="there is no run") as caught:
        slm.open_run(tmp_path / "bok")
    assert "book" in str(caught.value.hint)
