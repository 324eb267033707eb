"""`metrics.jsonl` line by line."""

from __future__ import annotations

import errno
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest

from slm.config import DataConfig, GPTConfig, RunConfig, TrainingConfig
from slm.errors import NoSpaceError
from slm.model import model_costs
from slm.reporting.metrics import MetricsFile, read_metrics
from slm.training.events import AnomalyRecord, EvaluationRecord, RunStart, SampleRecord, StepRecord


def start(first_step: int = 0, *, evaluated: bool = False, samples_written: int = 0) -> RunStart:
    settings = RunConfig(GPTConfig(), TrainingConfig(), DataConfig(), origins={})
    return RunStart(
        settings=settings,
        costs=model_costs(settings.model),
        out_dir=Path(),
        device="cpu",
        dtype="float32",
        compiled=False,
        threads=1,
        world_size=1,
        tokens_per_step=1,
        first_step=first_step,
        elapsed_seconds=0.0,
        evaluated=evaluated,
        samples_written=samples_written,
    )


def step(number: int, loss: float = 2.0) -> StepRecord:
    return StepRecord(number, loss, 0.5, 0.1, 1.0, 10 * number, 100.0, 3.0, 0.5)


def evaluation(number: int, loss: float = 2.5) -> EvaluationRecord:
    return EvaluationRecord(number, loss, 1.5, 99, 2.4, True, 3.5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def write(
    path: Path, records: list[Any], *, first_step: int = 0, log_interval: int = 1, **known: Any
) -> None:
    metrics = MetricsFile(path, log_interval)
    metrics.on_start(start(first_step, **known))
    for record in records:
        if isinstance(record, StepRecord):
            metrics.on_step(record)
        elif isinstance(record, EvaluationRecord):
            metrics.on_evaluation(record)
        else:
            metrics.on_sample(record)
    metrics.on_end(None)


def test_every_line_is_an_object_with_its_kind_and_step(path: Path) -> None:
    write(
        path, [step(1), evaluation(1), SampleRecord(1, "Once", " upon\na time, \u00e9\U0001f600")]
    )
    lines = path.read_text("utf-8").splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["train", "validation", "sample"]
    train, validation, sample = read_metrics(path)
    assert train["loss"] == 2.0
    assert train["grad_norm"] == 1.0
    assert train["tokens"] == 10
    assert validation["bits_per_byte"] == 1.5
    assert validation["is_best"] is True
    assert sample["text"] == " upon\na time, \u00e9\U0001f600"


def test_steps_at_the_interval_and_every_evaluation_with_its_step(path: Path) -> None:
    write(path, [*map(step, range(1, 11)), evaluation(10), evaluation(11)], log_interval=4)
    assert [(r["kind"], r["step"]) for r in read_metrics(path)] == [
        ("train", 4),
        ("train", 8),
        ("train", 10),
        ("validation", 10),
        ("validation", 11),
    ]


def test_each_line_is_there_at_once(path: Path) -> None:
    metrics = MetricsFile(path, 1)
    metrics.on_start(start())
    metrics.on_step(step(1))
    assert len(read_metrics(path)) == 1
    metrics.on_end(None)


def test_going_on_drops_what_will_be_made_again(path: Path) -> None:
    write(path, [*map(step, range(1, 8)), evaluation(5), evaluation(7)])
    write(path, [step(6, loss=9.0)], first_step=5, evaluated=True)
    assert [(r["kind"], r["step"]) for r in read_metrics(path)] == [
        *[("train", n) for n in range(1, 6)],
        ("validation", 5),
        ("train", 6),
    ]
    write(path, [], first_step=0)
    assert read_metrics(path) == []


def test_what_is_kept_is_kept_byte_for_byte(path: Path) -> None:
    """Also where a text has a character that some would take for the end of a line."""
    odd = "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\rh\r\ni \u00e4"
    write(path, [step(1), SampleRecord(1, "p\u2028", odd), evaluation(1)])
    before = path.read_bytes()
    write(path, [], first_step=1, evaluated=True, samples_written=1)
    assert path.read_bytes() == before
    assert read_metrics(path)[1]["text"] == odd


def test_a_torn_last_line_is_passed_over_and_goes(path: Path) -> None:
    write(path, [step(1), step(2)])
    whole = path.read_bytes()
    for n in range(1, len(whole.splitlines()[-1])):
        path.write_bytes(whole[:-n])
        assert [r["step"] for r in read_metrics(path)] == ([1, 2] if n == 1 else [1])
    path.write_bytes(whole + b'{"kind": "sample", "step": 2, "text": "\xc3')
    assert [r["step"] for r in read_metrics(path)] == [1, 2]
    write(path, [step(3)], first_step=2)
    assert path.read_bytes().startswith(whole)
    assert [r["step"] for r in read_metrics(path)] == [1, 2, 3]


@pytest.mark.parametrize("line", ["[1]", '"step"', "{}", '{"step": "one"}', "null", ""])
def test_lines_that_are_no_records_are_passed_over(path: Path, line: str) -> None:
    path.write_text(line + '\n{"kind": "train", "step": 1}\n', encoding="utf-8")
    assert read_metrics(path) == [{"kind": "train", "step": 1}]


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_null(path: Path, loss: float) -> None:
    write(path, [step(1, loss=loss)])

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    record = json.loads(path.read_text("utf-8"), parse_constant=refuse)
    assert record["loss"] is None
    assert record["grad_norm"] == 1.0


def test_no_file_is_no_records(path: Path) -> None:
    assert read_metrics(path) == []


def test_an_odd_step_is_a_record_of_its_own(path: Path) -> None:
    metrics = MetricsFile(path, log_interval=100)
    metrics.on_start(start())
    metrics.on_anomaly(AnomalyRecord(7, "skipped", math.nan, "bad", (3, 4)))
    metrics.on_end(None)
    (record,) = read_metrics(path)
    assert record == {
        "kind": "anomaly",
        "step": 7,
        "anomaly": "skipped",
        "loss": None,
        "text": "bad",
        "stories": [3, 4],
    }


@pytest.mark.parametrize(
    ("evaluated", "samples_written", "kept"),
    [(False, 0, []), (True, 0, ["validation"]), (True, 1, ["validation", "first"])],
)
def test_what_was_interrupted_at_the_step_is_written_once(
    path: Path, evaluated: bool, samples_written: int, kept: list[str]
) -> None:
    samples = [SampleRecord(2, "p", "first"), SampleRecord(2, "p", "second")]
    write(path, [step(2), evaluation(2), *samples])
    write(path, [], first_step=2, evaluated=evaluated, samples_written=samples_written)
    assert [r.get("text", r["kind"]) for r in read_metrics(path)] == ["train", *kept]


class FullStream(io.StringIO):
    def close(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_is_full_at_the_end(path: Path) -> None:
    metrics = MetricsFile(path, 1)
    metrics._stream = FullStream()
    with pytest.raises(NoSpaceError, match=r"metrics\.jsonl"):
        metrics.on_end(None)
    metrics.on_end(None)  # once more does no harm
