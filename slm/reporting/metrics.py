"""`metrics.jsonl`: one JSON object per line, for plots, spreadsheets and analysis.

{"kind": "train", "step": 10, "loss": 5.2, "learning_rate": ..., "grad_norm": ..., ...}
{"kind": "validation", "step": 100, "loss": 4.1, "bits_per_byte": 1.9, ...,
 "peak_memory_bytes": 812000000}
{"kind": "sample", "step": 100, "prompt": "Once upon a time", "text": "..."}
{"kind": "anomaly", "step": 120, "anomaly": "spike", "loss": 9.1, "text": "...", "stories": []}

A non-finite number, such as the loss of a skipped step, is written as null.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from slm.errors import TrainingError
from slm.hardware.devices import peak_memory_bytes
from slm.storage.files import atomic_write, write_errors
from slm.storage.safe_reading import read_bounded
from slm.training.events import (
    AnomalyRecord,
    Callback,
    EvaluationRecord,
    RunStart,
    SampleRecord,
    StepRecord,
    TrainingResult,
)

LARGEST_BYTES = 1 << 29

Record = StepRecord | EvaluationRecord | SampleRecord | AnomalyRecord


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All complete records of a metrics file, in order; empty if there is no file.

    An incomplete last line, left by a killed process, is skipped.

    Raises:
        TrainingError: it cannot be read, or is too large.
    """
    if not path.exists():
        return []
    try:
        content = read_bounded(path, LARGEST_BYTES)
    except OSError as error:
        raise TrainingError(
            f"cannot read {path}: {error.strerror or error}",
            hint="move it away; a new file is started",
        ) from error
    records = []
    # Not splitlines(), which also splits at characters that may occur in a sample's text.
    for line in content.decode("utf-8", errors="replace").split("\n"):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict) and isinstance(record.get("step"), int):
            records.append(record)
    return records


class MetricsFile(Callback):
    """Appends every evaluation with its step, every sample, and the steps at `log_interval`.

    When a run resumes from a checkpoint, records of repeated work are dropped first: later steps,
    and an evaluation or samples at the same step that the checkpoint does not include.

    An evaluation also has the peak memory of this process so far, or of its CUDA device.
    """

    def __init__(self, path: Path, log_interval: int) -> None:
        self.path = path
        self.log_interval = log_interval
        self._stream: IO[str] | None = None
        self._device = "cpu"
        self._unwritten: StepRecord | None = None

    def on_start(self, start: RunStart) -> None:
        self._device, self._unwritten = start.device, None
        kept = _not_done_again(read_metrics(self.path), start)
        atomic_write(self.path, "".join(_line(record) for record in kept))
        with write_errors(self.path):
            self._stream = self.path.open("a", encoding="utf-8")

    def on_step(self, record: StepRecord) -> None:
        self._unwritten = record
        if record.step % self.log_interval == 0:
            self._write_step()

    def on_evaluation(self, record: EvaluationRecord) -> None:
        self._write_step()
        self._write("validation", record, peak_memory_bytes=peak_memory_bytes(self._device))

    def on_sample(self, record: SampleRecord) -> None:
        self._write("sample", record)

    def on_anomaly(self, record: AnomalyRecord) -> None:
        self._write("anomaly", record)

    def on_end(self, result: TrainingResult | None) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with write_errors(self.path):  # closing flushes the buffer
                stream.close()

    def _write_step(self) -> None:
        record, self._unwritten = self._unwritten, None
        if record is not None:
            self._write("train", record)

    def _write(self, kind: str, record: Record, **more: float) -> None:
        assert self._stream is not None
        with write_errors(self.path):
            self._stream.write(_line({"kind": kind, **dataclasses.asdict(record), **more}))
            self._stream.flush()


def _not_done_again(records: list[dict[str, Any]], start: RunStart) -> Iterator[dict[str, Any]]:
    """The records of work that the checkpoint includes."""
    stories = 0
    for record in records:
        is_known = record["step"] <= start.first_step
        if record["step"] == start.first_step:
            if record.get("kind") == "validation":
                is_known = start.evaluated
            elif record.get("kind") == "sample":
                stories += 1
                is_known = stories <= start.samples_written
        if is_known:
            yield record


def _line(record: dict[str, Any]) -> str:
    """A record as a line of JSON, with null for NaN and infinity, which JSON lacks."""
    plain = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in record.items()
    }
    return json.dumps(plain, ensure_ascii=False, allow_nan=False) + "\n"
