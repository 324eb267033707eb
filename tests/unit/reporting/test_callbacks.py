"""Who listens by default, and TensorBoard on wish."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slm.api import Trainer
from slm.config import TrainingConfig
from slm.errors import MissingExtraError
from slm.reporting.callbacks import recording_callbacks
from slm.reporting.metrics import MetricsFile
from slm.reporting.model_file import BestModelFile
from slm.reporting.plots import LossPlot
from slm.reporting.progress import ProgressDisplay
from slm.reporting.tensorboard import TensorBoard
from slm.training import EvaluationRecord, SampleRecord, StepRecord


def test_the_records(tmp_path: Path) -> None:
    callbacks = recording_callbacks(TrainingConfig(out_dir=str(tmp_path), log_interval=3))
    assert [type(callback) for callback in callbacks] == [MetricsFile, LossPlot]
    metrics, plot = callbacks
    assert isinstance(metrics, MetricsFile)
    assert isinstance(plot, LossPlot)
    assert metrics.path == plot.metrics_path == tmp_path / "metrics.jsonl"
    assert metrics.log_interval == 3
    assert plot.plot_path == tmp_path / "losses.png"


def test_the_default(make_trainer: Callable[..., Trainer]) -> None:
    trainer = make_trainer(default_callbacks=True)
    callbacks = trainer.callbacks.callbacks
    kinds = [type(callback) for callback in callbacks]
    assert kinds == [MetricsFile, LossPlot, ProgressDisplay, BestModelFile]


def test_tensorboard_writes_events(
    tmp_path: Path, make_trainer: Callable[..., Trainer], listener: Any
) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs the extra track"
    )
    config = TrainingConfig(out_dir=str(tmp_path), tensorboard=True, log_interval=2)
    board = recording_callbacks(config)[-1]
    assert isinstance(board, TensorBoard)
    make_trainer().train(stop_after=1)
    (start,) = listener.of("on_start")
    board.on_start(start)
    for number in range(1, 5):
        board.on_step(StepRecord(number, 5.0 - number, 1.0, 0.1, 1.0, 9, 9.0, 9.0, 0.5))
    board.on_evaluation(EvaluationRecord(4, 2.5, 1.25, 99, 2.4, True, 3.0))
    board.on_sample(SampleRecord(4, "Once", " upon a time"))
    board.on_end(None)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("train/loss")] == [(2, 3.0), (4, 1.0)]
    assert [e.value for e in events.Scalars("validation/bits_per_byte")] == [1.25]
    assert any("Once" in tag for tag in events.Tags()["tensors"])


def test_without_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="tensorboard") as caught:
        TensorBoard(tmp_path / "board", 1)
    assert "pip install -e" in str(caught.value.hint)
    assert "[track]" in str(caught.value.hint)
    assert not (tmp_path / "board").exists()
