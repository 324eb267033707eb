"""The live plot of a notebook, without IPython."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from slm.reporting import notebook
from slm.reporting.notebook import MOST_POINTS, NotebookDisplay
from slm.training.events import EvaluationRecord, StepRecord
from tests.unit.reporting.test_progress import RESULT, start


class Image:
    """What a display shows."""

    def update(self, content: object) -> None:
        pass


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[list[dict[str, Any]]]:
    """The records of each plot."""
    plots: list[list[dict[str, Any]]] = []

    def figure(records: list[dict[str, Any]]) -> Any:
        plots.append(list(records))
        return SimpleNamespace(savefig=lambda *arguments, **settings: None)

    shown = SimpleNamespace(display=lambda *a, **settings: Image(), HTML=str, Image=bytes)
    monkeypatch.setattr(notebook.importlib, "import_module", lambda name: shown)
    monkeypatch.setattr(notebook, "loss_figure", figure)
    return plots


def test_the_training_curve_stays_however_often_a_run_is_evaluated(
    drawn: list[list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    display = NotebookDisplay()
    display.on_start(start())
    n_steps = 3 * MOST_POINTS
    for number in range(1, n_steps + 1):
        display.on_step(StepRecord(number, 2.0, 1.0, 0.1, 1.0, 10, 99.0, 1.0, number / n_steps))
        if number % 2 == 0:
            display.on_evaluation(EvaluationRecord(number, 2.5, 1.0, 10, 2.0, False, 1.0))
    display.on_end(RESULT)
    kinds = [record["kind"] for record in drawn[-1]]
    assert kinds.count("validation") == n_steps // 2
    assert MOST_POINTS // 2 <= kinds.count("train") <= MOST_POINTS
    steps = [record["step"] for record in drawn[-1] if record["kind"] == "train"]
    assert steps[0] < n_steps // 100
    assert steps[-1] > n_steps - 10
