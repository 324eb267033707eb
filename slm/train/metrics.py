"""`metrics.jsonl`: one JSON object a line, for plots, spreadsheets and later questions.

{"kind": "train", "step": 10, "loss": 5.2, "learning_rate": ..., "grad_norm": ..., ...}
{"kind": "validation", "step": 100, "loss": 4.1, "bits_per_byte": 1.9, ...}
{"kind": "sample", "step": 100, "prompt": "Once upon a time", "text": "..."}

A number that is not finite, such as the loss of a step that was skipped, is written as null.
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import IO, Any

from slm.files import atomic_write, write_errors
from slm.train.events import (
    Callback,
    EvaluationRecord,
    RunStart,
    SampleRecord,
    StepRecord,
    TrainingResult,
)

METRICS_FILE = "metrics.jsonl"


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All whole records of a metrics file, in order; none where there is no file.

    A last line that a killed process left unfinished is passed over.
    """
    if not path.exists():
        return []
    records = []
    # Not splitlines(), which also splits at characters that may stand in a sample's text.
    for line in path.read_text("utf-8", errors="replace").split("\n"):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and isinstance(record.get("step"), int):
            records.append(record)
    return records


class MetricsFile(Callback):
    """Appends every evaluation, every sample, and the steps at `log_interval`.

    When a run goes on from a checkpoint, records of later steps are dropped first: those steps are
    made again.
    """

    def __init__(self, path: Path, log_interval: int) -> None:
        self.path = path
        self.log_interval = log_interval
        self._stream: IO[str] | None = None

    def on_start(self, start: RunStart) -> None:
        kept = [record for record in read_metrics(self.path) if record["step"] <= start.first_step]
        atomic_write(self.path, "".join(_line(record) for record in kept))
        with write_errors(self.path):
            self._stream = self.path.open("a", encoding="utf-8")

    def on_step(self, record: StepRecord) -> None:
        if record.step % self.log_interval == 0:
            self._write("train", record)

    def on_evaluation(self, record: EvaluationRecord) -> None:
        self._write("validation", record)

    def on_sample(self, record: SampleRecord) -> None:
        self._write("sample", record)

    def on_end(self, result: TrainingResult | None) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _write(self, kind: str, record: StepRecord | EvaluationRecord | SampleRecord) -> None:
        assert self._stream is not None
        with write_errors(self.path):
            self._stream.write(_line({"kind": kind, **dataclasses.asdict(record)}))
            self._stream.flush()


def _line(record: dict[str, Any]) -> str:
    """A record as a line of JSON, which knows no NaN and no infinity: null stands for them."""
    plain = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in record.items()
    }
    return json.dumps(plain, ensure_ascii=False, allow_nan=False) + "\n"
