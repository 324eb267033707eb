"""What a person sees: on a terminal, and in a log file."""

from __future__ import annotations

import dataclasses
import math
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from slm.config import DataConfig, GPTConfig, RunConfig, TrainingConfig
from slm.model import model_costs
from slm.quantities import parameters
from slm.reporting import progress
from slm.reporting.progress import ProgressDisplay
from slm.training.events import EvaluationRecord, RunStart, SampleRecord, StepRecord, TrainingResult

RESULT = TrainingResult(4, 2.0, 2.5, 2.5, False, 400, 9.0, Path())


def start(**changes: Any) -> RunStart:
    settings = RunConfig(GPTConfig(), TrainingConfig(max_steps=4), DataConfig(), origins={})
    plain = RunStart(
        settings=settings,
        costs=model_costs(settings.model),
        out_dir=Path(),
        device="cpu",
        dtype="float32",
        compiled=False,
        threads=2,
        world_size=1,
        tokens_per_step=1000,
        first_step=0,
        elapsed_seconds=0.0,
    )
    return dataclasses.replace(plain, **changes)


def step(number: int, loss: float = 2.0) -> StepRecord:
    return StepRecord(number, loss, 0.5, 0.1, 1.0, 10 * number, 1234.0, 3.0, number / 4)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The display's clock; setting its one element turns it."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def display(*, terminal: bool) -> tuple[ProgressDisplay, StringIO]:
    out = StringIO()
    console = Console(file=out, force_terminal=terminal, width=200, color_system=None)
    return ProgressDisplay(console), out


def test_plain_lines_without_a_terminal(clock: list[float]) -> None:
    shown, out = display(terminal=False)
    shown.on_start(start())
    assert out.getvalue().splitlines() == [
        f"{parameters(start().costs.parameters)}, 4 steps of 1,000 tokens a step, "
        "cpu in float32, 2 threads"
    ]
    for number in range(1, 4):
        clock[0] += 6.0
        shown.on_step(step(number))
    shown.on_evaluation(EvaluationRecord(3, 2.5, 1.25, 99, 2.25, True, 75.0))
    shown.on_evaluation(EvaluationRecord(4, 2.6, 1.3, 99, 2.2, False, 80.0))
    shown.on_note("[bold]square brackets[/bold] are no markup")
    shown.on_end(RESULT)
    lines = out.getvalue().splitlines()[1:]
    # One line in ten seconds, not one a step; the time left from the second half's 12 seconds.
    assert lines == [
        " 50%  step 2  loss 2.000  1,234 tokens/s  12s left",
        "step 3: training loss 2.2500, validation loss 2.5000 (1.2500 bits per byte), "
        "best so far, 1m15s",
        "step 4: training loss 2.2000, validation loss 2.6000 (1.3000 bits per byte), 1m20s",
        "note: [bold]square brackets[/bold] are no markup",
    ]


def test_a_bar_on_a_terminal(clock: list[float]) -> None:
    shown, out = display(terminal=True)
    shown.on_start(start())
    shown.on_step(step(1))
    clock[0] += 5.0
    shown.on_step(step(2, loss=1.5))
    shown.on_evaluation(EvaluationRecord(2, 2.5, 1.25, 99, 2.25, True, 75.0))
    shown.on_end(RESULT)
    text = out.getvalue()
    assert "training" in text
    assert "validation loss 2.5000" in text
    assert "step 2  loss 1.750  1,234 tokens/s  10s left" in text
    assert "100%" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor is back


def test_an_interrupted_run_gives_the_terminal_back(clock: list[float]) -> None:
    shown, out = display(terminal=True)
    shown.on_start(start())
    shown.on_step(step(1))
    shown.on_end(None)
    assert "\x1b[?25h" in out.getvalue()
    assert "100%" not in out.getvalue()
    shown.on_end(None)  # once more does no harm


def test_the_time_left_of_a_resumed_run_counts_from_where_it_began(clock: list[float]) -> None:
    shown, out = display(terminal=False)
    shown.on_start(start(first_step=2, compiled=True, world_size=3))
    assert "compiled" in out.getvalue()
    assert "3 processes" in out.getvalue()
    assert "resuming at step 2" in out.getvalue()
    shown.on_step(step(3))
    clock[0] += 20.0
    record = dataclasses.replace(step(3), progress=0.875)
    shown.on_step(record)
    assert out.getvalue().splitlines()[-1].endswith("20s left")  # 1/8 took 20 s, 1/8 is left


def test_by_the_clock(clock: list[float]) -> None:
    shown, out = display(terminal=False)
    settings = RunConfig(GPTConfig(), TrainingConfig(max_minutes=2.5), DataConfig(), origins={})
    shown.on_start(start(settings=settings))
    assert "2.5 minutes" in out.getvalue()


def test_a_skipped_step_does_not_spoil_the_mean(clock: list[float]) -> None:
    shown, out = display(terminal=False)
    shown.on_start(start())
    for number, loss in enumerate([math.nan, 3.0, math.inf, 2.0], start=1):
        clock[0] += 20.0
        shown.on_step(step(number, loss))
    figures = [line.split("loss ")[1].split()[0] for line in out.getvalue().splitlines()[1:]]
    assert figures == ["nan", "3.000", "3.000", "2.500"]


def test_a_second_run_starts_afresh(clock: list[float]) -> None:
    shown, out = display(terminal=False)
    for loss in (9.0, 1.0):
        shown.on_start(start())
        clock[0] += 20.0
        shown.on_step(step(1, loss))
        shown.on_end(RESULT)
    assert "loss 1.000" in out.getvalue().splitlines()[-1]
    assert "? left" in out.getvalue().splitlines()[-1]


def test_samples_stay_on_their_line_and_control_no_terminal() -> None:
    shown, out = display(terminal=False)
    shown.on_sample(SampleRecord(1, "Once\n", " upon\x1b[2J a\r\n\x07time [red]\u00e9"))
    assert out.getvalue() == "  Once  upon [2J a   time [red]\u00e9\n"


def test_it_writes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    shown = ProgressDisplay()
    shown.on_note("hello")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "note: hello" in captured.err


class Gone(Console):
    """A console whose reader has gone; rich ends the program then."""

    def __init__(self, error: BaseException, *, terminal: bool) -> None:
        super().__init__(file=StringIO(), force_terminal=terminal, width=200)
        self.error = error
        self.attempts = 0

    def _check_buffer(self) -> None:
        if self.quiet:
            return
        self.attempts += 1
        raise self.error


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("error", [SystemExit(1), BrokenPipeError(), OSError(28, "full")])
def test_a_console_that_fails_silences_it(
    clock: list[float], error: BaseException, terminal: bool
) -> None:
    console = Gone(error, terminal=terminal)
    shown = ProgressDisplay(console)
    shown.on_start(start())
    for number in (1, 2):
        clock[0] += 20.0
        shown.on_step(step(number))
    shown.on_evaluation(EvaluationRecord(2, 2.5, 1.25, 99, 2.25, True, 75.0))
    shown.on_sample(SampleRecord(2, "Once", " upon a time"))
    shown.on_note("hello")
    shown.on_end(RESULT)
    assert console.attempts == 1
